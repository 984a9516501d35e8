"""How near an edit came to its true picture, where there is one."""

from torch import Tensor

from .report_figures import channels_first


def against_truth(before: Tensor, after: Tensor, truth: Tensor) -> list[str]:
    """A sentence for each edit of pictures `[batch, height, width, channels]` of one size."""
    from ...toybox.truth import nearness  # the judge's weights are read only where a truth is known

    return list(map(str, nearness(*(channels_first(one) for one in (before, after, truth)))))
