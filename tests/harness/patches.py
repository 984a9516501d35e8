"""Nodes that hang something on a model, ComfyUI's own and imitations of other packs', as a table: what lives beside an edit.

It needs ComfyUI in the process. A node that a version of ComfyUI lacks is not in its table.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.patcher_extension
import comfy.samplers
import torch
from torch import Tensor

from .tiny_comfy import TEXT, conditioning

Patch = Callable[[Any], Any]
"""From a model to the model with the node's work on it."""
ANY, UNET, DIT = "any", "unet", "dit"


@dataclass(frozen=True)
class Node:
    """How a node is put on a model, and for which kind of network; `moves` says whether it changes what is sampled under guidance."""

    patch: Patch
    networks: str = ANY
    moves: bool = True


def stock(module: str, name: str, *values: Any, **named: Any) -> Patch | None:
    """A node of ComfyUI's, or None where this version has none; switches that only some versions have are off."""
    try:
        node = getattr(importlib.import_module(f"comfy_extras.{module}"), name)
    except (ImportError, AttributeError):
        return None

    def patch(model: Any) -> Any:
        if hasattr(node, "define_schema"):
            asked = list(inspect.signature(node.execute).parameters.values())[1 + len(values) :]
            off = {one.name: False for one in asked if one.default is one.empty and one.name not in named}
            return node.execute(model, *values, **named, **off).args[0]
        return getattr(node(), node.FUNCTION)(model, *values, **named)[0]

    return patch


def skipped(**named: Any) -> dict[str, Any]:
    """The second double block is left out at all noise levels."""
    return {"double_layers": "1", "single_layers": "0", "start_percent": 0.0, "end_percent": 1.0, **named}


# Imitations of other packs


def ip_adapter(model: Any) -> Any:
    """A second cross-attention, to a picture, added to that of the text."""
    from comfy.ldm.modules.attention import optimized_attention

    def replaced(q: Tensor, k: Tensor, v: Tensor, extra: dict[str, Any]) -> Tensor:
        heads, picture = extra["n_heads"], torch.linspace(-1, 1, k.shape[2]).expand(len(q), 4, -1).contiguous().to(k)
        return optimized_attention(q, k, v, heads) + 0.5 * optimized_attention(q, picture, picture.flip(-1), heads)

    patched = model.clone()
    patched.set_model_attn2_replace(replaced, "middle", 0)
    return patched


