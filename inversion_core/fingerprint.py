"""Which weights a network has, in a few letters: the same for the same weights in any host's layout.

A fingerprint cannot outlive a cast to bfloat16 or to 8 bits, because its digest tells only equal values from others. So an
identity carries a sketch beside it: values themselves, at least one of every matrix. Two sketches fit if there are weights
of which both are casts: each pair of values must lie within what the rounding of their formats explains, where the formats
differ, and be equal where they do not. This tells a fine-tuning or a merge from its base if it moved some of the values
across the border of a rounding: of 1000 values that moved by a hundredth of the coarser format's spacing about ten do. It
cannot tell models apart that round to the same values at all places read, nor, between the two formats of 8 bits, ones
that moved by much less than their spacing; and it knows no quantisation but casts: GGUF and
scaled 8 bits are models of their own, and so is another host's order of the matrices.
"""

import base64
import hashlib
import math
import re
import zlib
from collections.abc import Iterable

import torch
from torch import Tensor

KINDS = {torch.float32: "h", torch.float16: "h", torch.bfloat16: "b", torch.float8_e4m3fn: "4", torch.float8_e5m2: "5"}
"""The formats that a checkpoint is cast to, by the letters of a sketch; single precision is read as half."""
ROUNDING = {"h": (10, -14), "b": (7, -126), "4": (3, -6), "5": (2, -14)}
"""Their bits of mantissa, and the exponents of their smallest normal numbers."""
READ, LONGEST = 1024, 1 << 20
"""Values in a sketch, or one for each matrix; and the bytes that one may unpack to."""

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


def identity(tensors: Iterable[Tensor]) -> str:
    """The fingerprint of the matrices and kernels among `tensors`, and behind `~` their sketch, if they have one."""
    known = [tensor for tensor in tensors if tensor.ndim > 1]
    return f"{fingerprint(known)}~{sketch(known)}"


def sketch(tensors: Iterable[Tensor]) -> str:
    """Values of every matrix among `tensors`, in their order; empty where one is in no format that a checkpoint is cast to."""
    known = [tensor for tensor in tensors if tensor.ndim > 1]
    plain = all(type(tensor) in (Tensor, torch.nn.Parameter) and tensor.dtype in KINDS for tensor in known)
    if not known or not plain:
        return ""
    each = max(1, READ // len(known))
    kinds = "".join(KINDS[tensor.dtype] for tensor in known)
    values = b"".join(_values(tensor, min(each, 8)) for tensor in known)
    sizes = digest(tensor.numel().to_bytes(8, "big") for tensor in known)[:8]
    return base64.b64encode(zlib.compress(f"{sizes}{kinds}\n".encode() + values, 9)).decode()


def same_model(one: str, other: str) -> bool:
    """Whether two identities can be of the same weights, with the same of what else they tell of.

    A fingerprint alone, as older files have it, knows nothing of a prompt's hooks.
    """
    if "~" not in one or "~" not in other:
        one, other = map(without_hooks, (one, other))
    (head, ours), (their_head, theirs) = (text.partition("~")[::2] for text in (one, other))
    if head == their_head:
        return True
    return head[16:] == their_head[16:] and bool(ours and theirs) and _fit(ours, theirs)


def without_hooks(identity: str) -> str:
    """An identity without what it tells of the hooks of a prompt."""
    return re.sub("&[0-9a-f]*", "", identity)


def _values(tensor: Tensor, count: int) -> bytes:
    flat = tensor.detach().reshape(-1)
    places = (torch.arange(count) * 2 + 1) * flat.numel() // (2 * count)
    kept = torch.bfloat16 if tensor.dtype is torch.bfloat16 else torch.float16
    return flat[places.to(flat.device)].to("cpu", kept).view(torch.uint8).numpy().tobytes()


def _fit(one: str, other: str) -> bool:
    try:
        (sizes, kinds, values), (their_sizes, their_kinds, theirs) = map(_read, (one, other))
    except (ValueError, zlib.error):
        return False
    if sizes != their_sizes or len(values) != len(theirs):
        return False
    pairs = zip(kinds, their_kinds, values, theirs, strict=True)
    return all(a == b if k == j else abs(a - b) <= _half_step(a, k) + _half_step(b, j) for k, j, a, b in pairs)


def _read(sketched: str) -> tuple[str, str, list[float]]:
    """The digest of the sizes, and for each value the letter of its format. Raises ValueError or zlib.error for anything else."""
    data = zlib.decompressobj().decompress(base64.b64decode(sketched, validate=True), LONGEST)
    head, _, raw = data.partition(b"\n")
    sizes, kinds = head[:8].decode(), head[8:].decode()
    if not kinds or set(kinds) - set(ROUNDING) or len(raw) % (2 * len(kinds)) or not raw:
        raise ValueError("no sketch")
    each = len(raw) // (2 * len(kinds))
    bits = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(len(kinds), -1)
    rows = [row.view(torch.bfloat16 if kind == "b" else torch.float16) for kind, row in zip(kinds, bits, strict=True)]
    return sizes, "".join(kind * each for kind in kinds), torch.cat([row.float() for row in rows]).tolist()


def _half_step(value: float, kind: str) -> float:
    """Half the distance of neighbouring numbers of the format around `value`, a little more for the rounding of single to half."""
    mantissa, least = ROUNDING[kind]
    exponent = max(math.frexp(value)[1] - 1, least) if math.isfinite(value) else least
    return 0.5 * 2.0 ** (exponent - mantissa) * (1 + 1e-6)
