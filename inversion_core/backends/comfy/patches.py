"""What other nodes hang around a ComfyUI network: what of it a run leaves out, what it must have beside it, and what no inversion can live with."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from ...attention.edited_call import EditedCall
from ...attention.site import UnmatchedEdit
from ...shapes import Latent, Sigma
from ...types import Cond, Denoiser, Prompt
from .model import ModelPatcher

CACHES = {"easycache": "EasyCache", "lazycache": "LazyCache"}
"""ComfyUI's own nodes that put remembered predictions in the place of evaluations, by the names of their wrappers."""
MIXING = ("sampler_cfg_function", "sampler_pre_cfg_function")
"""Functions that mix the branches of guidance; where one is missing ComfyUI hands them zeros in its place."""
ALONE = ("sampler_calc_cond_batch_function", "model_function_wrapper")
OVERRIDE = "optimized_attention_override"
HOST = {"comfy", "comfy_api", "comfy_extras", "torch"}
REMEMBERING = ("nodes_apg",)
"""Files of ComfyUI's nodes that may carry something over from one evaluation to the next."""
FORGETFUL = 1e-3
"""How far two predictions of the same latent may differ, relative to their size."""
BESIDE = 0.03
"""How far two latents are apart that a cache takes for the same, relative to their noise."""


def without_caches(model: ModelPatcher) -> tuple[ModelPatcher, list[str]]:
    """The model without ComfyUI's caches of evaluations, and the names of those that it had; the same model if it had none."""
    around = {key for keys in model.wrappers.values() for key in keys}
    if not (found := [key for key in CACHES if key in around]):
        return model, []
    bare = model.clone()
    for kind in bare.wrappers:
        for key in found:
            bare.remove_wrappers_with_key(kind, key)
    bare.model_options["transformer_options"].pop("easycache", None)
    return bare, [CACHES[key] for key in found]


def needs_negative(model: ModelPatcher) -> bool:
    """Whether a node on the model works on the negative prompt also at guidance 1 (Self-Attention Guidance, NAGuidance)."""
    return bool(model.model_options.get("disable_cfg1_optimization"))


def negative_among(prompts: Mapping[str, Any]) -> str | None:
    """The name of the negative prompt in a run."""
    return next((name for name in ("negative", "empty") if name in prompts), None)


def check_negative(model: ModelPatcher, prompts: Mapping[str, Any]) -> None:
    """Raises ValueError if a node on the model needs a negative prompt, and the run has none."""
    if needs_negative(model) and not negative_among(prompts):
        names = (
            ", ".join(dict.fromkeys(name_of(one) for _, one in _hung(model))) or "one that needs it at every guidance"
        )
        raise ValueError(
            "A node on this model uses the negative prompt even at guidance 1, but no negative prompt is connected. Connect a "
            f"prompt at 'negative', or remove the node from the model. On the model are: {names}."
        )


