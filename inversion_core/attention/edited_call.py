"""One evaluation of the network under attention edits: which of them meet a call, and how they lie around each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from einops import rearrange
from torch import Tensor

from ..shapes import Feature, Heads
from .site import Attend, AttentionEdit, Site, UnmatchedEdit


@dataclass
class EditedCall:
    """One evaluation of the network under edits; a backend sends every attention call through `attend`, then `check`s."""

    edits: tuple[AttentionEdit, ...]
    _met: set[int] = field(default_factory=set)
    _seen: set[Site] = field(default_factory=set)

    def attend(self, attend: Attend, q: Heads, k: Heads, v: Heads, sites: Sequence[Site]) -> Heads:
        """The call's result; `sites` describe equal chunks of the rows, in order. Untouched calls go to the host as they are.

        Raises ValueError if an edit needs to know the rows of a call that is not told.
        """
        self._seen.update(sites)
        if untold := [
            edit for edit in self.edits for site in sites if not (site.told or edit.watches) and edit.meets(site)
        ]:
            raise ValueError(
                f"A node on this model passes the {sites[0].kind}-attention more prompts than ComfyUI names (regional prompts by "
                f"attention couple), so the edit '{untold[0].name}' cannot tell them apart. Remove that node from the model, and set "
                "regions with Conditioning Set Mask or Set Area instead."
            )
        if not self._met_by(sites):
            return attend(q, k, v)
        if not all(site.told for site in sites):
            for site in sites:
                attend = self._chain(attend, site)
            return attend(q, k, v)
        chunks = zip(q.chunk(len(sites)), k.chunk(len(sites)), v.chunk(len(sites)), sites, strict=True)
        return torch.cat([self._chain(attend, site)(*qkv) for *qkv, site in chunks])

    @property
    def blind(self) -> bool:
        """Whether no call came by: the network was not asked at all."""
        return not self._seen

    @property
    def wants_features(self) -> bool:
        """Whether an edit asks for sites of kind "feature"."""
        return any(edit.features for edit in self.edits)

    @property
    def wants_norms(self) -> bool:
        """Whether an edit asks for sites of kind "norm"."""
        return any(edit.norms for edit in self.edits)

    def feature(self, output: Feature, sites: Sequence[Site]) -> Feature:
        """A block's output after the edits, laid out in memory as it was; the same tensor where there is none."""
        values = rearrange(output, "b c h w -> b 1 (h w) c")
        edited = self.attend(_values, values, values, values, sites)
        if edited is values:
            return output
        height = output.shape[-2]
        return torch.empty_like(output).copy_(rearrange(edited, "b 1 (h w) c -> b c h w", h=height))

    def normed(
        self, norm: Callable[[Tensor], Tensor], given: Feature, output: Feature, sites: Sequence[Site]
    ) -> Feature:
        """What `norm` makes of `given` under the edits; `output` is what it made without them."""
        if not self._met_by(sites):
            return output
        tokens, done = (rearrange(t, "b c h w -> b 1 (h w) c").chunk(len(sites)) for t in (given, output))
        edited = [
            self._chain(partial(_normalised, norm, own, out), site)(own, own, own)
            for own, out, site in zip(tokens, done, sites, strict=True)
        ]
        return torch.empty_like(output).copy_(rearrange(torch.cat(edited), "b 1 (h w) c -> b c h w", h=given.shape[-2]))

    def check(self, absent: Sequence[int] = ()) -> None:
        """Raises UnmatchedEdit if an edit met no site: an edit is never silently skipped.

        One that would meet a part of the prompt which is `absent` in this evaluation has nothing to edit in it.
        """
        for number, edit in enumerate(self.edits):
            if number not in self._met and not self._missed(edit, absent):
                seen = {f"{site.kind} {site.block} {site.grid[1]}x{site.grid[2]}" for site in self._seen}
                raise UnmatchedEdit(
                    f"The edit '{edit.name}' met no attention call that it applies to. Calls seen: {', '.join(sorted(seen)) or 'none'}."
                )

    def _met_by(self, sites: Sequence[Site]) -> bool:
        return any(edit.meets(site) for edit in self.edits for site in sites)

    def _missed(self, edit: AttentionEdit, absent: Sequence[int]) -> bool:
        there = [replace(site, branch="cond", part=part) for site in self._seen for part in absent]
        return any(map(edit.meets, there)) or bool(absent and not self._seen)

    def _chain(self, attend: Attend, site: Site) -> Attend:
        """What reads attention outside of what changes it, else the first outermost."""
        edits = tuple(enumerate(self.edits))
        for number, edit in (one for reads in (False, True) for one in reversed(edits) if one[1].reads == reads):
            if edit.meets(site):
                self._met.add(number)
                attend = partial(_applied, edit, attend, site)
        return attend


def _values(q: Heads, k: Heads, v: Heads) -> Heads:
    return v


def _normalised(norm: Callable[[Tensor], Tensor], given: Heads, done: Heads, q: Heads, k: Heads, v: Heads) -> Heads:
    return done if v is given else rearrange(norm(rearrange(v, "b 1 n c -> b c n")), "b c n -> b 1 n c")


def _applied(edit: AttentionEdit, attend: Attend, site: Site, q: Heads, k: Heads, v: Heads) -> Heads:
    return edit.apply(attend, q, k, v, site)


@dataclass(frozen=True)
class Patched:
    """A host's attention in whose place another program has put something: it may want all of its own queries."""

    attend: Attend

    def __call__(self, q: Heads, k: Heads, v: Heads) -> Heads:
        """Raises ValueError if what comes out is not of the queries, as where values are handed on in the place of attention."""
        out = self.attend(q, k, v)
        if out.shape[2] != q.shape[2]:
            raise ValueError(
                "A node on this model passes values on in place of attention (perturbed attention), and this edit adds keys of "
                "other images (a style, a garment, other frames). Remove that node from the model."
            )
        return out


def bare(attend: Attend) -> bool:
    """Whether `attend` is the host's own, with no edit or patch inside: then it takes any choice of queries and keys."""
    return getattr(attend, "func", None) is not _applied and not isinstance(attend, Patched)
