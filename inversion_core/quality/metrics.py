"""The truth meter: how close two pictures are, how far a replay drifts, how much an inverted noise looks like noise."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ..shapes import Latent, Picture, Sigma
from ..trajectory import Trajectory
from ..types import Cond, Wrapper


def psnr(
    picture: Picture, other: Picture, mask: Shaped[Tensor, "batch 1 height width"] | None = None
) -> Float[Tensor, " batch"]:
    """Peak signal-to-noise ratio in dB of each pair, over the pixels where `mask` is 1 if one is given; inf if equal, nan if the mask is empty."""
    error = (picture.cpu().double() - other.cpu().double()).square()
    weight = torch.ones_like(error) if mask is None else mask.to(error).expand_as(error)
    mse = (error * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)
    return -10 * mse.log10()


def ssim(
    picture: Picture, other: Picture, mask: Shaped[Tensor, "batch 1 height width"] | None = None
) -> Float[Tensor, " batch"]:
    """Structural similarity of each pair (Wang et al. 2004, doi:10.1109/TIP.2003.819861), with the constants of torchmetrics.

    With a `mask` the mean of the local similarities where it is 1; nan if it is empty.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, local = structural_similarity_index_measure(
        picture.float(), other.float(), data_range=1.0, reduction="none", return_full_image=True
    )
    weight = torch.ones_like(local) if mask is None else mask.to(local).expand_as(local)
    return (local * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)


def drift(walked: Sequence[Latent], trajectory: Trajectory) -> tuple[float, ...]:
    """The relative root-mean-square distance of a replay's last latents from the trajectory's, level by level."""
    kept = trajectory.xs[len(trajectory.xs) - len(walked) :]
    return tuple(
        float((a.cpu() - b.cpu()).square().mean().sqrt() / b.square().mean().sqrt())
        for a, b in zip(walked, kept, strict=True)
    )


@dataclass(frozen=True)
class Whiteness:
    """The standard deviation of an inverted noise and the correlation of neighbouring values, 0 where all are equal; white noise has 1 and 0."""

    std: float
    neighbour_correlation: float


def whiteness(trajectory: Trajectory) -> Whiteness:
    """How white the noise at the top of a trajectory is, taken as `(x - alpha x0) / sigma` with x0 the picture's latent."""
    noise = trajectory.path.noise(trajectory.xs[0].double(), trajectory.xs[-1].double(), trajectory.sigmas[0])
    centred = noise - noise.mean()
    pairs = [(centred[..., 1:, :], centred[..., :-1, :]), (centred[..., 1:], centred[..., :-1])]
    products = [float((a * b).mean()) for a, b in pairs if a.numel()]
    variance = float(centred.square().mean())
    likeness = sum(products) / max(len(products), 1) / variance if variance else 0.0
    return Whiteness(variance**0.5, likeness)


@dataclass
class Count:
    """Evaluations of the network so far, one per prompt and picture batch."""

    evaluations: int = 0


@dataclass(frozen=True)
class Counted(Wrapper):
    """A denoiser that counts its evaluations of the network: two where guidance needs the unconditional branch, else one."""

    count: Count = field(default_factory=Count)

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        self.count.evaluations += 2 if cond.guided else 1
        return self.denoiser(x, sigma, cond)
