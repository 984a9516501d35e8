"""Attention techniques and ways to build a conditioning, as tables: with equal prompts every pair must give the source.

It needs ComfyUI in the process. A patch of the model is a third axis: `Bench(family, patch)`.
"""

import zlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfy_extras.nodes_hooks import ConditioningSetDefaultAndCombine

import nodes as host
from latent_inversion.nodes.attention.attention_edit import InversionAttentionEdit
from latent_inversion.nodes.attention.attention_edits import Plans
from latent_inversion.nodes.attention.kv_edit import InversionKVEdit
from latent_inversion.nodes.attention.kv_injection import InversionKVInjection
from latent_inversion.nodes.attention.mutual_attention import InversionMutualAttention
from latent_inversion.nodes.attention.plug_and_play import InversionPlugAndPlay
from latent_inversion.nodes.attention.style_reference import InversionStyleReference
from latent_inversion.nodes.editing.edit_setup import NEGATIVE, Setup
from latent_inversion.nodes.editing.run_edit import edit_along
from latent_inversion.nodes.inverting.invert_latent import invert_latent

from .tiny_comfy import POOLED, Family

Conditioning = list[Any]
SOURCE, TARGET = "a photo of a cat in snow", "a photo of a big brown dog in snow"
LONG = " ".join(f"word{n}" for n in range(90))
"""More words than one chunk of CLIP holds."""
STEPS, GUIDANCE = 2, 4.0


