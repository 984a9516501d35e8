"""ComfyUI as a host: its guider makes every call of the network, so LoRA, ControlNet, areas, hooks and offload stay its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import comfy.model_management
import comfy.samplers
import torch

from ...attention.edited_call import EditedCall
from ...attention.site import AttentionEdit
from ...paths import NoisePath
from ...shapes import Embedding, Latent, Sigma, Sigmas
from ...types import Cond, Prompt
from .attention import with_edits
from .entries import acts, only
from .features import features_reached
from .gradients import gradients_through, plain
from .guider import check_prompts, guider_of, naming_what_lacks, same_draws
from .model import ModelPatcher, is_guidance_distilled, latent_of, path_of, resident
from .patches import Around, Memory, check_negative, needs_negative, negative_among, without_caches
from .sites import Edits

T = TypeVar("T")


class Prompts(Protocol):
    """The prompts of a run by name, made ready for the network in the pair in which guidance uses them.

    Where guidance is distilled, it is an input of the network instead: there is no pair, and what a prompt brings of its
    own (FluxGuidance) goes before `guidance` if `own`.
    """

    def __call__(self, name: str, uncond: str | None = None, guidance: float = 1.0, own: bool = True) -> Cond: ...


def run(
    model: ModelPatcher,
    prompts: Mapping[str, Any],
    latent: Latent,
    sigmas: Sigmas,
    body: Callable[["ComfyDenoiser", Latent, Prompts], T],
    *,
    gradients: bool = False,
    seed: int = 0,
    left_out: Callable[[str], None] = lambda name: None,
) -> T:
    """What `body(denoiser, x, prompts)` returns, run inside ComfyUI's sampling with the model loaded.

    `prompts` are CONDITIONINGs by name, `latent` is a LATENT's samples, `x` the same in the model's scale and on its
    device. The denoiser works only inside `body`. `gradients` loads the whole model, for `differentiable`. ComfyUI's caches
    of evaluations do not act, nor does what mixes the branches of guidance where there is one; `left_out` is told their
    names. Raises ValueError if the model cannot be inverted, the latent or a prompt is of another kind of model, or a node
    on the model remembers evaluations, or wants a negative prompt where there is none.
    """
    path_of(model)
    check_negative(model, prompts)
    model, caches = without_caches(model)
    for name in caches:
        left_out(name)
    latent = latent_of(model, latent)
    check_prompts(prompts, model, latent)
    guider = guider_of(resident(model, tuple(latent.shape)) if gradients else model, prompts)
    walk = _Walk(body, Around(Memory.of(model, sigmas), left_out))
    with naming_what_lacks():
        guider.sample(torch.zeros_like(latent), latent, walk, sigmas.float(), disable_pbar=True, seed=seed)
    return walk.results[0]


@dataclass(frozen=True)
class ComfyDenoiser:
    """A ComfyUI model inside `run`: predicts the clean latent, in the model's scale."""

    guider: Any
    model_options: dict[str, Any]
    path: NoisePath
    device: torch.device
    around: Around
    seed: int = 0
    edits: tuple[AttentionEdit, ...] = ()
    training: bool = False

    @property
    def distilled(self) -> bool:
        return is_guidance_distilled(self.guider.model_patcher)

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        comfy.model_management.throw_exception_if_processing_interrupted()
        if self.training:
            x, cond = plain(x), replace(cond, cond=plain(cond.cond), uncond=plain(cond.uncond))
        cond = self.around.completed(cond)
        call, options = EditedCall(self.edits), self.around.options(self.model_options, cond)
        network = self.guider.inner_model.diffusion_model
        edits = Edits.of(call, cond, float(sigma), x)
        if self.edits:
            options = with_edits(options, network, edits)
        levels = torch.full((x.shape[0],), float(sigma), dtype=torch.float32, device=x.device)
        reached = features_reached(options, network, edits)
        with reached, self.guider.asked(cond), same_draws(self.device, self.seed):
            x0 = self.guider(x.float(), levels, model_options=options, seed=self.seed)
        if not self.training:
            self.around.memory.check(replace(self, edits=()), x, sigma, cond, x0.to(x.dtype))
        with self.around.memory.blamed(call):
            call.check(self.absent(cond.cond, sigma))
        return x0.to(x.dtype)

    def edited(self, *edits: AttentionEdit) -> "ComfyDenoiser":
        """A denoiser that also runs `edits`, outside those that it has already."""
        return replace(self, edits=(*edits, *self.edits))

    def absent(self, prompt: Prompt, sigma: Sigma) -> tuple[int, ...]:
        return tuple(number for number, entry in enumerate(prompt) if not acts(entry, float(sigma)))

    def embedding(self, prompt: Prompt) -> Embedding:
        """The cross-attention embedding, float32. Raises ValueError if the prompt has several parts or no such embedding."""
        return only(prompt)["model_conds"]["c_crossattn"].cond.float()

    def with_embedding(self, prompt: Prompt, embedding: Embedding) -> Prompt:
        entry = only(prompt)
        conds = entry["model_conds"]
        conds = conds | {"c_crossattn": conds["c_crossattn"]._copy_with(embedding)}
        return [entry | {"model_conds": conds}]

    @contextmanager
    def differentiable(self) -> Iterator["ComfyDenoiser"]:
        others = [patcher.model for patcher in self.guider.loaded_models if isinstance(patcher.model, torch.nn.Module)]
        with gradients_through(self.guider.inner_model, others):
            yield replace(self, training=True)


class _Walk(comfy.samplers.Sampler):
    """A ComfyUI sampler that hands the run over to `body` and keeps what that returns."""

    def __init__(self, body: Callable[..., Any], around: Around) -> None:
        self.body, self.around = body, around
        self.results: list[Any] = []

    def sample(
        self,
        model_wrap: Any,
        sigmas: Any,
        extra_args: dict[str, Any],
        callback: Any,
        noise: Latent,
        latent_image: Latent,
        denoise_mask: Any = None,
        disable_pbar: bool = False,
    ) -> Latent:
        x, seed = latent_image, extra_args.get("seed")
        if not x.any():  # ComfyUI leaves a latent of zeros as it is
            x = model_wrap.inner_model.process_latent_in(x)
        path, prompts = path_of(model_wrap.model_patcher), partial(model_wrap.processed, x, seed)
        away = negative_among(model_wrap.unprocessed) if needs_negative(model_wrap.model_patcher) else None
        around = self.around if away is None else replace(self.around, beside=prompts(away, away).uncond)
        denoiser = ComfyDenoiser(model_wrap, extra_args["model_options"], path, x.device, around, seed or 0)
        self.results.append(self.body(denoiser, x, prompts))
        return x
