"""Where a source pass leaves what the target pass of the same step needs."""

from typing import TYPE_CHECKING, TypeAlias

from torch import Tensor

if TYPE_CHECKING:
    from .site import Site


Key: TypeAlias = tuple[str, str, str, str, int, float]


class Bank:
    """Tensors by (name, block, kind, branch, part, sigma): never by a step counter, so a step may evaluate as often as it likes."""

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[Tensor, ...]] = {}

    def record(self, name: str, site: "Site", *tensors: Tensor) -> None:
        """Keep `tensors` of this call under `name`."""
        self._kept[_key(name, site)] = tensors

    def recall(self, name: str, site: "Site") -> tuple[Tensor, ...]:
        """What the source pass recorded at the same site. Raises LookupError if it recorded nothing there."""
        try:
            return self._kept[_key(name, site)]
        except KeyError:
            raise LookupError(
                f"The source pass recorded no '{name}' for {site.kind}-attention, {site.branch} part {site.part}, of block "
                f"{site.block} at sigma {site.sigma:.6g}. Source and target need the same grid, solver and areas of conditioning."
            ) from None

    def named(self, name: str) -> list[tuple[Tensor, ...]]:
        """All that was recorded under `name`, in the order of the calls."""
        return [tensors for key, tensors in self._kept.items() if key[0] == name]


def _key(name: str, site: "Site") -> Key:
    return name, site.block, site.kind, site.branch, site.part, site.sigma
