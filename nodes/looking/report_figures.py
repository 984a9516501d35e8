"""The figures of a report, and what they mean in words."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...inversion_core.quality.diagnosis import Held, findings
from ...inversion_core.quality.metrics import Whiteness, psnr, ssim, whiteness
from ..kit.checks import rgb
from ..sockets import LatentTrajectory


@dataclass(frozen=True)
class Figures:
    """Mean figures over the batch. `ceiling` is the autoencoder's own PSNR, `drift` the replay's distance level by level."""

    psnr: float
    ssim: float | None
    ceiling: float | None
    drift: tuple[float, ...]
    noise: Whiteness
    residual: float | None
    steps: int
    method: str
    guidance: float


def figures_of(
    original: Tensor,
    reconstruction: Tensor,
    record: LatentTrajectory,
    ceiling: Tensor | None,
    drift: tuple[float, ...],
) -> Figures:
    """Figures of pictures `[batch, height, width, channels]`. Raises ValueError if their sizes differ."""
    if original.shape[:3] != reconstruction.shape[:3]:
        (a, b) = (f"{len(p)} of {p.shape[2]} x {p.shape[1]}" for p in (original, reconstruction))
        raise ValueError(f"The original is {a}, but the reconstruction is {b}. Use Inversion Decode.")
    trajectory = record.trajectory
    if ceiling is not None and ceiling.shape[:3] != original.shape[:3]:
        raise ValueError(
            f"The trajectory is of {len(ceiling)} images of {ceiling.shape[2]} x {ceiling.shape[1]}, but the original is "
            f"{len(original)} of {original.shape[2]} x {original.shape[1]}. Connect the image that was inverted."
        )
    first, second = (channels_first(p) for p in (original, reconstruction))
    return Figures(
        psnr=float(psnr(first, second).mean()),
        ssim=float(ssim(first, second).mean()) if min(first.shape[-2:]) >= 11 else None,
        ceiling=None if ceiling is None else float(psnr(first, channels_first(ceiling)).mean()),
        drift=drift,
        noise=whiteness(trajectory),
        residual=None if trajectory.residuals is None else max(trajectory.residuals),
        steps=trajectory.steps,
        method=trajectory.provenance.method,
        guidance=trajectory.provenance.guidance,
    )


def channels_first(pixels: Tensor) -> Tensor:
    """Pictures for figures, in memory of their own on the CPU: what nodes hand over may lie on several devices."""
    return rgb(pixels).cpu().movedim(-1, 1).float().clamp(0, 1).contiguous().clone()


def table(figures: Figures) -> list[str]:
    """One line a figure."""
    lines = [
        f"inversion            {figures.method or 'unknown'}, {figures.steps} steps, guidance {figures.guidance:g}",
        f"PSNR                 {figures.psnr:.2f} dB",
    ]
    if figures.ssim is not None:
        lines.append(f"SSIM                 {figures.ssim:.4f}")
    if figures.ceiling is not None:
        lines.append(f"autoencoder ceiling  {figures.ceiling:.2f} dB")
    if figures.drift:
        lines.append(f"drift at the end     {figures.drift[-1]:.3g} (relative)")
    if figures.residual is not None:
        lines.append(f"worst fixed point    {figures.residual:.2e} (relative)")
    noise = figures.noise
    return [
        *lines,
        f"inverted noise       std {noise.std:.3f}, neighbour correlation {noise.neighbour_correlation:+.3f} (ideal: std 1, "
        "correlation 0)",
    ]


def advice(figures: Figures) -> list[str]:
    """What is wrong and what to try, the most telling first."""
    held = Held(figures.psnr, figures.noise, figures.ceiling, None, figures.residual, figures.guidance)
    sentences = [ADVICE[finding].format(lost=held.lost, guidance=held.guidance) for finding in findings(held)]
    if not torch.isfinite(torch.tensor(figures.psnr)) and figures.psnr > 0:
        sentences.append("Original and reconstruction are identical.")
    return sentences or ["Nothing is wrong."]


ADVICE = {
    "kept": "The reconstruction is as good as the autoencoder allows.",
    "inversion": "The inversion loses {lost:.1f} dB beyond the autoencoder. Anchor the source (direct), use Null-Text Optimize "
    "or the source prompt as unconditional, or replay at guidance 1; more steps also help.",
    "poor": "The reconstruction is poor. Connect the VAE here to see how much of that the autoencoder loses.",
    "autoencoder": "The autoencoder itself loses much. Use a larger image, or a better VAE.",
    "guided inversion": "The inversion ran at guidance {guidance:g}, where inversions drift. Invert at guidance 1.",
    "unconverged": "The fixed point was not found at every step. Invert at guidance 1, or with more steps.",
    "coloured": "The inverted noise is not white, so edits will be weak or blotchy. Describe the image in the source prompt, "
    "take more steps, or start the edit later.",
}
"""What the node says of each finding."""
