"""The type checker of the tests: beartype, with whole numbers accepted where fractions are (PEP 484).

A call whose arguments and result are of the same types, shapes and dtypes as a checked one's is not checked again: nearly
all calls of a test repeat those of the step before, and jaxtyping binds, checks the arguments, and checks them again with
the result. A function within a function is made anew by each call of that one: what it was given is known by its code.
"""

import functools
from collections.abc import Callable, Hashable
from types import CellType, FunctionType
from typing import Any

import jaxtyping
import torch
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
EVERY_CALL = jaxtyping.jaxtyped
MANY = 1000  # entries
PLAIN = {int, float, bool, type(None)}
CHECKERS: dict[Hashable, "Checker"] = {}
"""By module and code."""


def form(value: Any) -> Hashable:
    """All that an annotation can ask of a value."""
    kind = type(value)
    if kind in PLAIN:
        return kind
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


def empty(function: FunctionType) -> FunctionType:
    """A function's name and signature, without the values that it closes over."""
    cells = tuple(CellType() for _ in function.__closure__ or ())
    copy = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    copy.__kwdefaults__ = function.__kwdefaults__
    for name in ("__module__", "__qualname__", "__doc__", "__annotations__"):
        setattr(copy, name, getattr(function, name))
    return copy


class Checker:
    """Checks the calls of the functions of one code; one function has many where it is defined within another."""

    def __init__(self, function: FunctionType, typechecker: Any) -> None:
        self.given, self.passed = set[Hashable](), set[Hashable]()
        self.acting: list[Callable[..., Any]] = []
        self.checked = EVERY_CALL(functools.wraps(empty(function))(self._stand_in()), typechecker=typechecker)

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls a function, the call checked if it is not like an earlier one."""
        key = form(args), form(kwargs)
        result = function(*args, **kwargs) if key in self.given else self._check(function, args, kwargs)
        both = key, form(result)
        if key in self.given and both not in self.passed:
            self._check(lambda *_, **__: result, args, kwargs)
        self.given.add(key)
        self.passed.add(both)
        return result

    def _check(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.acting.append(function)
        try:
            return self.checked(*args, **kwargs)
        finally:
            self.acting.pop()

    def _stand_in(self) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.acting[-1](*args, **kwargs)


def new_calls(function: Any = None, *, typechecker: Any) -> Any:
    """jaxtyping's decorator, which checks every call, for those calls of a function that are not like an earlier one."""
    if function is None:
        return functools.partial(new_calls, typechecker=typechecker)
    if not isinstance(function, FunctionType):
        return EVERY_CALL(function, typechecker=typechecker)  # comes back with the functions of a class
    code = function.__module__, function.__code__
    if code not in CHECKERS:
        CHECKERS[code] = Checker(function, typechecker)
    checker = CHECKERS[code]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return checker.call(function, args, kwargs)

    return call


jaxtyping.jaxtyped = jaxtyping._decorator.jaxtyped = new_calls
