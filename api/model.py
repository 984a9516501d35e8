"""A model that inverts and edits images: the front door."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..inversion_core.applications.compare import fitting
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.dial import PRESETS
from ..inversion_core.files import trajectory_file
from ..inversion_core.inversions import INVERSIONS, invert
from ..inversion_core.methods import EDITORS
from ..inversion_core.quality.diagnosis import CONVERGED
from ..inversion_core.refine import refine as refined
from ..inversion_core.shapes import Latent, Picture
from ..inversion_core.trajectory import Provenance, Trajectory
from ..inversion_core.types import Denoiser
from ..pictures.files import shrink, to_pixels, to_tensor
from ..toybox.limits import COMMAND_LINE, about_image
from .checks import check_name, check_prompt
from .images import ImageLike, pixels_of
from .inversion import Inversion
from .models import TOYBOXES, few_steps_of, load_studio
from .progress import Watch, watching


def load(
    model: Any = "toybox",
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    scheduler: str | None = None,
    few_steps: bool = False,
    progress: Watch = True,
) -> "Model":
    """Load a model to invert and edit images with; nothing is downloaded.

    `model` is "toybox" or "toybox-flow", the tiny models that come with the package and know only their own drawn world;
    the folder of a Stable Diffusion 1, 2, XL or 3 or Flux model in diffusers' format; such a pipeline of diffusers that is
    loaded already; or one .safetensors checkpoint, where diffusers finds its configuration on this machine.

    `dtype` is that of the network, by default half precision on a GPU. `few_steps` says that the model was distilled to
    few steps. `progress` is True for bars in a terminal, False for none, or a function that is told of each step. Raises
    UserError, a ValueError, if there is no such model or it cannot run so.
    """
    studio = load_studio(model, device=device, dtype=dtype, scheduler=scheduler)
    drawn = isinstance(model, str) and model in TOYBOXES
    return Model(few_steps_of(studio) if few_steps else studio, few_steps, progress, drawn=drawn)


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=4)


@dataclass(frozen=True)
class Model:
    """A model with its autoencoder and text encoders; `drawn` says that it is the toybox. `tell` hears what a person should know; by default that is a warning."""

    studio: Studio
    few_steps: bool = False
    progress: Watch = True
    tell: Callable[[str], None] = _warn
    drawn: bool = False

    @property
    def device(self) -> torch.device:
        return self.studio.denoiser.device

    @property
    def image_size(self) -> int:
        """Width and height of the images that the model was trained on, in pixels."""
        return self.studio.trained_size

    @property
    def methods(self) -> list[str]:
        """The names of the methods that work on this kind of model."""
        return fitting(self.studio.denoiser, self.few_steps)

    def invert(
        self,
        image: ImageLike,
        prompt: str = "",
        *,
        steps: int | None = None,
        inversion: str | None = "ddim",
        refine: int = 0,
        size: int | None = None,
        progress: Watch | None = None,
    ) -> Inversion:
        """Invert an image that shows `prompt`: its path from clean to noise, by which it is edited.

        `image` is a path, a PIL image of any mode, an array [height, width, channels] or a tensor [channels, height,
        width]. It may have any size; `size` first shrinks its longer side to so many pixels. `steps` is by default the
        model's usual number. `inversion` is a name of `list_inversions()`; None leaves that to each edit, which then inverts as
        its method was published. `refine` optimises the latent for so many steps until it decodes to the image (30 are
        usual). Raises UserError, a ValueError, if the image, the prompt or a setting cannot be.
        """
        opened = self.opened(image, prompt, refine=refine, size=size)
        return opened if inversion is None else opened.inverted(inversion, steps, progress)

    def opened(self, image: ImageLike, prompt: str = "", *, refine: int = 0, size: int | None = None) -> Inversion:
        """The image on this model, not inverted yet. Raises UserError as `invert`."""
        check_prompt(prompt, "prompt")
        pixels = pixels_of(image)
        pixels = shrink(pixels, size) if size else pixels
        picture = to_tensor(pixels, self.studio.multiple)
        foreign = about_image(picture, self._recoded, COMMAND_LINE) if self.drawn else ""
        if foreign:
            self.tell(foreign)
        elif max(pixels.shape) > 2 * self.image_size and not size:
            self.tell(
                f"The image is {pixels.shape[1]} x {pixels.shape[0]}, but the model was trained on {self.image_size} x "
                f"{self.image_size}; `size` {self.image_size} is faster and works better."
            )
        x0 = self.studio.encode_picture(picture)
        if refine:
            x0 = refined(self.studio.decoded, x0, picture, steps=refine)
        return Inversion(self, pixels, x0, prompt, foreign=foreign)

    def _recoded(self, picture: Picture) -> Picture:
        return self.studio.decode(self.studio.encode_picture(picture))

    def trajectory_of(
        self,
        x0: Latent,
        prompt: str,
        inversion: str = "ddim",
        steps: int | None = None,
        progress: Watch | None = None,
        *,
        denoiser: Denoiser | None = None,
    ) -> Trajectory:
        """The trajectory of a clean latent at guidance 1; `denoiser` stands for the model's own, as for clips. Raises UserError if there is no such inversion, ValueError as `invert` of the core."""
        check_name("inversion", inversion, INVERSIONS)
        studio = self.studio
        sigmas, provenance = (
            studio.grid(steps or studio.steps, x0),
            Provenance(studio.denoiser.identity, inversion, prompt=prompt),
        )
        with watching(self.watch(progress)) as on_step:
            trajectory = invert(
                INVERSIONS[inversion],
                denoiser or studio.denoiser,
                x0,
                sigmas,
                studio.cond(prompt),
                provenance=provenance,
                on_step=on_step,
            )
        if trajectory.residuals and max(trajectory.residuals) > CONVERGED:
            self.tell(f"The fixed point was not found at every step (residual {max(trajectory.residuals):.1e}).")
        return trajectory

    def load_inversion(
        self, path: str | os.PathLike[str], image: ImageLike | None = None, *, refine: int = 0, size: int | None = None
    ) -> Inversion:
        """Read an inversion that was saved. Without the `image` that was inverted, the original is what the latent decodes to.

        Raises UserError or StorageError, both ValueErrors, if the file cannot be read, was made with another model, or is
        not of this image.
        """
        if image is not None:
            return self.opened(image, refine=refine, size=size).along(path)
        trajectory, notes = self.read(path)
        picture = self.studio.decode(trajectory.xs[-1])
        pixels = to_pixels(picture, size_in(notes, (picture.shape[-2], picture.shape[-1])))
        return Inversion(self, pixels, trajectory.xs[-1], trajectory.provenance.prompt, trajectory)

    def read(self, path: str | os.PathLike[str]) -> tuple[Trajectory, dict[str, Any]]:
        """A trajectory of this model from a file, and the file's notes. Raises StorageError as `load_trajectory`, or if it is of another model."""
        with trajectory_file.open_file(path) as stored:
            trajectory, notes = stored.trajectory(), stored.header.notes
        trajectory_file.require_same_model(trajectory.provenance, self.studio.denoiser.identity)
        return trajectory, notes

    def watch(self, progress: Watch | None) -> Watch:
        """Who is told of the steps of one call: the call's own choice goes first."""
        return self.progress if progress is None else progress


def size_in(notes: dict[str, Any], padded: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the image as a file notes them; those of the padded one where it does not, or says what cannot be."""
    size = notes.get("size")
    whole = isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size)
    fits = whole and all(0 < side <= most for side, most in zip(size, padded, strict=True))
    return (size[0], size[1]) if fits else padded


def list_methods() -> dict[str, str]:
    """The methods of editing by name, each with what it does."""
    return {name: editor.about for name, editor in EDITORS.items()}


def list_inversions() -> dict[str, str]:
    """The inversions by name, each with what it does."""
    return {name: inversion.about for name, inversion in INVERSIONS.items()}


def list_presets() -> list[str]:
    """The presets of strength by name, for the methods direct and ddim."""
    return list(PRESETS)
