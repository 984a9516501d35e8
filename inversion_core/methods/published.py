"""The numbers that methods are used with: as published for a kind of model, or what is usual on it."""

from dataclasses import dataclass

from ..paths import NoisePath


@dataclass(frozen=True)
class Settings:
    """The guidance of target and source, the strength, and the number of steps."""

    guidance: float
    source_guidance: float
    strength: float
    steps: int


def kind_of(path: NoisePath, distilled: bool, few_steps: bool = False) -> str:
    """The kind of model that settings are for: its noise path, or "distilled" if guidance is; `few_steps` if those are too."""
    kind = "distilled" if distilled else path.name
    return f"few-step {kind}" if few_steps else kind


USUAL = {
    "ve": Settings(guidance=7.5, source_guidance=7.5, strength=1.0, steps=50),
    "rf": Settings(guidance=5.0, source_guidance=5.0, strength=1.0, steps=28),
    "distilled": Settings(guidance=3.5, source_guidance=1.0, strength=1.0, steps=28),
    "few-step ve": Settings(guidance=1.0, source_guidance=1.0, strength=0.8, steps=4),
    "few-step rf": Settings(guidance=1.0, source_guidance=1.0, strength=0.8, steps=8),
    "few-step distilled": Settings(guidance=3.5, source_guidance=1.0, strength=0.8, steps=8),
}
"""For methods without published settings on a kind of model.

Models distilled to few steps have learnt guidance in: they are shown one prompt alone. Their strength is TurboEdit's, their
steps those of SDXL-Turbo, SDXL-Lightning, DMD2 and LCM (`ve`), of Z-Image-Turbo (`rf`; FLUX.1-schnell and FLUX.2-klein
want 4) and of FLUX.1-dev with an adapter of few steps. None was measured on such a model."""
