"""`latent-inversion edit`: a picture changed by changing its prompt, by any method of the table."""

import argparse
from dataclasses import fields
from pathlib import Path

import numpy as np

from ...api.checks import check_inversion
from ...api.editing import fitting_trajectory
from ...api.inversion import Inversion
from ...api.request import EditRequest
from ...inversion_core.methods import EDITORS, WrongInversion
from ...pictures.errors import UserError
from ...pictures.files import write_picture
from ..options.edit import PRESETS_BY_OPTION
from ..options.shared import INVERSION_NAMES
from ..outputs import check_picture, named_after, pasted
from ..verdict import told
from ..workspace import inverted, memory_of, open_workspace


def run(options: argparse.Namespace) -> None:
    """Write the edited picture, and the sheet if it was asked for; print what came out, and how well the source was kept."""
    request = request_of(options)
    request.check()
    inversion = options.inversion and INVERSION_NAMES[options.inversion]
    check_inversion(options.method, inversion, options.trajectory is not None)
    out = options.out or named_after(options.picture, ".edited.png")
    sheet = sheet_of(options, out)
    for path in (out, *([sheet] if sheet else [])):
        check_picture(path, options)
    image = open_workspace(options, options.source or "")
    result = source_of(image, options, request).edited(request)
    for name, path, picture in (("edited", out, result.image), ("sheet", sheet, result.sheet if sheet else None)):
        if path and picture:
            print(f"{name:<15} {pasted(path)}")
            write_picture(path, np.asarray(picture))
    said = told(result.verdict, result.pixels, options.model, *result.prompts)
    print(f"verdict         {image.foreign or said}")
    if result.source_psnr is not None:
        print(f"reconstruction  {result.source_psnr:.1f} dB (how near the model comes to the image without the edit)")


def request_of(options: argparse.Namespace) -> EditRequest:
    """The edit that the options ask for. Raises UserError as `memory_of`."""
    given = vars(options) | {
        "preset": options.preset and PRESETS_BY_OPTION[options.preset],
        "weights": dict(options.weights),
        "memory": memory_of(options),
    }
    return EditRequest(**{field.name: given[field.name] for field in fields(EditRequest)})


def source_of(image: Inversion, options: argparse.Namespace, request: EditRequest) -> Inversion:
    """The image with the trajectory that was named or asked for; without, the method inverts it. Raises UserError as `inverted`."""
    if options.trajectory is None and options.inversion is None:
        return image
    if options.source is not None:
        request.remarks(image.studio, options.source)
    made = inverted(image, options, options.source, request.settings_on(image.studio).steps)
    editor = EDITORS[options.method]
    if editor.inversion is not None and fitting_trajectory(editor, made.required()) is None:
        raise UserError(
            f"{WrongInversion(editor.inversion, made.required())} Without --trajectory and --inversion, {options.method} inverts the "
            "image itself."
        )
    return made


def sheet_of(options: argparse.Namespace, out: Path) -> Path | None:
    """Where the sheet goes, if it was asked for: to the file that was named, or beside the edited image. Raises UserError if that is the same."""
    if options.sheet is None:
        return None
    if not isinstance(options.sheet, Path):
        return named_after(out, ".sheet.png")
    if options.sheet.resolve() == out.resolve():
        raise UserError(f"{options.sheet} is the edited image. Name another file with --sheet.")
    return options.sheet
