"""The sockets that only this pack has, and the values that travel on them: immutable, and all on the CPU."""

from dataclasses import dataclass

import torch
from comfy_api.latest import io
from torch import Tensor

from ..inversion_core.shapes import Latent
from ..inversion_core.trajectory import NullText, Trajectory

TrajectorySocket = io.Custom("LATENT_TRAJECTORY")
NullTextSocket = io.Custom("NULL_TEXT")
AttentionEditSocket = io.Custom("ATTENTION_EDIT")


@dataclass(frozen=True)
class Frame:
    """The size of a picture, and the size to which it was padded at the right and the bottom.

    Of a clip also the number of its frames, and that to which its last one was repeated. Where the picture was scaled for
    the model, sizes are in the original's pixels, and `encoded_height` is the padded height that the VAE was given.
    """

    height: int
    width: int
    padded_height: int
    padded_width: int
    frames: int | None = None
    padded_frames: int | None = None
    encoded_height: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError if there is no such picture."""
        if not all(type(size) is int for size in vars(self).values() if size is not None):
            raise ValueError(f"the size of an image is in whole pixels, not {self}")
        if not (0 < self.height <= self.padded_height and 0 < self.width <= self.padded_width):
            raise ValueError(
                f"an image of {self.width} x {self.height} is not padded to {self.padded_width} x {self.padded_height}"
            )
        if self.frames is not None and not 0 < self.frames <= (self.padded_frames or 0):
            raise ValueError(f"a clip of {self.frames} frames is not padded to {self.padded_frames}")

    @property
    def is_padded(self) -> bool:
        return (self.height, self.width) != (self.padded_height, self.padded_width)

    def before_scaling(self, height: int, width: int) -> "Frame":
        """The same frame in the pixels of a picture of that size, which was scaled to this one."""
        if (height, width) == (self.height, self.width):
            return self
        padded = (round(self.padded_height * height / self.height), round(self.padded_width * width / self.width))
        return Frame(height, width, *padded, self.frames, self.padded_frames, encoded_height=self.padded_height)

    def latent(self, samples: Tensor) -> dict[str, object]:
        """A LATENT that Inversion Decode brings back to the picture's size.

        It keeps its samples a second time: they tell what other nodes make of the first.
        """
        return {"samples": samples, "inversion_frame": self, "inversion_samples": samples}


@dataclass(frozen=True)
class Scale:
    """What leads from the model's latents to pictures: the VAE's latent of `x` is `scale * x + shift`, channel by channel."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    frame: Frame | None = None

    def samples(self, x: Latent) -> Latent:
        """`x` in the VAE's scale: a LATENT's samples."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        return torch.tensor(self.scale).view(shape) * x.cpu().float() + torch.tensor(self.shift).view(shape)

    def latent(self, x: Latent) -> dict[str, object]:
        """`x` as a LATENT that Inversion Decode brings back to the picture's size."""
        samples = self.samples(x)
        return {"samples": samples} if self.frame is None else self.frame.latent(samples)


@dataclass(frozen=True)
class LatentTrajectory:
    """A trajectory in the model's scale, and what leads back to pictures.

    `mask` is the region of the edit, as large as the padded picture, `[batch, 1, height, width]`.
    """

    trajectory: Trajectory
    scale: Scale
    mask: Tensor | None = None

    @property
    def frame(self) -> Frame | None:
        """The picture's size, if it is known."""
        return self.scale.frame

    def latent(self, x: Latent) -> dict[str, object]:
        """`x` as a LATENT that Inversion Decode brings back to the picture's size."""
        return self.scale.latent(x)

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [*self.trajectory.tensors, *([] if self.mask is None else [self.mask])]


@dataclass(frozen=True)
class NullTextResult:
    """A null-text result on its socket."""

    null_text: NullText

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return list(self.null_text.embeddings)
