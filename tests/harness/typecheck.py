"""The type checker of the tests: beartype, with whole numbers accepted where fractions are (PEP 484).

A call whose arguments and result are of the same types, shapes and dtypes as a checked one's is not checked again: nearly
all calls of a test repeat those of the step before, and jaxtyping binds, checks the arguments, and checks them again with
the result.
"""

import functools
from collections.abc import Callable, Hashable
from types import FunctionType
from typing import Any

import jaxtyping
import torch
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
EVERY_CALL = jaxtyping.jaxtyped
MANY = 1000  # entries


def form(value: Any) -> Hashable:
    """All that an annotation can ask of a value."""
    kind = type(value)
    if kind is str:  # of a Literal
        return value
    if isinstance(value, torch.Tensor):
        return kind, value.shape, value.dtype
    if isinstance(value, tuple | list | dict) and len(value) > MANY:
        return object()  # like no other: checked, which costs less than its form
    if isinstance(value, tuple | list):
        return kind, *map(form, value)
    if isinstance(value, dict):
        return kind, *((name, form(entry)) for name, entry in value.items())
    return value if isinstance(value, type) else kind


def new_calls(function: Any = None, *, typechecker: Any) -> Any:
    """jaxtyping's decorator, which checks every call, for those calls of a function that are not like an earlier one."""
    if function is None:
        return functools.partial(new_calls, typechecker=typechecker)
    if not isinstance(function, FunctionType):
        return EVERY_CALL(function, typechecker=typechecker)  # comes back with the functions of a class
    check: Callable[..., Any] = EVERY_CALL(function, typechecker=typechecker)
    given, passed = set[Hashable](), set[Hashable]()

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        key = form(args), form(kwargs)
        result = function(*args, **kwargs) if key in given else check(*args, **kwargs)
        both = key, form(result)
        if key in given and both not in passed:  # what another result is like is checked on a stand-in that returns it
            EVERY_CALL(functools.wraps(function)(lambda *_, **__: result), typechecker=typechecker)(*args, **kwargs)
        given.add(key)
        passed.add(both)
        return result

    return call


jaxtyping.jaxtyped = jaxtyping._decorator.jaxtyped = new_calls
