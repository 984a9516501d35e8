"""Ways to hold the edit of a clip together, by the names of nodes and command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..attention.technique import Technique
from ..loops.chunked import chunks_of
from ..loops.clip import TOGETHER, Make, Window
from ..techniques.cross_frame import cross_frame, first_and_previous, key_frames
from ..techniques.token_flow import as_edited, token_flow, two_nearest_as_published


@dataclass(frozen=True)
class Way:
    """What is added to the edit of each frame, given the key frames; `keyed` says that key frames go before the others."""

    techniques: Callable[[Sequence[int]], list[Technique]]
    keyed: bool = True
    about: str = ""


WAYS: dict[str, Way] = {
    "token flow": Way(
        lambda keys: [token_flow(keys)], about="all key frames share their changes, which follow the motion"
    ),
    "token flow, as published": Way(
        lambda keys: [token_flow(keys, carry=as_edited, weights=two_nearest_as_published, nearness=0.0)],
        about="frames take over what the two nearest key frames show",
    ),
    "key frames": Way(lambda keys: [cross_frame(key_frames(keys))], about="every frame attends to all key frames"),
    "first and previous": Way(
        lambda keys: [cross_frame(first_and_previous)], keyed=False, about="every frame attends to two earlier frames"
    ),
    "each frame": Way(lambda keys: [], about="frames are edited independently of each other"),
}


def made(way: str, techniques: Callable[[Window], Sequence[Technique]], *, together: int = TOGETHER) -> Make:
    """How `edit_clip` edits a window by a way's name: the frames' own `techniques`, and those of the way inside them."""
    if together < 1:
        raise ValueError(f"At least one frame goes through the network at once; got {together}.")

    def make(window: Window) -> tuple[tuple[tuple[int, ...], ...], Sequence[Technique]]:
        keys, chosen = window.places(window.keys), WAYS[way]
        chunks = chunks_of(keys if chosen.keyed else (), len(window.frames), together)
        return chunks, [*techniques(window), *chosen.techniques(keys)]

    return make
