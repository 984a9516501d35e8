"""What stands between a picture and its edit, from the figures of a report: one set of thresholds for all who report."""

from dataclasses import dataclass
from typing import Literal

from .metrics import Whiteness

Finding = Literal["kept", "inversion", "poor", "autoencoder", "guidance", "guided inversion", "unconverged", "coloured"]

POOR = 25.0
"""PSNR in dB below which much of a picture is lost."""
LOSES = 1.0
"""dB from which a loss counts."""
STD, NEIGHBOURS = 0.1, 0.2
"""How far the standard deviation and the correlation of neighbours may be from white noise's 1 and 0."""
CONVERGED = 1e-3
"""The largest relative residual of a fixed point that was found."""


@dataclass(frozen=True)
class Held:
    """How a model holds a picture: the PSNR in dB of what was re-created, of the autoencoder alone, and of what was re-created
    under guidance, where they are known; the inverted noise; and the inversion's worst residual and guidance."""

    psnr: float
    noise: Whiteness
    ceiling: float | None = None
    guided: float | None = None
    residual: float | None = None
    guidance: float = 1.0

    @property
    def lost(self) -> float | None:
        """What the inversion loses beyond the autoencoder, in dB."""
        return None if self.ceiling is None else self.ceiling - self.psnr


def findings(held: Held) -> tuple[Finding, ...]:
    """What is to be said, the most telling first: that the picture is kept as well as it can be, or what loses it."""
    noise, lost = held.noise, held.lost
    loses = lost is None or lost >= LOSES
    whether: dict[Finding, bool] = {
        "kept": not loses,
        "inversion": lost is not None and loses,
        "poor": lost is None and held.psnr < POOR,
        "autoencoder": held.ceiling is not None and held.ceiling < POOR,
        "guidance": held.guided is not None and held.guided <= held.psnr - LOSES,
        "guided inversion": held.guidance != 1 and loses,
        "unconverged": held.residual is not None and held.residual > CONVERGED,
        "coloured": abs(noise.std - 1) > STD or abs(noise.neighbour_correlation) > NEIGHBOURS,
    }
    return tuple(finding for finding, so in whether.items() if so)
