"""One dial for an edit, from weak to strong: how it turns guidance, start and the windows of attention together."""

from dataclasses import dataclass

Span = tuple[float, float]
"""Fractions of the steps, from the noisiest on."""


@dataclass(frozen=True)
class Turned:
    """What the dial makes of an edit's own settings: `guidance` and `windows` are factors, `start` a fraction of the steps."""

    guidance: float = 1.0
    start: float = 0.0
    windows: float = 1.0

    def guided(self, guidance: float) -> float:
        """Guidance turned; 1 stays 1, and nothing falls below it."""
        return 1.0 if guidance == 1 else max(1.0, guidance * self.guidance)

    def kept(self, span: Span) -> Span:
        """The span in which the source's attention is kept, turned: a share of the steps from `start` on, at most all."""
        first, last = (self.start + (1 - self.start) * min(1.0, end) for end in (span[0], span[1] * self.windows))
        return first, max(first, last)


FEW_STEPS = "few-step model"
"""The name of what suits models that were distilled to few steps, by presets and settings."""
AS_SET = Turned()
"""The dial that leaves every setting as it is."""

PRESETS = {
    "balanced": (Turned(0.6, 0.5, 1.6), AS_SET, Turned(1.4, 0.0, 0.0)),
    "keep the shape": (Turned(0.6, 0.6, 2.0), Turned(1.0, 0.1, 1.5), Turned(1.2, 0.0, 1.0)),
    "new style or scene": (Turned(0.8, 0.4, 1.0), Turned(1.2, 0.0, 0.5), Turned(1.6, 0.0, 0.0)),
    FEW_STEPS: (Turned(0.0, 0.5, 1.6), Turned(0.0, 0.2, 1.0), Turned(0.0, 0.0, 0.0)),
}
"""Where the dial of each preset stands at 0, 0.5 and 1. 'balanced' in the middle leaves the settings as they are.

A few-step model is edited at guidance 1 throughout, and in the middle in four of five steps, as TurboEdit was published
(arXiv:2408.00735, published code)."""


def turned(preset: str, strength: float) -> Turned:
    """A preset's dial at `strength` in 0..1, straight between its three marks. Raises ValueError for another number or name."""
    if preset not in PRESETS:
        raise ValueError(f"There is no preset '{preset}'. Choose from: {', '.join(PRESETS)}.")
    if not 0 <= strength <= 1:
        raise ValueError(f"Strength must be between 0 (weak) and 1 (strong); got {strength}.")
    weak, middle, strong = PRESETS[preset]
    before, after, share = (weak, middle, 2 * strength) if strength < 0.5 else (middle, strong, 2 * strength - 1)
    between = {name: (1 - share) * getattr(before, name) + share * getattr(after, name) for name in vars(before)}
    return Turned(**between)
