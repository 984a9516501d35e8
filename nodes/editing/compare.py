"""Compare Methods: every method that fits the model on one picture, side by side."""

from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ...inversion_core.applications.compare import Compared, compare, fitting
from ...inversion_core.dial import FEW_STEPS
from ...inversion_core.methods import EDITORS, EditJob, Settings
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.types import Cond
from ...pictures.files import to_pixels
from ...pictures.sheet import Cell, sheet
from ..inverting.decode import decode
from ..inverting.encode import encode
from ..inverting.invert_latent import decreasing, scale_of
from ..kit.inputs import negative_input, source_and_target
from ..kit.latents import taken
from ..kit.prompt_text import word_list
from ..kit.schema import choice, output, scheduler_input, schema, seed_input, socket, steps_input, text_input
from ..looking.report_figures import channels_first
from ..run.control_hints import pad_hints
from ..run.guidance import few_steps_for
from ..run.progress import reporter, run
from .method_inputs import ABOUT_FEW_STEPS, PUBLISHED
from .run_edit import cond_of

STEPS = 28


class InversionCompare(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionCompare",
            display_name="Compare Methods",
            category="inversion/edit",
            description="Edits an image with every method that fits the model, each with its published settings, and shows the "
            "results side by side with their figures, so that you can choose by eye.",
            search_aliases=["all methods", "benchmark", "xy plot"],
            is_output_node=True,
            inputs=[
                socket(io.Model, "model").about("The model that inverts and edits."),
                socket(io.Vae, "vae").about("The VAE of the model."),
                socket(io.Image, "image").about("The image to edit. Only the first image of a batch is used."),
                *source_and_target(),
                negative_input(),
                steps_input(STEPS).about(
                    f"Number of steps for every method. The default becomes 4 or 8 with '{FEW_STEPS}'."
                ),
                scheduler_input("normal"),
                text_input("methods", multiline=True).about(
                    "Comma-separated methods to run. Empty runs all that fit the model. Methods:\n" + ", ".join(EDITORS)
                ),
                seed_input().about("Seed of methods that draw noise."),
                choice("settings", [PUBLISHED, FEW_STEPS], optional=True).about(
                    f"published: uses the published settings of each method for this kind of model, or usual values. {ABOUT_FEW_STEPS}"
                ),
            ],
            outputs=[
                output(io.Image, "sheet").about("All edited images and figures on one page."),
                output(io.Image, "images").about("The edited images as a batch, in the order of the sheet."),
                output(io.String, "figures").about("The figures, one line per method."),
            ],
        )

    @classmethod
    def validate_inputs(cls, methods: str | None = "") -> bool | str:
        return mistaken(methods or "") or True

    @classmethod
    def execute(cls, model, vae, image, steps, scheduler, methods, seed, settings=PUBLISHED, **words) -> io.NodeOutput:
        latent, few = encode(vae, image[:1], None, 64), settings == FEW_STEPS
        steps = few_steps_for(model, "direct", steps, STEPS) if few else steps
        results = compared(model, latent, words, named(methods), steps, scheduler, seed, few)
        page, pictures, text = laid_out(model, vae, image[:1], latent, results)
        shown = ui.PreviewImage(page, cls=cls).as_dict()
        return io.NodeOutput(page, pictures, text, ui={**shown, "text": [text]})


def named(methods: str) -> list[str]:
    """The methods that were written down. Raises ValueError at one that does not exist."""
    if said := mistaken(methods):
        raise ValueError(said)
    return list(word_list(methods))


def mistaken(methods: str) -> str:
    """The sentence about the first method that does not exist; empty if all do."""
    unknown = [name for name in word_list(methods) if name not in EDITORS]
    return f"There is no method '{unknown[0]}'. Choose from: {', '.join(EDITORS)}." if unknown else ""


def compared(
    model: Any,
    latent: dict[str, Any],
    prompts: dict[str, Any],
    names: list[str],
    steps: int,
    scheduler: str,
    seed: int,
    few_steps: bool = False,
) -> list[Compared]:
    """The edits of a LATENT by the named methods, or by all that fit the model."""
    (frame, samples), sigmas = taken(model, latent), decreasing(model, scheduler, steps)

    def body(denoiser: Any, x: Tensor, prepared: Any) -> list[Compared]:
        def conds(settings: Settings) -> tuple[Cond, Cond]:
            source = cond_of(prepared, "source", settings.source_guidance, alone=few_steps)
            return source, cond_of(prepared, "target", settings.guidance, alone=few_steps)

        job = EditJob(denoiser, x, sigmas, prepared("source"), prepared("target"), seed=seed, on_step=reporter(model))
        return list(compare(job, names or fitting(denoiser, few_steps), conds, few_steps=few_steps))

    gradients = any(EDITORS[name].gradients for name in names or EDITORS)
    return run(model, pad_hints(prompts, frame), samples, sigmas, body, gradients=gradients)


def laid_out(
    model: Any, vae: Any, image: Tensor, latent: dict[str, Any], results: list[Compared]
) -> tuple[Tensor, Tensor, str]:
    """The page, the pictures and the figures. Raises ValueError, with the reasons, if no method could edit."""
    original, scale = channels_first(image), scale_of(model, latent["samples"], latent["inversion_frame"])
    cells, pictures, lines = [Cell("the image", to_pixels(original))], [], []
    for result in results:
        if result.edited is None:
            lines.append(f"{result.name}: {result.refused}")
            continue
        ends = (result.edited.target, result.edited.source[-1])
        edited, kept = (decode(vae, scale.latent(x), None, None) for x in ends)
        note = (
            f"{result.evaluations} evaluations, {result.seconds:.1f} s, guidance {result.settings.guidance:g}, strength "
            f"{result.settings.strength:g}"
        )
        if EDITORS[result.name].inversion is not None:  # else there is no source branch
            note += f"; source kept at {float(psnr(channels_first(kept), original)[0]):.1f} dB"
        lines.append(f"{result.name}: {note}")
        cells.append(Cell(result.name, to_pixels(channels_first(edited)), note))
        pictures.append(edited)
    if not pictures:
        raise ValueError("No method could edit this image. " + " ".join(lines))
    page = torch.from_numpy(sheet("Methods side by side", [], cells, columns=5).copy()).float()[None] / 255
    return page, torch.cat(pictures), "\n".join(lines)
