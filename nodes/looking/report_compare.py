"""Several reconstructions of one picture side by side, each with its trajectory's figures."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ...pictures.files import to_pixels
from ...pictures.sheet import Cell, sheet
from ..kit.schema import socket
from ..sockets import LatentTrajectory, TrajectorySocket
from .report_figures import Figures, channels_first, figures_of

OTHERS = (2, 3, 4)


def other_inputs() -> list[Any]:
    """A reconstruction and its trajectory, for each of the others."""
    inputs = []
    for number in OTHERS:
        about = f"Another reconstruction of the original, to compare ({number}). Connect trajectory_{number} too."
        inputs.append(socket(io.Image, f"reconstruction_{number}", optional=True).about(about))
        inputs.append(
            socket(TrajectorySocket, f"trajectory_{number}", optional=True).about(
                f"Trajectory of reconstruction {number}."
            )
        )
    return inputs


def half_a_pair(connected: Iterable[Sequence[bool]]) -> str:
    """The sentence about the first pair of which one is connected only; empty if there is none."""
    for number, (picture, record) in zip(OTHERS, connected, strict=True):
        if picture != record:
            return f"Reconstruction {number} needs both an image and a trajectory. Connect 'reconstruction_{number}' and 'trajectory_{number}'."
    return ""


def others_of(inputs: dict[str, Any]) -> list[tuple[Tensor, LatentTrajectory]]:
    """The pairs that are connected. Raises ValueError if one half of a pair is missing."""
    pairs = [(number, inputs.get(f"reconstruction_{number}"), inputs.get(f"trajectory_{number}")) for number in OTHERS]
    if sentence := half_a_pair((picture is not None, record is not None) for _, picture, record in pairs):
        raise ValueError(sentence)
    return [(picture, record) for _, picture, record in pairs if picture is not None and record is not None]


def side_by_side(
    original: Tensor, first: Figures, shown: Tensor, others: list[tuple[Tensor, LatentTrajectory]]
) -> Tensor:
    """A page of the original and all reconstructions. Raises ValueError if their sizes differ."""
    cells = [Cell("original", to_pixels(channels_first(original[:1]))), _cell(first, shown)]
    cells += [_cell(figures_of(original, picture, record, None, ()), picture) for picture, record in others]
    page = sheet("Reconstructions side by side", [], cells, columns=len(cells))
    return torch.from_numpy(page.copy()).float()[None] / 255


def _cell(figures: Figures, picture: Tensor) -> Cell:
    note = (
        f"{figures.psnr:.2f} dB"
        + ("" if figures.ssim is None else f", SSIM {figures.ssim:.4f}")
        + f"; {figures.steps} "
        f"steps at guidance {figures.guidance:g}; noise std {figures.noise.std:.3f}"
    )
    if figures.residual is not None:
        note += f"; worst fixed point {figures.residual:.1e}"
    return Cell(figures.method or "unknown inversion", to_pixels(channels_first(picture[:1])), note)
