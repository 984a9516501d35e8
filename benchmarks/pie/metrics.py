"""The metrics of PIE-Bench as published, and beside them those that mean what their names say.

The published background metrics set the edited region of both pictures to zero and average over *all* pixels, the zeroed
ones too: with a background of share f, PSNR gains 10 log10(1 / f) dB. The structure distance gets its picture in 0..255
where the network wants 0..1. `*_background` average over background pixels only, `structure_scaled` gets 0..1.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from latent_inversion.inversion_core.quality.metrics import psnr
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.pictures.files import Pixels, to_tensor

from .data import Mask
from .lpips import Lpips
from .networks import Networks
from .structure import CORRECT_SCALE, PUBLISHED_SCALE, Similarity, distance

PUBLISHED = ("structure", "psnr", "lpips", "mse", "ssim", "clip_whole", "clip_edited")
CORRECTED = ("structure_scaled", "psnr_background", "lpips_background", "mse_background", "ssim_background")
SCALES = {"structure": 1e3, "lpips": 1e3, "mse": 1e4, "ssim": 1e2}
"""What a figure is multiplied by in the tables, as published; one that is not named is reported as it is."""
PIXELS = ("psnr", "psnr_background", "mse", "mse_background", "ssim", "ssim_background")
LPIPS = ("lpips", "lpips_background")
NAN = float("nan")

Figures = dict[str, float | None]


def scale_of(metric: str) -> float:
    """What the metric is multiplied by in the tables."""
    return SCALES.get(metric.split("_")[0], 1.0)


@dataclass(frozen=True)
class Reference:
    """A source picture with the benchmark's mask (border and all) and target prompt: what edits of it are measured against."""

    pixels: Pixels
    mask: Mask
    target: str
    networks: Networks = field(default_factory=Networks)

    @cached_property
    def background(self) -> Tensor:
        """1 outside the mask [1, 1, height, width]."""
        return torch.from_numpy(~self.mask)[None, None].float()

    @property
    def share(self) -> float:
        """The share of the picture that is background."""
        return float(self.background.double().mean())

    @cached_property
    def similarities(self) -> dict[float, Similarity]:
        """DINO's view of the source, by the scale of its input."""
        return _similarities(self.networks, to_tensor(self.pixels))

    def measure(self, pixels: Pixels) -> Figures:
        """All figures of an edited picture; None where the network is absent.

        What is averaged over the background is nan if there is none; PSNR of equal pictures is inf.
        """
        picture, networks = to_tensor(pixels), self.networks
        figures: Figures = dict.fromkeys((*PUBLISHED, *CORRECTED))
        figures |= self._structure(picture)
        source, picture = to_tensor(self.pixels) * self.background, picture * self.background
        figures |= self._pixel_figures(source, picture) if self.share else dict.fromkeys(PIXELS, NAN)
        if networks.lpips is not None:
            figures |= self._lpips(networks.lpips, source, picture) if self.share else dict.fromkeys(LPIPS, NAN)
        if networks.clip is not None:
            figures["clip_whole"] = networks.clip(pixels, self.target)
            figures["clip_edited"] = networks.clip(pixels * self.mask[..., None], self.target)
        return figures

    def _structure(self, picture: Picture) -> Figures:
        theirs = _similarities(self.networks, picture)
        found = {scale: distance(self.similarities[scale], theirs[scale]) for scale in theirs}
        return {"structure": found.get(PUBLISHED_SCALE), "structure_scaled": found.get(CORRECT_SCALE)}

    def _pixel_figures(self, source: Picture, picture: Picture) -> Figures:
        error = (source.double() - picture.double()).square()
        ssim, ssim_map = structural_similarity_index_measure(picture, source, data_range=1.0, return_full_image=True)
        return {
            "psnr": float(psnr(picture, source)[0]),
            "psnr_background": float(psnr(picture, source, self.background)[0]),
            "mse": float(error.mean()),
            "mse_background": self._over_background(error),
            "ssim": float(ssim),
            "ssim_background": self._over_background(ssim_map),
        }

    def _lpips(self, lpips: Lpips, source: Picture, picture: Picture) -> Figures:
        whole, by_pixel = lpips(picture, source)
        return {"lpips": whole, "lpips_background": self._over_background(by_pixel)}

    def _over_background(self, values: Tensor) -> float:
        weight = self.background.double().expand_as(values)
        return float((values.double() * weight).sum() / weight.sum())


def source_score(networks: Networks, pixels: Pixels, prompt: str) -> float | None:
    """The published control: CLIP of the source picture against its own prompt."""
    return networks.clip and networks.clip(pixels, prompt)


def plain(value: Any) -> Any:
    """A figure as JSON can hold it: nan and inf as texts, as the published tables have them."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return str(value) if isinstance(value, float) and value - value != 0 else value


def _similarities(networks: Networks, picture: Picture) -> dict[float, Similarity]:
    if networks.dino is None:
        return {}
    return {scale: networks.dino(picture, scale) for scale in (PUBLISHED_SCALE, CORRECT_SCALE)}
