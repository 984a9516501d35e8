"""ComfyUI's guider, asked for one pair of prompts at a time."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import comfy.samplers
import torch

from ...shapes import Latent
from ...types import Cond
from .model import is_guidance_distilled, needs_pooled, text_width


def guider_of(model: Any, prompts: Mapping[str, Any]) -> Any:
    """A guider of ComfyUI over named CONDITIONINGs, with `processed` and `asked` beside what a guider has."""
    guider = _Guider(model)
    guider.inner_set_conds(dict(prompts))
    return guider


def check_prompts(prompts: Mapping[str, Any], model: Any, latent: Latent) -> None:
    """Raises ValueError if a CONDITIONING is empty, of another text encoder than the model's, a batch that does not fit, or of an area outside the latent."""
    rows, width, pooled = len(latent), text_width(model), needs_pooled(model)
    for named, entries in prompts.items():
        name = named.rpartition(" ")[2]  # edits number the prompts that they bring
        if not entries:
            raise ValueError(f"The conditioning '{name}' is empty. Connect a prompt from CLIP Text Encode.")
        for embedding in (entry[0] for entry in entries if isinstance(entry[0], torch.Tensor)):
            if width is not None and embedding.shape[-1] != width:
                raise ValueError(
                    f"The conditioning '{name}' is {embedding.shape[-1]} wide, but this model takes {width}: it comes from the text "
                    "encoder of another model. Encode the prompt with the CLIP that belongs to this model."
                )
            if rows % len(embedding):
                raise ValueError(
                    f"The conditioning '{name}' is a batch of {len(embedding)} prompts, for {rows} image{'s' * (rows != 1)}. Connect "
                    "one prompt for all, or one per image."
                )
        for _, facts in entries:
            if pooled and not {"pooled_output", "unclip_conditioning"} & set(facts):
                raise ValueError(
                    f"The conditioning '{name}' has no pooled output, which this model needs: it comes from the text encoder of "
                    "another model. Encode the prompt with the CLIP that belongs to this model."
                )
            check_area(name, facts.get("area"), latent.shape[-2:])


def check_area(name: str, area: Any, sides: Sequence[int]) -> None:
    """Raises ValueError if an area of ComfyUI's, `(..., height, width, ..., top, left)` in places of the latent, lies outside a latent."""
    if area is None:
        return
    shares = area[0] == "percentage"
    corner = area[1 + len(area) // 2 :] if shares else area[len(area) // 2 :]
    for begin, side, what in zip(corner[-2:], sides, ("row", "column"), strict=False):
        if (start := round(begin * side) if shares else begin) >= side:
            raise ValueError(
                f"The area of the conditioning '{name}' begins at {what} {start} of a latent of {side}, outside the image. Move the "
                "area into the image, or use a larger image."
            )


@contextmanager
def naming_what_lacks() -> Iterator[None]:
    """A context in which a model that misses what its own text encoder gives beside the embedding raises ValueError."""
    try:
        yield
    except KeyError as error:
        if error.args != ("pooled_output",):
            raise
        raise ValueError(
            "A conditioning has no pooled output, which this model needs: it comes from the text encoder of another model. Encode "
            "the prompt with the CLIP that belongs to this model."
        ) from error


@contextmanager
def same_draws(device: torch.device, seed: int) -> Iterator[None]:
    """What the model draws at random (token merging, tiling) is the same in every evaluation; later draws are as before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def own_guidance(prompt: Any) -> list[float]:
    """The guidance that the parts of a CONDITIONING bring for networks that take it as an input, from FluxGuidance."""
    return [float(facts["guidance"]) for _, facts in prompt if facts.get("guidance") is not None]


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
        self,
        latent_image: Latent,
        seed: int | None,
        name: str,
        uncond: str | None = None,
        guidance: float = 1.0,
        own: bool = True,
    ) -> Cond:
        noise, device = self.where
        if is_guidance_distilled(self.model_patcher):
            raw = {"positive": [_told(entry, guidance, own) for entry in self.unprocessed[name]]}
            guidance = 1.0
        else:
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


def _told(entry: dict[str, Any], guidance: float, own: bool) -> dict[str, Any]:
    """A part of a prompt for a network that takes guidance as an input; what the part brings goes before if `own`."""
    return entry if own and entry.get("guidance") is not None else entry | {"guidance": guidance}