@dataclass(frozen=True)
class Clip:
    """A text encoder in the shape of ComfyUI's: CLIP's chunks of 77 tokens for UNets, UMT5's for transformers.

    A word's embedding is drawn from its text and its place; so equal texts have equal embeddings, and others differ.
    """

    family: Family
    words: dict[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "l" if self.family.unet else "umt5xxl"

    @property
    def tokenizer(self) -> Any:
        return SimpleNamespace(**{f"clip_{self.name}": SimpleNamespace(inv_vocab=self.words)})

    def tokenize(self, text: str, return_word_ids: bool = False) -> dict[str, list[list[tuple[int, float, int]]]]:
        unet, said = self.family.unet, text.split()
        size = 77 if unet else max(16, len(said) + 1)
        room = size - 2 if unet else size - 1
        chunks = []
        for first in range(0, max(len(said), 1), room):
            part = said[first : first + room]
            ids = [(self.number(word), 1.0, first + n + 1) for n, word in enumerate(part)]
            whole = [*([(0, 1.0, 0)] if unet else []), *ids, (1, 1.0, 0)]
            chunks.append(whole + [(2, 1.0, 0)] * (size - len(whole)))
        return {self.name: chunks}

    def number(self, word: str) -> int:
        number = 3 + zlib.crc32(word.encode())
        self.words[number] = f"{word}</w>" if self.family.unet else f"\u2581{word}"
        return number

    def encode_from_tokens_scheduled(self, tokens: dict[str, Any]) -> Conditioning:
        def row(place: int, number: int) -> torch.Tensor:
            return torch.randn(self.family.text, generator=torch.Generator().manual_seed(number + 7919 * place))

        columns = [row(at, number) for chunk in tokens[self.name] for at, (number, _, _) in enumerate(chunk)]
        seed = sum(number for chunk in tokens[self.name] for number, _, _ in chunk)
        pooled = torch.randn(1, POOLED, generator=torch.Generator().manual_seed(seed))
        return [
            [torch.stack(columns)[None], ({"pooled_output": pooled} if self.family.pooled else {}) | self.family.extra]
        ]

    def encode(self, text: str) -> Conditioning:
        return self.encode_from_tokens_scheduled(self.tokenize(text))


class Bench:
    """A tiny model under a patch, its text encoder, and how pictures are inverted and edited with it."""

    def __init__(self, family: Family, patch: Callable[[Any], Any] = lambda model: model) -> None:
        self.family, self.clip = family, Clip(family)
        self.model = patch(family.model())
        self.shape = (*family.shape[:-2], 8, 16) if family.unet else family.shape
        self.records: dict[Hashable, Any] = {}

    @property
    def picture(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.shape[-2:]
        return 8 * height, 8 * width

    def half(self) -> torch.Tensor:
        """A MASK of the left half."""
        mask = torch.zeros(1, *self.picture)
        mask[..., : self.picture[1] // 2] = 1
        return mask

    def inverted(self, key: Hashable, source: Conditioning) -> Any:
        """The trajectory of a picture under this prompt, which `key` names."""
        if key not in self.records:
            samples = self.family.spread * torch.randn(self.shape, generator=torch.Generator().manual_seed(0))
            latent, scheduler = {"samples": samples}, self.family.scheduler
            self.records[key] = invert_latent(self.model, latent, source, None, STEPS, scheduler, 1.0, "ddim")
        return self.records[key]

    def edit(
        self,
        record: Any,
        source: Conditioning,
        target: Conditioning,
        negative: Conditioning,
        plans: Plans,
        guidance: float = GUIDANCE,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The ends of target and source, the source sampled beside it; a distilled model has its guidance in the prompt."""
        guidance = 1.0 if self.family.distilled else guidance
        setup = Setup(guidance, "none", NEGATIVE, 0.0)
        prompts = {"source": source, "target": target, "negative": negative}
        edited = edit_along(self.model, record, prompts, setup.on, plans)
        return edited.target, edited.source[-1]


@dataclass(frozen=True)
class Texts:
    """The texts of an edit, and the trajectory that it is of."""

    source: str
    target: str
    record: Any


@dataclass(frozen=True)
class Technique:
    """How a technique's plans are made by its node, and the guidance at which equal prompts give the source.

    One that is not `equal` changes the picture also then: it says what may ask what.
    """

    plans: Callable[[Bench, Texts], Plans]
    guidance: float = GUIDANCE
    equal: bool = True


@dataclass(frozen=True)
class Form:
    """From a text, with `before` in front of it, to a CONDITIONING, and the text of the negative beside it, or all zeros."""

    build: Callable[[Bench, str], Conditioning]
    negative: str | None = ""
    before: str = ""


def prompt_to_prompt(bench: Bench, texts: Texts, **settings: Any) -> Plans:
    usual = {
        "mode": "replace",
        "cross_start": 0.0,
        "cross_end": 1.0,
        "self_start": 0.0,
        "self_end": 1.0,
        "word_weights": "",
        "blend_source_words": "",
        "blend_target_words": "",
        "blend_start": 0.0,
        "blend_threshold": 0.3,
    }
    return InversionAttentionEdit.execute(bench.clip, texts.source, texts.target, **usual | settings).args[0]


def last_word(texts: Texts) -> dict[str, str]:
    return {"source_words": texts.source.split()[-1], "target_words": texts.target.split()[-1]}


def local_blend(bench: Bench, texts: Texts, mode: str) -> Plans:
    words = {f"blend_{side}": word for side, word in last_word(texts).items()}
    return prompt_to_prompt(bench, texts, mode=mode, **words)


def masactrl(bench: Bench, texts: Texts, **more: Any) -> Plans:
    return InversionMutualAttention.execute(start=0.0, end=1.0, depth=0.0, **more).args[0]


def by_words(bench: Bench, texts: Texts) -> Plans:
    prompts = {"source_prompt": texts.source, "target_prompt": texts.target}
    return masactrl(bench, texts, clip=bench.clip, **prompts, **last_word(texts))


def kv_injection(bench: Bench, texts: Texts, inject: str) -> Plans:
    spans = {"depth_start": 0.0, "depth_end": 1.0, "start": 0.0, "end": 1.0}
    return InversionKVInjection.execute("by depth", inject, **spans).args[0]


def no_style(bench: Bench, texts: Texts, method: str) -> Plans:
    """A style that weighs nothing."""
    settings = {"end": 0.0, "weight": 0.0, "content_queries": 1.0, "temperature": 1.0, "start_statistics": False}
    prompt = bench.clip.encode(texts.source)
    return InversionStyleReference.execute(texts.record, prompt, method, layer=0, **settings).args[0]


TECHNIQUES: dict[str, Technique] = {
    "Prompt-to-Prompt replace": Technique(prompt_to_prompt),
    "Prompt-to-Prompt refine": Technique(lambda bench, texts: prompt_to_prompt(bench, texts, mode="refine")),
    "Prompt-to-Prompt, part of the steps": Technique(lambda b, t: prompt_to_prompt(b, t, cross_end=0.5, self_end=0.25)),
    "Prompt-to-Prompt, weights of 1": Technique(
        lambda b, t: prompt_to_prompt(b, t, word_weights=f"{t.target.split()[-1]}: 1")
    ),
    "local blend replace": Technique(lambda bench, texts: local_blend(bench, texts, "replace")),
    "local blend refine": Technique(lambda bench, texts: local_blend(bench, texts, "refine")),
    "blend only": Technique(lambda bench, texts: local_blend(bench, texts, "blend only")),
    "MasaCtrl": Technique(masactrl),
    "MasaCtrl by a mask": Technique(lambda bench, texts: masactrl(bench, texts, source_mask=bench.half()), equal=False),
    "MasaCtrl by words": Technique(by_words, equal=False),
    "KV Injection": Technique(lambda bench, texts: kv_injection(bench, texts, "keys and values")),
    "value injection": Technique(lambda bench, texts: kv_injection(bench, texts, "values")),
    "KV-Edit": Technique(lambda bench, texts: InversionKVEdit.execute(bench.half(), 0.0, 1.0).args[0]),
    "Plug-and-Play": Technique(lambda bench, texts: InversionPlugAndPlay.execute(1.0, 1.0, 0).args[0], guidance=1.0),
    "StyleAligned of weight 0": Technique(lambda bench, texts: no_style(bench, texts, "StyleAligned")),
    "StyleID of no step": Technique(lambda bench, texts: no_style(bench, texts, "StyleID")),
}
"""Everything that edits attention. Plug-and-Play gives both branches of guidance the source's conditional features, so that
equal prompts give the source without guidance only."""

OTHER, LONGER = "a red hat at night", f"seen from afar {LONG}"


def concatenated(bench: Bench, *texts: str) -> Conditioning:
    """The texts side by side, as ConditioningConcat joins them."""
    whole = bench.clip.encode(texts[0])
    for text in texts[1:]:
        whole = host.ConditioningConcat().concat(whole, bench.clip.encode(text))[0]
    return whole


def averaged(bench: Bench, text: str) -> Conditioning:
    return host.ConditioningAverage().addWeighted(bench.clip.encode(text), bench.clip.encode(OTHER), 0.7)[0]


def in_area(bench: Bench, cond: Conditioning) -> Conditioning:
    return host.ConditioningSetArea().append(cond, bench.picture[1] // 2, bench.picture[0], 0, 0, 1.0)[0]


def in_percentage(bench: Bench, cond: Conditioning) -> Conditioning:
    return host.ConditioningSetAreaPercentage().append(cond, 0.5, 1.0, 0.5, 0.0, 1.0)[0]


def masked(bench: Bench, cond: Conditioning, bounds: str) -> Conditioning:
    return host.ConditioningSetMask().append(cond, bench.half(), bounds, 1.0)[0]


def between(cond: Conditioning, start: float, end: float) -> Conditioning:
    return host.ConditioningSetTimestepRange().set_range(cond, start, end)[0]


def zeroed(cond: Conditioning) -> Conditioning:
    return host.ConditioningZeroOut().zero_out(cond)[0]


def said(bench: Bench, text: str) -> Conditioning:
    return bench.clip.encode(text)


CONDITIONINGS: dict[str, Form] = {
    "plain": Form(said),
    "negative of two chunks": Form(said, LONG),
    "negative of three chunks": Form(said, f"{LONG} {LONG}"),
    "two chunks": Form(said, before=LONG),
    "two chunks beside three": Form(said, f"{LONG} {LONG}", before=LONG),
    "concat": Form(lambda bench, text: concatenated(bench, text, OTHER)),
    "concat behind another text": Form(lambda bench, text: concatenated(bench, OTHER, text)),
    "concat of three": Form(lambda bench, text: concatenated(bench, text, OTHER, LONGER)),
    "concat beside a long negative": Form(lambda bench, text: concatenated(bench, text, OTHER), f"{LONG} {LONG}"),
    "combine": Form(lambda bench, text: [*said(bench, text), *said(bench, OTHER)]),
    "combine with a longer text": Form(lambda bench, text: [*said(bench, text), *said(bench, LONGER)]),
    "combine behind another text": Form(lambda bench, text: [*said(bench, LONGER), *said(bench, text)]),
    "average": Form(averaged),
    "area": Form(lambda bench, text: [*in_area(bench, said(bench, text)), *said(bench, OTHER)]),
    "areas by percentage": Form(
        lambda bench, text: [*in_area(bench, said(bench, text)), *in_percentage(bench, said(bench, OTHER))]
    ),
    "mask": Form(lambda bench, text: [*masked(bench, said(bench, text), "default"), *said(bench, OTHER)]),
    "mask bounds": Form(lambda bench, text: [*masked(bench, said(bench, text), "mask bounds"), *said(bench, OTHER)]),
    "ranges of the steps": Form(
        lambda bench, text: [*between(said(bench, text), 0.0, 0.5), *between(said(bench, OTHER), 0.5, 1.0)]
    ),
    "the first half of the steps": Form(lambda bench, text: between(said(bench, text), 0.0, 0.5)),
    "the last half of the steps": Form(lambda bench, text: between(said(bench, text), 0.5, 1.0)),
    "zeroed": Form(lambda bench, text: zeroed(said(bench, text))),
    "negative zeroed": Form(said, None),
    "default": Form(
        lambda bench, text: ConditioningSetDefaultAndCombine().set_default_and_combine(
            in_area(bench, said(bench, text)), said(bench, OTHER)
        )[0]
    ),
}
"""Every way in which ComfyUI's own nodes build a conditioning from texts."""


FEW = ("Prompt-to-Prompt replace", "KV Injection")
"""One that reads words, and one that reads the picture."""
EVERY_VERSION = [
    pytest.param(True, id="few"),
    pytest.param(
        False, id="others", marks=pytest.mark.newest_only("all see the same parts of a conditioning as the few")
    ),
]
"""Whether the techniques are the few that show how this ComfyUI builds conditionings, or all the others."""


def among(names: Iterable[str], few: bool) -> list[str]:
    return [name for name in names if (name in FEW) == few]


def ends(
    bench: Bench, technique: str, conditioning: str, source: str = SOURCE, target: str = SOURCE
) -> tuple[torch.Tensor, torch.Tensor]:
    """The ends of target and source of an edit: with equal prompts they are the same."""
    form, how = CONDITIONINGS[conditioning], TECHNIQUES[technique]
    source, target = (f"{form.before} {text}".strip() for text in (source, target))
    ours, theirs = (form.build(bench, text) for text in (source, target))
    negative = zeroed(bench.clip.encode("")) if form.negative is None else bench.clip.encode(form.negative)
    record = bench.inverted((conditioning, source), ours)
    plans = how.plans(bench, Texts(source, target, record))
    return bench.edit(record, ours, theirs, negative, plans, how.guidance)


def apart(edited: torch.Tensor, source: torch.Tensor) -> float:
    """Relative root mean square of the difference."""
    return float((edited - source).square().mean().sqrt() / source.square().mean().sqrt())
