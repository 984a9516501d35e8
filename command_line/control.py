"""What an edit does to attention, from plain settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ..inversion_core.attention.bank import Bank
from ..inversion_core.attention.maps import clearest, record_maps
from ..inversion_core.attention.technique import Technique
from ..inversion_core.backends.diffusers.features import decoder_layers
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.prompts.tokens import Alignment, PromptTokens, refine, replace
from ..inversion_core.schedules import window
from ..inversion_core.shapes import Sigmas
from ..inversion_core.techniques.local_blend import START, THRESHOLD, local_blend, mask_blend
from ..inversion_core.techniques.plug_and_play import ATTENTION_END, FEATURE_END, plug_and_play
from ..inversion_core.techniques.prompt_to_prompt import CROSS_END, SELF_END, prompt_to_prompt
from .errors import Mistake
from .reading import tell
from .sharing import shared

ALIGNMENTS: dict[str, Callable[[PromptTokens, PromptTokens], Alignment]] = {"refine": refine, "replace": replace}


@dataclass(frozen=True)
class Control:
    """How far an edit follows the source's attention, as fractions of the steps, and where it may go.

    `words` of either prompt, or `mask` [1, 1, height, width], keep the edit to their region. `plug_and_play` is the
    decoder's layer from which on features and self-attention are the source's. `share` is a name of `sharing.SHARES`;
    with `kv_edit` only the tokens of the mask are computed.
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


def techniques(studio: Studio, sigmas: Sigmas, source: str, target: str, control: Control) -> list[Technique]:
    """The core's techniques for a control, outermost first. Raises Mistake if a word is in neither prompt."""
    region = control.mask if control.kv_edit else None
    sharing = shared(studio.denoiser.blocks, sigmas, share=control.share, region=region, mask=control.mask)
    return [*sharing, *_guided(studio, sigmas, source, target, control)]


def _guided(studio: Studio, sigmas: Sigmas, source: str, target: str, control: Control) -> list[Technique]:
    masked = [] if control.mask is None else [mask_blend(control.mask)]
    if control.plug_and_play is not None:
        masked = [*_plugged(studio, sigmas, control.plug_and_play), *masked]
    if not (control.words or control.cross or control.self_attention):
        return masked
    tokens = studio.prompt_tokens(source), studio.prompt_tokens(target)
    found = []
    if control.words:
        ours, theirs = words_in(studio, source, target, control.words)
        for one, named in zip(tokens, (ours, theirs), strict=True):
            tell(one, named)
        active, where = window(sigmas, control.blend_start, 1), clearest(studio.denoiser.blocks)
        asked = {"source_words": ours, "target_words": theirs}
        found.append(local_blend(*tokens, **asked, active=active, threshold=control.threshold, where=where))
    if control.cross or control.self_attention:
        found.append(
            prompt_to_prompt(
                ALIGNMENTS[control.alignment](*tokens),
                cross=window(sigmas, 0, control.cross),
                self_attention=window(sigmas, 0, control.self_attention),
                weights=control.weights,
            )
        )
    return [*found, *masked]


def _plugged(studio: Studio, sigmas: Sigmas, layer: int) -> list[Technique]:
    layers = len(decoder_layers(studio.denoiser.network))
    if layer >= layers:
        there = f"the decoder here has the layers 0 to {layers - 1}" if layers else "this transformer has no decoder"
        raise Mistake(f"--plug-and-play takes the features of layer {layer} of a UNet's decoder, but {there}.")
    return plug_and_play(
        features=window(sigmas, 0, FEATURE_END), attention=window(sigmas, 0, ATTENTION_END), layer=layer
    )


def watch(tokens: PromptTokens, word: str) -> tuple[Technique, Bank]:
    """A technique that changes nothing and gathers the target's attention to a word, of all steps, in a bank as "word"."""
    bank = Bank()
    columns = tokens.columns_of(word)
    return Technique(inject=lambda _: record_maps(bank, "word", [columns], tokens.length)), bank


def words_in(studio: Studio, source: str, target: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of the words that each prompt has. Raises Mistake if one is in neither."""
    tokens = studio.prompt_tokens(source), studio.prompt_tokens(target)
    ours, theirs = ([word for word in words if _has(one, word)] for one in tokens)
    for word in words:
        if word not in (*ours, *theirs):
            raise Mistake(f"The word '{word}' is in neither prompt. Name a word of '{source}' or '{target}'.")
    return ours, theirs


def _has(tokens: PromptTokens, word: str) -> bool:
    try:
        return bool(tokens.columns_of(word))
    except ValueError:
        return False
