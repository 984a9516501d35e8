"""How near an edit came to its true picture, where there is one."""

from torch import Tensor

from ...toybox.truth import Nearness, nearness
from .report_figures import channels_first


def against_truth(before: Tensor, after: Tensor, truth: Tensor) -> list[Nearness]:
    """For each edit of pictures `[batch, height, width, channels]` of one size; the judge's weights are read here only."""
    return nearness(*(channels_first(one) for one in (before, after, truth)))
