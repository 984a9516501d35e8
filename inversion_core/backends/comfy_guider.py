"""ComfyUI's guider, asked for one pair of prompts at a time."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import comfy.samplers
import torch

from ..shapes import Latent
from ..types import Cond


def guider_of(model: Any, prompts: Mapping[str, Any]) -> Any:
    """A guider of ComfyUI over named CONDITIONINGs, with `processed` and `asked` beside what a guider has."""
    guider = _Guider(model)
    guider.inner_set_conds(dict(prompts))
    return guider


@contextmanager
def same_draws(device: torch.device, seed: int) -> Iterator[None]:
    """What the model draws at random (token merging, tiling) is the same in every evaluation; later draws are as before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class _Guider(comfy.samplers.CFGGuider):
    """ComfyUI's guider, asked for the pair of prompts at hand."""

    conds: dict[str, Any]
    cfg: float

    def inner_sample(
        self, noise: Latent, latent_image: Latent, device: torch.device, *args: Any, **options: Any
    ) -> Latent:
        self.unprocessed, self.where = dict(self.conds), (noise, device)
        self.more = {name: value for name, value in options.items() if name == "latent_shapes"}
        return super().inner_sample(noise, latent_image, device, *args, **options)

    def processed(
        self, latent_image: Latent, seed: int | None, name: str, uncond: str | None = None, guidance: float = 1.0
    ) -> Cond:
        noise, device = self.where
        raw = {"positive": self.unprocessed[name]} | ({"negative": self.unprocessed[uncond]} if uncond else {})
        conds = comfy.samplers.process_conds(
            self.inner_model, noise, raw, device, latent_image, None, seed, **self.more
        )
        prompts = {role: [entry | {"uuid": uuid.uuid4()} for entry in entries] for role, entries in conds.items()}
        return Cond(prompts["positive"], prompts.get("negative"), guidance)

    @contextmanager
    def asked(self, cond: Cond) -> Iterator[None]:
        """The guider's prompts and guidance are those of `cond`."""
        before = self.conds, self.cfg
        self.conds, self.cfg = {"positive": cond.cond, "negative": cond.uncond}, cond.guidance
        try:
            yield
        finally:
            self.conds, self.cfg = before
