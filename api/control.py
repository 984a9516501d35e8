"""What an edit does to attention, from plain settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from torch import Tensor

from ..inversion_core.attention.maps import clearest
from ..inversion_core.attention.technique import Technique
from ..inversion_core.backends.diffusers.features import decoder_layers
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.dial import AS_SET, Turned
from ..inversion_core.prompts.tokens import Alignment, PromptTokens, align_refine, align_replace
from ..inversion_core.shapes import Sigmas
from ..inversion_core.techniques.injection import inject_keys_values, inject_values
from ..inversion_core.techniques.local_blend import START, THRESHOLD, mask_blend
from ..inversion_core.techniques.presets import preset_with
from ..inversion_core.techniques.prompt_to_prompt import CROSS_END, SELF_END
from ..inversion_core.techniques.settings import (
    Ground,
    KVEdit,
    KVInjection,
    LocalBlend,
    MutualAttention,
    PlugAndPlay,
    PromptToPrompt,
    Setting,
    nested,
)
from ..pictures.errors import UserError

ALIGNMENTS: dict[str, Callable[[PromptTokens, PromptTokens], Alignment]] = {
    "refine": align_refine,
    "replace": align_replace,
}
SHARES: dict[str, Callable[[Tensor | None], Setting]] = {
    "masactrl": lambda mask: MutualAttention(),
    "kv": lambda mask: KVInjection(partial(preset_with, inject=inject_keys_values), mask),
    "values": lambda mask: KVInjection(partial(preset_with, inject=inject_values), mask),
}
"""What of the source's self-attention an edit shares, outside of a mask if there is one."""


@dataclass(frozen=True)
class Control:
    """How far an edit follows the source's attention, as fractions of the steps, and where it may go.

    `words` of either prompt, or `mask` [1, 1, height, width], keep the edit to their region. `plug_and_play` is the
    decoder's layer from which on features and self-attention are the source's. `share` is a name of `SHARES`; with
    `kv_edit` only the tokens of the mask are computed.
    """

    cross: float = CROSS_END
    self_attention: float = SELF_END
    alignment: str = "refine"
    weights: Mapping[str, float] = field(default_factory=dict)
    words: Sequence[str] = ()
    threshold: float = THRESHOLD
    blend_start: float = START
    mask: Tensor | None = None
    plug_and_play: int | None = None
    share: str | None = None
    kv_edit: bool = False


NO_CONTROL = Control(cross=0, self_attention=0)


def techniques(
    studio: Studio, sigmas: Sigmas, source: str, target: str, control: Control, dial: Turned = AS_SET
) -> list[Technique]:
    """The core's techniques for a control as the dial turns it, outermost first. Raises UserError if a word is in neither prompt."""
    settings: list[Setting | Technique] = []
    if control.words:
        words = words_in(studio, source, target, control.words)
        span, where = (control.blend_start, 1.0), clearest(studio.denoiser.blocks)
        settings.append(LocalBlend(*words, span, control.threshold, where))
    if control.cross or control.self_attention:
        spans = (0.0, control.cross), (0.0, control.self_attention)
        settings.append(PromptToPrompt(ALIGNMENTS[control.alignment], *spans, control.weights))
    if control.plug_and_play is not None:
        settings.append(_plugged(studio, control.plug_and_play))
    if control.share is not None:
        settings.append(SHARES[control.share](control.mask))
    if control.mask is not None:
        settings += [KVEdit(control.mask)] if control.kv_edit else []
        settings.append(mask_blend(control.mask))
    prompts = cache(lambda: (studio.prompt_tokens(source), studio.prompt_tokens(target)))
    ground = Ground(sigmas, dial, studio.denoiser.blocks, prompts, lambda mask: mask)
    return nested([(setting, ground) for setting in settings])


def _plugged(studio: Studio, layer: int) -> PlugAndPlay:
    layers = len(decoder_layers(studio.denoiser.network))
    if layer >= layers:
        there = f"the decoder here has the layers 0 to {layers - 1}" if layers else "this transformer has no decoder"
        raise UserError(f"`plug_and_play` takes the features of layer {layer} of a UNet's decoder, but {there}.")
    return PlugAndPlay(layer=layer)


def words_in(studio: Studio, source: str, target: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of the words that each prompt has. Raises UserError if one is in neither."""
    source_words, target_words = (
        [word for word in words if has_word(studio.prompt_tokens(text), word)] for text in (source, target)
    )
    for word in words:
        if word not in (*source_words, *target_words):
            raise UserError(f"The word '{word}' is in neither prompt. Name a word of '{source}' or '{target}'.")
    return source_words, target_words


def has_word(tokens: PromptTokens, word: str) -> bool:
    """Whether a prompt has the word."""
    try:
        return bool(tokens.columns_of(word))
    except ValueError:
        return False
