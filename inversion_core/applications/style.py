"""Style transfer along a picture's trajectory: by words, by the look of another picture, or by both."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..attention.technique import Technique
from ..prompts.tokens import PromptTokens, align_replace
from ..schedules import window
from ..shapes import Sigmas
from ..techniques.prompt_to_prompt import prompt_to_prompt
from ..techniques.style_aligned import PUBLISHED as SHARING
from ..techniques.style_aligned import Sharing, style_aligned
from ..techniques.style_id import LAYER, Injection, style_id
from ..techniques.style_id import PUBLISHED as INJECTION
from ..trajectory import Trajectory
from ..types import Cond

SHAPES_END = 0.5
"""Fraction of the steps up to which the content keeps its own self-attention: nearest to the truth on the toybox, of 0 to 1."""


@dataclass(frozen=True)
class Style:
    """A picture of a style, its prompt, and how strongly it acts, up to the fraction `end` of the steps.

    `weight` is how often the style's keys count in StyleAligned, `norms` shares its normalisations; `injection` and `layer`
    are StyleID's. The defaults are the published ones.
    """

    trajectory: Trajectory
    cond: Cond
    end: float = 1.0
    weight: float = math.exp(SHARING.shift)
    norms: bool = SHARING.norms
    injection: Injection = INJECTION
    layer: int = LAYER


def _aligned(style: Style, sigmas: Sigmas) -> Technique:
    shift = math.log(style.weight) if style.weight > 0 else -math.inf
    sharing = Sharing(shift, norms=style.norms)
    return style_aligned(style.trajectory, style.cond, active=window(sigmas, 0, style.end), sharing=sharing)


def _injected(style: Style, sigmas: Sigmas) -> Technique:
    active = window(sigmas, 0, style.end)
    return style_id(style.trajectory, style.cond, active=active, injection=style.injection, layer=style.layer)


STYLINGS: dict[str, Callable[[Style, Sigmas], Technique]] = {"StyleAligned": _aligned, "StyleID": _injected}
"""Ways to take the style of a picture, by the names that the field knows them by."""


def keeping_shapes(tokens: PromptTokens, sigmas: Sigmas, *, end: float = SHAPES_END) -> Technique:
    """The content's own attention to itself, up to the fraction `end` of the steps: `tokens` are those of its prompt."""
    never, active = window(sigmas, 0, 0), window(sigmas, 0, end)
    return prompt_to_prompt(align_replace(tokens, tokens), cross=never, self_attention=active)
