"""Shapes at the library's public boundaries, as jaxtyping aliases."""

from jaxtyping import Float, Float64
from torch import Tensor

Latent = Float[Tensor, "batch channels *space"]
"""A latent picture `[batch, channels, height, width]` or video `[batch, channels, frames, height, width]`."""

Sigma = Float64[Tensor, ""]
"""One noise level: a float64 scalar on the CPU, so that it is an exact key and never promotes or syncs a latent."""

Sigmas = Float64[Tensor, " _"]
"""A grid of noise levels, float64 on the CPU, decreasing unless said otherwise."""

Heads = Float[Tensor, "rows heads _ dim"]
"""Queries, keys or values of one attention call, split into heads: `[rows, heads, tokens, dim]`."""

Feature = Float[Tensor, "rows channels height width"]
"""What a block of a UNet leaves."""

Embedding = Float[Tensor, "rows tokens features"]
"""What the text encoder made of a prompt."""

Picture = Float[Tensor, "batch 3 height width"]
"""Pictures with red, green and blue in 0..1."""

LatentMask = Float[Tensor, "masks 1 mask_height mask_width"]
"""Where an edit may act, 0..1: one mask for all pictures, or one for each."""
