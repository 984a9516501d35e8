"""Denoisers with known answers: a Gaussian mixture in closed form, and a small random attention network."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from torch import Tensor

from latent_inversion.inversion_core.attention.edited_call import EditedCall
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site
from latent_inversion.inversion_core.paths import VE, NoisePath
from latent_inversion.inversion_core.types import Cond

CPU = torch.device("cpu")


@contextmanager
def gradients_on(denoiser: object) -> Iterator[object]:
    with torch.inference_mode(False), torch.enable_grad():
        yield denoiser


class Prompted:
    """Prompts that are embeddings [rows, tokens, features] themselves."""

    device = CPU
    distilled = False

    def absent(self, prompt: Tensor, sigma: Tensor) -> tuple[int, ...]:
        return ()

    def embedding(self, prompt: Tensor) -> Tensor:
        return prompt

    def with_embedding(self, prompt: Tensor, embedding: Tensor) -> Tensor:
        return embedding

    def differentiable(self):
        return gradients_on(self)

    def guided(self, predict, cond: Cond) -> Tensor:
        clean = predict(cond.cond, "cond")
        if not cond.guided:
            return clean
        unguided = predict(cond.uncond, "uncond")
        return unguided + cond.guidance * (clean - unguided)


@dataclass(frozen=True)
class Mixture(Prompted):
    """The exact denoiser of a Gaussian mixture whose means are shifted by the mean of the prompt's embedding.

    E[x0 | x] = sum_k p_k(x) (m_k + a v_k / (a^2 v_k + sigma^2) (x - a m_k)) with x = a x0 + sigma noise.
    """

    path: NoisePath = VE
    means: tuple[float, ...] = (-1.0, 0.4, 1.5)
    spreads: tuple[float, ...] = (0.3, 0.5, 0.4)

    def __call__(self, x: Tensor, sigma: Tensor, cond: Cond) -> Tensor:
        return self.guided(lambda prompt, branch: self.clean(x, sigma, prompt), cond)

    def clean(self, x: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
        shift = prompt.mean((1, 2)).to(x).view(-1, *[1] * (x.ndim - 1))
        a = self.path.alpha(sigma)
        logits, means = [], []
        for mean, spread in zip(self.means, self.spreads, strict=True):
            centre, variance = mean + shift, a**2 * spread**2 + sigma**2
            logits.append(-((x - a * centre) ** 2) / (2 * variance) - variance.log() / 2)
            means.append(centre + a * spread**2 / variance * (x - a * centre))
        return (torch.stack(logits).softmax(0) * torch.stack(means)).sum(0)

    def edited(self, *edits: AttentionEdit) -> "Mixture":
        return self


@dataclass(frozen=True)
class AttentionNetwork(Prompted):
    """One self- and one cross-attention block with random weights on `[b, 4, h, w]`; every call goes through EditedCall."""

    seed: int = 0
    heads: int = 2
    width: int = 16
    dtype: torch.dtype = torch.float32
    attention: object = torch.nn.functional.scaled_dot_product_attention
    edits: tuple[AttentionEdit, ...] = ()
    path: NoisePath = VE

    def edited(self, *edits: AttentionEdit) -> "AttentionNetwork":
        return replace(self, edits=(*edits, *self.edits))

    def weights(self, name: str, rows: int, columns: int) -> Tensor:
        number = ["in", "q", "k", "v", "cq", "ck", "cv", "out"].index(name)
        generator = torch.Generator().manual_seed(100 * self.seed + number)
        return (torch.randn(rows, columns, generator=generator) / rows**0.5).to(self.dtype)

    def __call__(self, x: Tensor, sigma: Tensor, cond: Cond) -> Tensor:
        call = EditedCall(self.edits)
        x0 = self.guided(lambda prompt, branch: self.clean(x, sigma, prompt, branch, call), cond)
        call.check()
        return x0

    def clean(self, x: Tensor, sigma: Tensor, prompt: Tensor, branch: str, call: EditedCall) -> Tensor:
        height, width = x.shape[-2:]
        tokens = rearrange((x / (1 + sigma**2).sqrt()).to(self.dtype), "b c h w -> b (h w) c")
        h = tokens @ self.weights("in", x.shape[1], self.width)
        context = prompt.to(self.dtype).expand(len(x), -1, -1)
        for kind, keys, names in (("self", None, ("q", "k", "v")), ("cross", context, ("cq", "ck", "cv"))):
            source = h if keys is None else keys
            text = range(0) if keys is None else range(keys.shape[1])
            layer = 0 if kind == "self" else None
            site = Site(f"block.{kind}", kind, branch, float(sigma), (1, height, width), text, layer=layer)
            q, k, v = (
                rearrange(s @ self.weights(n, s.shape[-1], self.width), "b n (h d) -> b h n d", h=self.heads)
                for s, n in zip((h, source, source), names, strict=True)
            )
            h = h + rearrange(call.attend(self.attention, 2 * q, 2 * k, v, [site]), "b h n d -> b n (h d)")
        out = rearrange(h @ self.weights("out", self.width, x.shape[1]), "b (h w) c -> b c h w", h=height)
        return x / (1 + sigma**2) + torch.tanh(out.to(x)) * sigma / (1 + sigma)


@dataclass(frozen=True)
class JointNetwork(AttentionNetwork):
    """Two blocks of joint attention on `[b, 4, h, w]`; text comes first unless `image_first`."""

    image_first: bool = False

    def clean(self, x: Tensor, sigma: Tensor, prompt: Tensor, branch: str, call: EditedCall) -> Tensor:
        height, width = x.shape[-2:]
        count, length = height * width, prompt.shape[1]
        image = rearrange((x / (1 + sigma**2).sqrt()).to(self.dtype), "b c h w -> b (h w) c")
        image = image @ self.weights("in", x.shape[1], self.width)
        text = prompt.to(self.dtype).expand(len(x), -1, -1) @ self.weights("ck", prompt.shape[2], self.width)
        parts, first = ([image, text], count) if self.image_first else ([text, image], 0)
        h = torch.cat(parts, 1)
        for number, names in enumerate((("q", "k", "v"), ("k", "q", "v"))):
            site = Site(
                f"double.{number}", "joint", branch, float(sigma), (1, height, width), range(first, first + length)
            )
            q, k, v = (
                rearrange(h @ self.weights(n, self.width, self.width), "b n (h d) -> b h n d", h=self.heads)
                for n in names
            )
            h = h + rearrange(call.attend(self.attention, 2 * q, 2 * k, v, [site]), "b h n d -> b n (h d)")
        out = rearrange(
            h[:, site.image] @ self.weights("out", self.width, x.shape[1]), "b (h w) c -> b c h w", h=height
        )
        return x / (1 + sigma**2) + torch.tanh(out.to(x)) * sigma / (1 + sigma)


def explicit_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention with the map written out: the oracle of the fused kernels."""
    return attention_map(q, k) @ v


def attention_map(q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
