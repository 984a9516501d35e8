"""Negative-prompt inversion: null-text inversion in closed form."""

from dataclasses import replace

from ..types import Cond


def negative_prompt(cond: Cond, source: Cond) -> Cond:
    """`cond` with the source prompt as its unconditional prompt, so that the source branch is unguided (arXiv:2305.16807, sec. 3.2)."""
    return replace(cond, uncond=source.cond)
