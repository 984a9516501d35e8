"""Sampling with the embeddings of a null-text result."""

from dataclasses import dataclass, replace

from ..shapes import Embedding, Latent, Sigma
from ..trajectory import NullText
from ..types import Cond, EditableDenoiser, Wrapper


def with_null_text(denoiser: EditableDenoiser, null_text: NullText) -> EditableDenoiser:
    """`denoiser` with the unconditional embedding of each sigma taken from `null_text`."""
    table = {float(s): e for s, e in zip(null_text.sigmas[:-1], null_text.embeddings, strict=True)}
    return _NullTextDenoiser(denoiser, table)


@dataclass(frozen=True)
class _NullTextDenoiser(Wrapper):
    table: dict[float, Embedding]

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        if cond.guided:
            if float(sigma) not in self.table:
                raise ValueError(
                    f"The null text has no embedding for sigma {float(sigma):.6g}: it was made on other noise levels."
                )
            embedding = self.table[float(sigma)].to(x.device)
            cond = replace(cond, uncond=self.denoiser.with_embedding(cond.uncond, embedding))
        return self.denoiser(x, sigma, cond)