def couple(model: Any) -> Any:
    """Regional prompts: the positive rows are shown to two prompts, of which each has half of the picture."""
    other = conditioning(9, width=TEXT)[0][0]

    def before(n: Tensor, context: Tensor, value: Tensor, extra: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        kinds, q, k = extra["cond_or_uncond"], [], []
        for kind, rows, text in zip(kinds, n.chunk(len(kinds)), context.chunk(len(kinds)), strict=True):
            q += [rows, rows] if kind == 0 else [rows]
            k += [text, other.to(context).expand(len(rows), -1, -1)] if kind == 0 else [text]
        return torch.cat(q), torch.cat(k), torch.cat(k)

    def after(out: Tensor, extra: dict[str, Any]) -> Tensor:
        kinds = extra["cond_or_uncond"]
        parts = list(out.chunk(sum(2 if kind == 0 else 1 for kind in kinds)))
        left = (torch.arange(out.shape[1]) < out.shape[1] // 2).view(1, -1, 1).to(out)
        return torch.cat([parts.pop(0) if kind else parts.pop(0) * left + parts.pop(0) * (1 - left) for kind in kinds])

    patched = model.clone()
    patched.set_model_attn2_patch(before)
    patched.set_model_attn2_output_patch(after)
    return patched


def doubled_keys(model: Any) -> Any:
    """Every row sees its own tokens twice, the second time weaker, as where a reference picture is shown beside it."""
    patched = model.clone()
    patched.set_model_attn1_patch(
        lambda n, context, value, extra: (n, torch.cat([context, 0.5 * n], 1), torch.cat([value, 0.5 * n], 1))
    )
    return patched


def perturbed(model: Any, *, unconditional: bool = False, alike: bool = False) -> Any:
    """Guidance away from a pass with values of half the size, of the positive prompt or the negative one, as packs write it."""

    def after(args: dict[str, Any]) -> Tensor:
        cond, options = args["uncond" if unconditional else "cond"], args["model_options"]
        if cond is None:
            return args["denoised"]
        transformer = options["transformer_options"]
        halved = [*transformer.get("patches", {}).get("attn1_patch", []), lambda n, c, v, extra: (n, c, 0.5 * v)]
        patches = transformer.get("patches", {}) | ({} if alike else {"attn1_patch": halved})
        own = options | {"transformer_options": transformer | {"patches": patches}}
        (weak,) = comfy.samplers.calc_cond_batch(args["model"], [cond], 1.02 * args["input"], args["sigma"], own)
        return args["denoised"] + 0.5 * (args["uncond_denoised" if unconditional else "cond_denoised"] - weak)

    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(after)
    return patched


def twice_inside(model: Any) -> Any:
    """A model function that shows the network every batch twice, the second time dimmed, as some packs perturb."""

    def wrapper(apply: Callable[..., Tensor], args: dict[str, Any]) -> Tensor:
        first = apply(args["input"], args["timestep"], **args["c"])
        return first + 0.3 * (first - apply(0.97 * args["input"], args["timestep"], **args["c"]))

    patched = model.clone()
    patched.set_model_unet_function_wrapper(wrapper)
    return patched


def own_prompt(model: Any) -> Any:
    """Guidance towards a prompt that the node brings, in a pass of its own."""
    import comfy.sampler_helpers

    brought = comfy.sampler_helpers.convert_cond(conditioning(8, tokens=77, width=TEXT))

    def mixed(args: dict[str, Any]) -> Tensor:
        x = args["input"]
        conds = comfy.samplers.encode_model_conds(args["model"].extra_conds, brought, x, x.device, "positive")
        (own,) = comfy.samplers.calc_cond_batch(args["model"], [conds], x, args["sigma"], args["model_options"])
        return args["denoised"] + 0.3 * (own - args["uncond_denoised"])

    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(mixed)
    return patched


class Cache:
    """Predictions in the place of evaluations, as TeaCache, FBCache and MagCache make them: `distance` of the inputs decides."""

    def __init__(self, threshold: float = 0.4) -> None:
        self.threshold, self.kept = threshold, {}

    def __deepcopy__(self, memo: Any) -> "Cache":
        return self

    def __call__(self, apply: Callable[..., Tensor], args: dict[str, Any]) -> Tensor:
        x, key = args["input"], tuple(args["cond_or_uncond"])
        before, rest = self.kept.get(key, (None, None))
        near = before is not None and before.shape == x.shape
        if near and float((x - before).abs().mean() / before.abs().mean()) < self.threshold:
            return x + rest
        out = apply(x, args["timestep"], **args["c"])
        self.kept[key] = (x, out - x)
        return out


def cached(model: Any) -> Any:
    patched = model.clone()
    patched.set_model_unet_function_wrapper(Cache())
    return patched


def cached_inside(model: Any) -> Any:
    """The same around the network itself, as packs that put another forward there."""
    kept: dict[str, Any] = {}

    def wrapper(executor: Any, x: Tensor, *more: Any, **options: Any) -> Tensor:
        if "x" in kept and kept["x"].shape == x.shape and (x - kept["x"]).abs().mean() < 0.4 * x.abs().mean():
            return kept["out"]
        kept["x"], kept["out"] = x, executor(x, *more, **options)
        return kept["out"]

    patched = model.clone()
    patched.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "kept", wrapper)
    return patched


def running_mean(model: Any) -> Any:
    """A mean over the evaluations."""
    mean: list[Tensor] = []

    def after(args: dict[str, Any]) -> Tensor:
        mean[:] = [0.5 * (mean[0] if mean else args["denoised"]) + 0.5 * args["denoised"]]
        return mean[0]

    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(after)
    return patched


def _known(table: dict[str, tuple[Any, ...]]) -> dict[str, Node]:
    return {name: Node(patch, *more) for name, (patch, *more) in table.items() if patch is not None}


TABLE: dict[str, Node] = _known(
    {
        "SkipLayerGuidanceDiT": (stock("nodes_slg", "SkipLayerGuidanceDiT", **skipped(scale=3.0)), DIT),
        "SkipLayerGuidanceDiTSimple": (stock("nodes_slg", "SkipLayerGuidanceDiTSimple", **skipped()), DIT),
        "SkipLayerGuidanceSD3": (stock("nodes_sd3", "SkipLayerGuidanceSD3", "1", 3.0, 0.0, 1.0), DIT),
        "PerturbedAttentionGuidance": (stock("nodes_pag", "PerturbedAttentionGuidance", 3.0), UNET),
        "PerpNeg": (stock("nodes_perpneg", "PerpNeg", conditioning(4), 1.0), UNET),
        "SelfAttentionGuidance": (stock("nodes_sag", "SelfAttentionGuidance", 0.5, 2.0), UNET),
        "EasyCache": (stock("nodes_easycache", "EasyCacheNode", 0.5, 0.0, 1.0, False), ANY, False),
        "LazyCache": (stock("nodes_easycache", "LazyCacheNode", 0.5, 0.0, 1.0, False), ANY, False),
        "APG": (stock("nodes_apg", "APG", 0.5, 5.0, 0.0),),
        "NAGuidance": (stock("nodes_nag", "NAGuidance", 5.0, 0.5, 1.5), UNET),
        "RescaleCFG": (stock("nodes_model_advanced", "RescaleCFG", 0.7), UNET),
        "FreeU_V2": (stock("nodes_freelunch", "FreeU_V2", 1.3, 1.4, 0.9, 0.2), UNET, False),
        "CFGZeroStar": (stock("nodes_cfg", "CFGZeroStar"),),
        "CFGNorm": (stock("nodes_cfg", "CFGNorm", 1.0),),
        "Mahiro": (stock("nodes_mahiro", "Mahiro"),),
        "TCFG": (stock("nodes_tcfg", "TCFG"),),
        "FreSca": (stock("nodes_fresca", "FreSca", 1.0, 1.25, 2),),
        "Epsilon Scaling": (stock("nodes_eps", "EpsilonScaling", 1.02),),
        "UNetSelfAttentionMultiply": (
            stock("nodes_attention_multiply", "UNetSelfAttentionMultiply", 1.0, 1.0, 0.7, 1.0),
            UNET,
            False,
        ),
        "context windows": (
            stock("nodes_context_windows", "ContextWindowsManualNode", 2, 1, "standard_static", 1, False, "pyramid", 2),
            "wan",
        ),
        "IP-Adapter": (ip_adapter, UNET),
        "doubled keys": (doubled_keys, UNET),
        "a perturbed pass": (perturbed, UNET),
        "the same pass again": (partial(perturbed, alike=True),),
        "a perturbed negative pass": (partial(perturbed, unconditional=True), UNET),
        "a pass inside the model function": (twice_inside,),
        "a prompt of its own": (own_prompt, UNET),
    }
)
"""Nodes beside which every edit works."""
COUPLE = {"attention couple": Node(couple, UNET)}
REMEMBERING: dict[str, Node] = _known(
    {
        "a cache": (cached,),
        "a cache inside": (cached_inside,),
        "a running mean": (running_mean,),
        "APG with momentum": (stock("nodes_apg", "APG", 0.5, 5.0, 0.7),),
    }
)
"""Nodes that no inversion can live with."""
