"""What the fields in the head of a trajectory's file may hold: each is checked by its name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..paths import PATHS
from ..trajectory import Provenance
from ..wording import quoted

LEVELS, SIDE = 10_000, 1024
"""The most levels of a grid, and pixels of a thumbnail's side, that are read."""
HIGHEST = 1e6
"""What numbers are below; JSON knows some that are infinite, no numbers at all, or too large for any."""
NAMED = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "U8": "uint8"}
DTYPES: dict[str, torch.dtype] = {name: getattr(torch, dtype) for name, dtype in NAMED.items()}
"""The types of tensors by the names that safetensors gives them; all are read on the CPU."""

Right = tuple[str, Callable[[Any], bool]]
"""What is wanted of a field, in words and as a check."""
TEXT: Right = ("a text", lambda value: isinstance(value, str))
NUMBER: Right = (f"a number below {HIGHEST:.0f}", lambda value: type(value) in (int, float) and abs(value) < HIGHEST)
COUNT: Right = ("a whole number below a billion", lambda value: type(value) is int and 0 <= value < 10**9)
OBJECT: Right = ("fields by name", lambda value: isinstance(value, dict))
ERRORS: Right = (
    "a list of numbers from 0 on",
    lambda value: (
        isinstance(value, list)
        and all((type(one) is float and one >= 0) or (type(one) is int and 0 <= one < HIGHEST) for one in value)
    ),
)
TEXTS: Right = ("a list of texts", lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value))
PROVENANCE = {"model": TEXT, "method": TEXT, "guidance": NUMBER, "prompt": TEXT}
FURTHER = {"negative": TEXT, "checkpoint": TEXT, "loras": TEXTS}
"""The fields of a Provenance that lie beside the others in a file: version 0.2.0 passes over them."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: its type, its shape, and between which bytes behind the head it lies."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Layout:
    """A kind of file: the name of what it has at every level, and the dimensions that this may have, levels and batch
    included; the tensors that it may have besides; its facts."""

    main: str
    dimensions: tuple[int, ...]
    further: tuple[str, ...]
    facts: Mapping[str, Right]


TRAJECTORY = Layout(
    "xs",
    (5, 6),
    ("thumbnail", "partners", "noise"),
    {
        "path": (f"one of {', '.join(PATHS)}", lambda value: isinstance(value, str) and value in PATHS),
        "solver": TEXT,
        "residuals": (f"nothing or {ERRORS[0]}", lambda value: value is None or ERRORS[1](value)),
    },
)
NULL_TEXT = Layout("embeddings", (4,), (), {"first": ERRORS, "last": ERRORS, "evaluations": COUNT})


def read_field(fields: Mapping[str, Any], name: str, right: Right) -> Any:
    """The field of that name. Raises ValueError if there is none, or it is not what is wanted."""
    wanted, fits = right
    if name not in fields:
        raise ValueError(f"it lacks '{name}'")
    if not fits(value := fields[name]):
        shown_value = quoted(value, 40)
        shown_value = shown_value if right is TEXT or isinstance(value, str) else shown_value[1:-1]
        raise ValueError(f"its {name} is {shown_value}; expected {wanted}")
    return value


def facts_of(provenance: Provenance) -> dict[str, Any]:
    """A provenance as facts that JSON can hold."""
    fields = asdict(provenance)
    further = {name: fields[name] for name in FURTHER if fields[name]}
    return {"provenance": {name: fields[name] for name in PROVENANCE}} | further


def provenance_of(facts: Mapping[str, Any]) -> Provenance:
    """The provenance in a file's facts. Raises ValueError at a field that is unknown or of another kind."""
    stored = read_field(facts, "provenance", OBJECT)
    if unknown := [name for name in stored if name not in PROVENANCE]:
        raise ValueError(f"its provenance has a field {quoted(unknown[0], 40)}; known are {', '.join(PROVENANCE)}")
    fields = {name: read_field(stored, name, PROVENANCE[name]) for name in stored}
    fields |= {name: read_field(facts, name, right) for name, right in FURTHER.items() if name in facts}
    return Provenance(**fields | {"loras": tuple(fields.get("loras", ()))})


def tensors_of(head: Mapping[str, Any], layout: Layout, size: int) -> dict[str, Stored]:
    """The tensors of such a file, behind whose head are `size` bytes. Raises ValueError saying which one is wrong."""
    wanted = ("sigmas", layout.main)
    if odd := [name for name in head if name not in (*wanted, *layout.further)]:
        raise ValueError(
            f"it holds tensors that do not belong there: {', '.join(quoted(name, 40)[1:-1] for name in odd[:5])}"
        )
    tensors = {name: _read_entry(name, entry) for name, entry in head.items()}
    if missing := [name for name in wanted if name not in tensors]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    levels, main = tensors["sigmas"], tensors[layout.main]
    if levels.dtype != "F64" or len(levels.shape) != 1 or not 2 <= levels.shape[0] <= LEVELS:
        raise ValueError(f"its sigmas are {_describe(levels)}; expected F64, 2 to {LEVELS} in one row")
    for name in set(tensors) - {"sigmas", "thumbnail"}:
        tensor = tensors[name]
        fits = len(tensor.shape) in layout.dimensions and 0 not in tensor.shape and tensor.shape[1:] == main.shape[1:]
        if tensor.dtype == "U8" or not fits:
            raise ValueError(f"its {name} are {_describe(tensor)}, which are not {KINDS.get(name, LATENTS)}")
    picture = tensors.get("thumbnail", Stored("U8", (1, 1, 3), 0, 0))
    if picture.dtype != "U8" or len(picture.shape) != 3 or picture.shape[2] != 3 or not _small(picture.shape):
        raise ValueError(
            f"its thumbnail is {_describe(picture)}; expected U8, [height, width, 3] of 1 to {SIDE} pixels"
        )
    last = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: tensor.start):
        if tensor.start != last:
            raise ValueError("its tensors overlap or leave gaps")
        last = tensor.end
    if last != size:
        raise ValueError("its tensors do not fill the file: it is truncated, or something was added")
    return tensors


LATENTS, KINDS = "latents of one image", {"embeddings": "embeddings of one prompt"}


def _read_entry(name: str, entry: Any) -> Stored:
    what = f"the tensor {quoted(name, 40)}"
    if not isinstance(entry, dict):
        raise ValueError(f"{what} is {quoted(entry, 40)}; expected its dtype, shape and data_offsets")
    if missing := [field for field in ("dtype", "shape", "data_offsets") if field not in entry]:
        raise ValueError(f"{what} lacks '{missing[0]}'")
    dtype, shape, ends = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{what} is of type {quoted(dtype, 20)[1:-1]}; the types here are {', '.join(DTYPES)}")
    if not (_counts(shape) and len(shape) <= 8 and _counts(ends) and len(ends) == 2):
        raise ValueError(f"{what} has no usable shape: {quoted(shape, 40)[1:-1]} in the bytes {quoted(ends, 40)[1:-1]}")
    if ends[1] - ends[0] != math.prod(shape) * DTYPES[dtype].itemsize:
        raise ValueError(f"{what} is said to have the shape {shape} in {ends[1] - ends[0]} bytes")
    return Stored(dtype, tuple(shape), ends[0], ends[1])


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(number) is int and 0 <= number < 2**48 for number in values)


def _small(shape: tuple[int, ...]) -> bool:
    return all(0 < side <= SIDE for side in shape)


def _describe(tensor: Stored) -> str:
    return f"{tensor.dtype} of shape {list(tensor.shape)}"
