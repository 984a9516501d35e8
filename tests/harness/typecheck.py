"""The type checker of the tests: beartype, with whole numbers accepted where fractions are (PEP 484).

A call whose arguments and result are of the same types, shapes and dtypes as a checked one's is not checked again: most
calls of a test repeat the ones of the step before.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import torch
from beartype import BeartypeConf, beartype

SCALARS = (bool, int, str, type(None))


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments checked; jaxtyping hands one for a call and one for its result too."""
    check, passed = beartype(function, conf=BeartypeConf(is_pep484_tower=True)), set[Hashable]()

    @functools.wraps(check)
    def once(*args: Any, **kwargs: Any) -> Any:
        key = (form(args), form(kwargs))
        if key not in passed:
            check(*args, **kwargs)
            passed.add(key)

    return once


def form(value: Any) -> Hashable:
    """All that an annotation can ask of a value."""
    if isinstance(value, torch.Tensor):
        return type(value), value.shape, value.dtype
    if isinstance(value, tuple | list):
        return type(value), *map(form, value)
    if isinstance(value, dict):
        return type(value), *((form(name), form(entry)) for name, entry in value.items())
    return (type(value), value) if isinstance(value, SCALARS) else value if isinstance(value, type) else type(value)
