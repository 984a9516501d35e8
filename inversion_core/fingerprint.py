"""Which weights a network has, in a few letters: the same for the same weights in any host's layout."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

SAMPLED = 4
"""Values that are read at each end of a tensor: enough to tell models apart, few enough to read a large one at once."""


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """16 hexadecimal digits of the sizes and the outermost values of all matrices and kernels among `tensors`.

    Names, order and the shapes of equal numbers of values do not count, and values count in float16, so that a network
    has one fingerprint in every library and in single and half precision. Raises ValueError if there is no such tensor.
    """
    samples = sorted(_sample(tensor) for tensor in tensors if tensor.ndim > 1)
    if not samples:
        raise ValueError(
            "There is no weight to take a fingerprint of: none of the tensors has more than one dimension."
        )
    return digest(samples)[:16]


def digest(samples: Iterable[bytes]) -> str:
    """The SHA-256 of the samples, in hexadecimal digits."""
    return hashlib.sha256(b"".join(samples)).hexdigest()


def _sample(tensor: Tensor) -> bytes:
    flat = tensor.detach().reshape(-1)
    ends = torch.cat([flat[:SAMPLED], flat[-SAMPLED:]]).to("cpu", torch.float16)
    return tensor.numel().to_bytes(8, "big") + ends.contiguous().view(torch.uint8).numpy().tobytes()
