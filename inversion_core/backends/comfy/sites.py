"""What ComfyUI tells of the rows of an attention call, as sites, and how the edits of one evaluation are run on them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from ...attention.edited_call import EditedCall
from ...attention.site import Attend, Branch, Site
from ...shapes import Heads, Latent
from ...types import Cond
from .entries import Window, embedding_of, window_of

Extra: TypeAlias = dict[str, Any]
"""ComfyUI's `transformer_options` of a call: among others the branch and the uuid of every prompt in the batch."""
Kind: TypeAlias = Literal["self", "cross", "joint", "feature", "norm"]
Host: TypeAlias = Callable[[Extra, slice], Attend]
"""The attention below the edits, for the rows of a batch that `Extra` speaks of."""

ALL = slice(None)


@dataclass(frozen=True)
class Edits:
    """The edits of one evaluation of the network; `parts` number the entries of each branch's prompt by their uuids.

    `lengths` are the entries' numbers of text tokens: of those that ComfyUI shows several times over the first copy is meant.
    `windows` say where those with an area lie.
    Prompts that nodes bring count as parts of the unconditional branch, from -1 down, in the order in which they come
    (`_brought`); `_shown` counts where each prompt was shown before.
    """

    call: EditedCall
    sigma: float
    parts: tuple[dict[Any, int], ...]
    lengths: Mapping[Any, int] = field(default_factory=dict)
    windows: Mapping[Any, Window] = field(default_factory=dict)
    _brought: dict[Any, int] = field(default_factory=dict)
    _shown: Counter[Any] = field(default_factory=Counter)

    @classmethod
    def of(cls, call: EditedCall, cond: Cond, sigma: float, x: Latent) -> "Edits":
        prompts = (cond.cond, cond.uncond or [])
        parts = tuple({entry["uuid"]: n for n, entry in enumerate(prompt)} for prompt in prompts)
        entries = {entry["uuid"]: entry for prompt in prompts for entry in prompt}
        texts = {uuid: embedding_of(entry) for uuid, entry in entries.items()}
        lengths = {uuid: text.shape[1] for uuid, text in texts.items() if text is not None}
        windows = {uuid: window_of(entry, x) for uuid, entry in entries.items() if "area" in entry}
        return cls(call, sigma, parts, lengths, windows)

    def sites(
        self, extra: Extra, block: str, kind: Kind, grid: tuple[int, int, int], text: range, *, told: bool = True
    ) -> list[Site]:
        """One site for each prompt in the batch; those of all rows together where ComfyUI has not `told` whose they are."""
        found = []
        for index, uuid in zip(extra["cond_or_uncond"], extra["uuids"], strict=True):
            branch, part = self.branch_and_part(index, uuid)
            own = self.own(text, uuid) if kind == "cross" else text
            layer = int(block.split(".")[1]) if block.startswith("output.") else None
            window, turn = self.windows.get(uuid), self._shown[uuid, block, kind]
            found.append(
                Site(block, kind, branch, self.sigma, grid, own, part, layer, window=window, turn=turn, told=told)
            )
            self._shown[uuid, block, kind] += 1
        return found

    def branch_and_part(self, index: int, uuid: Any) -> tuple[Branch, int]:
        """Of a prompt in ComfyUI's batch, by its place in the list that it came in: in a pass of a node's own that is any."""
        cond, uncond = self.parts
        if uuid in cond and (index == 0 or uuid not in uncond):
            return "cond", cond[uuid]
        if uuid in uncond:
            return "uncond", uncond[uuid]
        return "uncond", self._brought.setdefault(uuid, -1 - len(self._brought))

    def own(self, text: range, uuid: Any) -> range:
        """Of the text that the network is shown the tokens of the entry itself; the rest are copies of them."""
        length = self.lengths.get(uuid, 0)
        return range(length) if length and len(text) % length == 0 else text

    def together(self, host: Host, extra: Extra, qkv: Sequence[Tensor], sites: Sequence[Site]) -> Heads:
        """All rows at once, for a host that does not look which rows it has."""
        q, k, v = qkv
        return self.call.attend(host(extra, ALL), q, k, v, sites)

    def apart(self, host: Host, extra: Extra, qkv: Sequence[Tensor], sites: Sequence[Site]) -> Heads:
        """Prompt by prompt, for a patch below that reads in `extra` which rows it has, and for masks of the rows."""
        if not sites[0].told:
            return self.together(host, extra, qkv, sites)
        size = len(qkv[0]) // len(sites)
        done = []
        for number, site in enumerate(sites):
            rows = slice(number * size, (number + 1) * size)
            own = {name: extra[name][number : number + 1] for name in ("cond_or_uncond", "uuids")}
            q, k, v = (t[rows] for t in qkv)
            done.append(self.call.attend(host(extra | own, rows), q, k, v, [site]))
        return torch.cat(done)
