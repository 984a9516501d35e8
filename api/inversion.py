"""An image on a model: inverted, re-created, edited, reported on, and saved."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.files.trajectory_file import save
from ..inversion_core.loops.integrate import replay
from ..inversion_core.methods import EDITORS
from ..inversion_core.shapes import Latent
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import require_unconditional
from ..pictures.errors import UserError
from ..pictures.files import Pixels, thumbnail, to_pixels
from .editing import edited
from .images import ImageLike, mask_of
from .progress import Watch, watching
from .report import Report, report
from .request import EditRequest
from .result import EditResult

if TYPE_CHECKING:
    from .model import Model

SAME_PICTURE = 1e-2
"""Relative distance of two encodings of one picture, by devices and precisions; different pictures are 1 apart."""
NOT_INVERTED = "The image was not inverted yet (`inversion` was None). Invert it with Model.invert(image, prompt)."


@dataclass(frozen=True)
class Inversion:
    """One image with its latent `x0`, what it shows, and its path to noise, by which it can be edited any number of times.

    Without a `trajectory` each edit inverts the image anew, as its method does. `foreign` is what the model says of an
    image that it was not made for. Made by `Model.invert` and
    `Model.load_inversion`.
    """

    model: "Model"
    pixels: Pixels
    x0: Latent
    prompt: str = ""
    trajectory: Trajectory | None = None
    foreign: str = ""

    @property
    def studio(self) -> Studio:
        return self.model.studio

    @property
    def image(self) -> Image.Image:
        """The image that was inverted."""
        return Image.fromarray(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def picture(self, x0: Latent) -> Pixels:
        """The pixels of a clean latent, in the image's size."""
        return to_pixels(self.studio.decode(x0), self.size)

    def edit(
        self,
        target: str,
        *,
        method: str = "direct",
        preset: str | None = None,
        strength: float | None = None,
        guidance: float | None = None,
        steps: int | None = None,
        negative: str | None = None,
        seed: int | None = None,
        words: Sequence[str] = (),
        weights: Mapping[str, float] | None = None,
        mask: ImageLike | None = None,
        find_region: bool = False,
        cross: float | None = None,
        self_attention: float | None = None,
        align: str = "refine",
        share: str | None = None,
        kv_edit: bool = False,
        plug_and_play: int | None = None,
        progress: Watch | None = None,
    ) -> EditResult:
        """Edit the image so that it shows `target`, which is the prompt of the inversion with some words changed.

        `method` is a name of `list_methods()`. With direct and ddim, `preset` (of `list_presets()`) and `strength` are one
        dial from 0, hardly, over 0.5, as set, to 1; with the other methods `strength` is the share of the steps that are edited. `guidance`
        pulls towards `target` and away from `negative`. What is None is as the method was published for this kind of
        model, or the model's usual number. `steps` acts where the image is inverted anew: methods with an inversion of
        their own do so. `seed` is for methods that draw noise.

        `words` of either prompt, a `mask` of the image's size (white where the edit may go), or `find_region` keep the
        edit to a region. `weights` strengthen or weaken words of the target (1 is as it is). `cross` and `self_attention`
        are the shares of the steps, 0..1, in which shared words and shapes are held (Prompt-to-Prompt, arXiv:2208.01626),
        `align` is refine or replace; `share` (masactrl, kv, values), `kv_edit` and `plug_and_play`, a layer of the
        decoder, are other ways to keep the source.

        `progress` is True for a bar, False for none, or a function that is told of each step. Raises UserError, a
        ValueError, at what cannot be.
        """
        what = target, method, preset, strength, guidance, steps, negative, seed
        where = words, weights or {}, mask, find_region
        how = cross, self_attention, align, share, kv_edit, plug_and_play
        request = EditRequest(*what, *where, *how, few_steps=self.model.few_steps)
        return self.edited(request, progress)

    def edited(self, request: EditRequest, progress: Watch | None = None) -> EditResult:
        """Carry out an edit that is described already. Raises UserError as `edit`."""
        request.check()
        editor, model = EDITORS[request.method], self.model
        anew = editor.inversion == "ddim" and self.trajectory is None
        steps = request.settings_on(self.studio).steps if anew else None
        if editor.uncond:
            require_unconditional(self.studio.denoiser, f"'{request.method}'")
        mask = None if request.mask is None else mask_of(request.mask, self.size)
        for line in request.remarks(self.studio, self.prompt):
            model.tell(line)
        image = self.inverted("ddim", steps, progress) if anew else self
        return edited(image, request, mask, model.watch(progress))

    def inverted(self, inversion: str = "ddim", steps: int | None = None, progress: Watch | None = None) -> "Inversion":
        """The image with its trajectory by an inversion of `list_inversions()`. Raises UserError if there is none of that name."""
        return replace(self, trajectory=self.model.trajectory_of(self.x0, self.prompt, inversion, steps, progress))

    def along(self, path: str | os.PathLike[str]) -> "Inversion":
        """The image with its trajectory from a file, and the prompt that it was inverted with.

        Raises UserError or StorageError, both ValueErrors, if the file cannot be read, was made with another model, or is
        not of this image.
        """
        trajectory = self.model.read(path)[0]
        if trajectory.shape != tuple(self.x0.shape) or _distance(trajectory.xs[-1], self.x0) >= SAME_PICTURE:
            raise UserError(
                f"{path} is the trajectory of another image, or of this one in another size. Use the image that was inverted."
            )
        return replace(self, prompt=trajectory.provenance.prompt, trajectory=trajectory)

    def reconstruct(self, progress: Watch | None = None) -> Image.Image:
        """Walk back from noise along the trajectory at guidance 1: the image as the inversion gives it back. Raises UserError without a trajectory."""
        trajectory = self.required()
        with watching(self.model.watch(progress)) as on_step:
            walk = replay(trajectory, self.studio.denoiser, self.studio.cond(self.prompt), on_step=on_step)
        return Image.fromarray(self.picture(walk.xs[-1]))

    def report(self, guidance: float | None = None, progress: Watch | None = None) -> Report:
        """Measure what stands between the image and its edit: the autoencoder, the inversion, and guidance (None: the model's usual).

        Raises UserError without a trajectory.
        """
        guidance = self.studio.guidance if guidance is None else guidance
        return report(self.studio, self.required(), self.pixels, guidance, self.model.watch(progress), self.foreign)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the trajectory as a .safetensors file, whole or not at all, and return its path; `Model.load_inversion` reads it.

        Raises UserError without a trajectory or at another ending, OSError as the file system does.
        """
        path = Path(path)
        if path.suffix.lower() != ".safetensors":
            raise UserError(f"{path} does not end with .safetensors. Use a name like {path.stem}.safetensors.")
        path.parent.mkdir(parents=True, exist_ok=True)
        notes = {"size": list(self.size)}
        save(self.required(), path, thumbnail=thumbnail(self.pixels), notes=notes)
        return path

    def required(self) -> Trajectory:
        """The trajectory. Raises UserError if there is none."""
        if self.trajectory is None:
            raise UserError(NOT_INVERTED)
        return self.trajectory

    def __repr__(self) -> str:
        height, width = self.size
        how = "not inverted" if self.trajectory is None else f"{self.trajectory.steps} steps"
        return f"Inversion({width} x {height}, {self.prompt!r}, {how})"


def _distance(x: Latent, y: Latent) -> float:
    return float(torch.linalg.vector_norm(x.cpu() - y.cpu()) / torch.linalg.vector_norm(y.cpu()))
