"""A model that notes when the network is asked, and how often after the user had cancelled."""

from collections import Counter
from typing import Any

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


class TestCounts:
    """How often the network was asked, and how often of that after a cancel, since this was last looked at."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"nonce": ("INT", {"default": 0})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "look", "tests", True

    def look(self, nonce: int) -> dict[str, Any]:
        found = [COUNTS["all"], COUNTS["late"]]
        COUNTS.clear()
        return {"ui": {"counts": found}}


NODES = (TestCounted, TestCounts)