@dataclass(frozen=True)
class Memory:
    """What checks that the nodes on a model keep nothing from one evaluation to the next, once a run for each kind of guidance."""

    names: tuple[str, ...]
    levels: tuple[float, ...]
    _asked: set[bool] = field(default_factory=set)

    @classmethod
    def of(cls, model: ModelPatcher, sigmas: torch.Tensor) -> "Memory":
        """That of the nodes of other packs on the model, on the levels of a run."""
        doubted = [name_of(one) for kind, one in _hung(model) if not kind.startswith("attn") and _foreign(one)]
        return cls(tuple(dict.fromkeys(doubted)), tuple(float(sigma) for sigma in sigmas if sigma > 0))

    def check(self, denoiser: Denoiser, x: Latent, sigma: Sigma, cond: Cond, x0: Latent) -> None:
        """Raises ValueError if latents near each other are predicted otherwise after one far from them.

        A cache gives back what it kept of the first of those near, and computes after the one that is far; a running mean
        differs too. One is at the next level of the run, one a little beside it.
        """
        if not self.names or cond.guided in self._asked:
            return
        self._asked.add(cond.guided)
        noise = denoiser.path.noise(x, x0, sigma)
        noise = noise / noise.std().clamp(min=1e-6)

        def shown(level: float, clean: Latent, beside: float = 0.0) -> Latent:
            at, noisy = sigma.new_tensor(level), noise + beside * noise.flip(-1)
            return denoiser(denoiser.path.add_noise(clean, noisy, at), at, cond)

        high, low = self.middle()
        shown(high, x0)
        first = shown(low, x0), shown(low, x0, BESIDE)
        shown(self.levels[0], -x0.flip(-1, -2), -2.0)
        last = shown(low, x0, BESIDE)
        again = shown(low, x0), last
        moved = max(float((a - b).norm() / b.norm()) for a, b in zip(first, again, strict=True))
        if not moved <= FORGETFUL:
            raise self.mistake(f"the same latent is predicted in two ways, {moved:.1%} apart")

    @contextmanager
    def blamed(self, call: EditedCall) -> Iterator[None]:
        """A context in which an edit that met nothing, as the network was not asked, is laid to these nodes. Raises ValueError."""
        try:
            yield
        except UnmatchedEdit as error:
            if self.names and call.blind:
                raise self.mistake("the network was not run where an edit should act") from error
            raise

    def mistake(self, seen: str) -> ValueError:
        return ValueError(
            f"A node on this model reuses earlier evaluations of the network, as step caches and running means do: {seen}. Remove "
            "that node from the model that inverts and edits (for an APG, set momentum to 0). On the model are: "
            f"{', '.join(self.names)}."
        )

    def middle(self) -> tuple[float, float]:
        """Two neighbouring levels in the middle of the run."""
        at = max(len(self.levels) // 2 - 1, 0)
        high, low = (*self.levels, 0.95 * self.levels[-1])[at : at + 2]
        return high, low


@dataclass(frozen=True)
class Around:
    """How a denoiser meets what nodes hung on the model; `beside` is the negative prompt that one of them works on at every guidance.

    `left_out` is told the names of what does not act.
    """

    memory: Memory
    left_out: Callable[[str], None]
    beside: Prompt = None

    def completed(self, cond: Cond) -> Cond:
        """The cond with the negative prompt that it must have."""
        return cond if cond.uncond is not None else replace(cond, uncond=self.beside)

    def options(self, options: dict[str, Any], cond: Cond) -> dict[str, Any]:
        """The model options; without what mixes the branches of guidance where ComfyUI will evaluate but one."""
        if self.beside is not None or not math.isclose(cond.guidance, 1.0):
            return options
        for one in (one for kind in MIXING for one in _listed(options.get(kind))):
            self.left_out(name_of(one))
        return {kind: value for kind, value in options.items() if kind not in MIXING}


def name_of(function: Any) -> str:
    """The node that hung a function on a model, as far as the function tells, and the pack that it is of."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__).split(".")[0]
    pack = re.search(r"custom_nodes[/\\.]([^/\\.]+)", _module(function))
    return f"{name} ({pack[1]})" if pack else name


def _hung(model: ModelPatcher) -> Iterator[tuple[str, Any]]:
    """All functions that nodes hung on a model, and where."""
    options = model.model_options
    transformer = options.get("transformer_options", {})
    for kind in (*MIXING, *ALONE, "sampler_post_cfg_function"):
        yield from ((kind, one) for one in _listed(options.get(kind)))
    for wrappers in (model.wrappers, transformer.get("wrappers", {})):
        yield from (("wrapper", one) for keys in wrappers.values() for all_of in keys.values() for one in all_of)
    yield from ((kind, one) for kind, patches in transformer.get("patches", {}).items() for one in patches)
    yield from ((kind, one) for kind, by in transformer.get("patches_replace", {}).items() for one in by.values())
    yield from (("override", one) for one in _listed(transformer.get(OVERRIDE)))
    patched = model.object_patches.items()
    yield from (("object", one) for key, one in patched if key.startswith("diffusion_model") and callable(one))


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _module(function: Any) -> str:
    return str(getattr(function, "__module__", None) or type(function).__module__)


def _foreign(function: Any) -> bool:
    """Whether a function is of another pack, or of a node of ComfyUI's that may remember."""
    while isinstance(function, partial):
        function = function.func
    module = _module(function)
    if module.endswith(REMEMBERING):
        return True
    own = module.split(".")[0] in HOST or module.startswith(__name__.partition(".inversion_core")[0])
    return not own and not re.search(r"[/\\]comfy_extras[/\\]\w+$", module)
