"""One attention call of the network, and an edit of such calls."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ..shapes import Heads

Branch: TypeAlias = Literal["cond", "uncond"]


@dataclass(frozen=True)
class Site:
    """One guidance branch's rows in one attention call of the network.

    `part` tells apart several prompts of one branch, `grid` is frames, height and width of the image tokens, and `text`
    says which key tokens are text (none in self-attention). In joint attention queries and keys hold both, `text` and
    `image`. Sites of kind "feature" and "norm" are no attention: the values of the one are a block's output as one head,
    which `attend` gives back as they are, of the other what a group normalisation is given, and `attend` normalises
    any number of such tokens together. `layer` numbers the layers of a UNet's decoder from the coarsest on, alike in all hosts; None
    elsewhere. `rows` says which pictures of the batch the call has, where it has not all of them in order. `window` is where
    the grid lies in the picture, if it does not cover it: top, left, bottom and right as shares of its height and width. `turn` counts
    how often the network was shown the prompt at this place before, within the evaluation: guidance that perturbs the
    network shows it again, and context windows part by part. A call is not `told` where the host shows other rows than it
    names, so that nobody knows whose they are.
    """

    block: str
    kind: Literal["self", "cross", "joint", "feature", "norm"]
    branch: Branch
    sigma: float
    grid: tuple[int, int, int]
    text: range
    part: int = 0
    layer: int | None = None
    rows: tuple[int, ...] | None = None
    window: tuple[float, float, float, float] | None = None
    turn: int = 0
    told: bool = True

    @property
    def tokens(self) -> int:
        """The number of image tokens."""
        frames, height, width = self.grid
        return frames * height * width

    @property
    def image(self) -> slice:
        """The image tokens among the queries, and where `kind` is not "cross" among the keys."""
        first = self.text.stop if self.kind == "joint" and self.text.start == 0 else 0
        return slice(first, first + self.tokens)

    def on(self, branch: Branch) -> "Site":
        """The same call for the only prompt of a guidance branch: where a source that is not guided records."""
        return replace(self, branch=branch, part=0)

    def of(self, rows: tuple[int, ...]) -> "Site":
        """The same call for other pictures of the batch."""
        return replace(self, rows=rows)


Attend: TypeAlias = Callable[[Heads, Heads, Heads], Heads]
"""The host's own attention: `softmax(q k / sqrt(dim)) v`, linear in `v`."""


@dataclass(frozen=True)
class AttentionEdit:
    """Replaces attention calls: where `where(site)` holds, `apply(attend, q, k, v, site)` gives the call's result.

    Only an edit with `features` or `norms` is offered sites of that kind, and only for such a one a host reaches for them.
    One that `reads` changes nothing and records what attention gives. One that only `watches` is offered calls that are
    not told.
    """

    name: str
    where: Callable[[Site], bool]
    apply: Callable[[Attend, Heads, Heads, Heads, Site], Heads]
    features: bool = False
    norms: bool = False
    reads: bool = False
    watches: bool = False

    def meets(self, site: Site) -> bool:
        """Whether the edit acts at this site."""
        offered = {"feature": self.features, "norm": self.norms}.get(site.kind, True)
        return offered and self.where(site)


class UnmatchedEdit(RuntimeError):
    """An attention edit met no attention call that it applies to."""
