"""Models that note how often the network is asked, and how often after the user had cancelled, or that fail at some time."""

from collections import Counter
from typing import Any

import torch

COUNTS: Counter[str] = Counter()


class TestCounted:
    """The same model; a new `nonce` makes everything after this node run again."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",), "nonce": ("INT", {"default": 0})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "count", "tests"

    def count(self, model: Any, nonce: int) -> tuple[Any]:
        from comfy.patcher_extension import WrappersMP

        counted = model.clone()
        counted.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "counted", asked)
        return (counted,)


def asked(executor: Any, *args: Any, **options: Any) -> Any:
    import comfy.model_management as management

    COUNTS["all"] += 1
    COUNTS["late"] += bool(management.interrupt_processing)
    return executor(*args, **options)


class TestFailing:
    """The same model, whose network runs out of memory or gives what is no number when it is asked for the time `at`."""

    INPUT_TYPES = classmethod(
        lambda cls: {
            "required": {"model": ("MODEL",), "how": (["out of memory", "nan"],), "at": ("INT", {"default": 4})}
        }
    )
    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "break_", "tests"

    def break_(self, model: Any, how: str, at: int) -> tuple[Any]:
        from comfy.patcher_extension import WrappersMP

        calls: Counter[str] = Counter()

        def fail(executor: Any, *args: Any, **options: Any) -> Any:
            calls["all"] += 1
            if calls["all"] == at and how == "out of memory":
                raise torch.OutOfMemoryError("a test's network is out of memory")
            x0 = executor(*args, **options)
            return x0 * float("nan") if calls["all"] >= at else x0

        failing = model.clone()
        failing.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "failing", fail)
        return (failing,)


class TestCounts:
    """How often the network was asked, and how often of that after a cancel, since this was last looked at."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"nonce": ("INT", {"default": 0})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "look", "tests", True

    def look(self, nonce: int) -> dict[str, Any]:
        found = [COUNTS["all"], COUNTS["late"]]
        COUNTS.clear()
        return {"ui": {"counts": found}}


NODES = (TestCounted, TestFailing, TestCounts)
