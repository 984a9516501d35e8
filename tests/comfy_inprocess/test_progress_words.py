"""The words on a node: the step, the time left from the second step on, not too often, and for nobody without a server."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from latent_inversion.inversion_core.progress import Part, Progress
from latent_inversion.nodes.run import progress

X = torch.zeros(2, 4, 8, 8)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[float]]:
    """What is said, and a clock whose only value is the time."""
    said, clock = list[str](), [0.0]
    monkeypatch.setattr(progress, "say", said.append)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return said, clock


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.1 s"), (3.14, "3.1 s"), (12.3, "12 s"), (89, "89 s"), (121, "2 min"), (5400, "2 h")],
)
def test_a_time_is_short(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


def test_the_time_left_is_told_from_the_second_step_on(told: tuple[list[str], list[float]]) -> None:
    said, clock = told
    on_step = progress.reporter()
    for index in range(5):
        clock[0] = 10.0 + 2 * index
        on_step(Progress("invert", index, 5, 1.0, X, X))
    left = ["", ", 6 s left", ", 4 s left", ", 2 s left", ""]
    assert said == [f"inverting, step {index + 1} of 5{words}" for index, words in enumerate(left)]


def test_four_messages_a_second_and_every_new_stage(told: tuple[list[str], list[float]]) -> None:
    said, clock = told
    on_step = progress.reporter()
    for index in range(1000):
        clock[0] = index / 100
        on_step(Progress("invert", index, 1000, 1.0, X, X, part=Part(0.0, 0.5)))
    assert 36 <= len(said) <= 41
    on_step(Progress("edit", 0, 10, 1.0, X, X, part=Part(0.5, 0.5, "direct")))
    assert said[-1].startswith("direct: editing, step 1 of 10, ") and said[-1].endswith(" s left")


def test_tries_are_not_steps(told: tuple[list[str], list[float]]) -> None:
    said, clock = told
    on_step = progress.reporter()
    on_step(Progress("null-text", 7, 33, 1.0, X, X, tries=11))
    clock[0] += 2.0
    on_step(Progress("null-text", 11, 33, 1.0, X, X, tries=11))
    assert said == ["optimising, step 1 of 3", "optimising, step 2 of 3, 10 s left"]


def test_the_parts_of_a_longer_run_share_the_bar(
    told: tuple[list[str], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = list[int]()
    monkeypatch.setattr(progress, "plain_bar", lambda: lambda place, *picture: moved.append(place))
    on_step = progress.reporter()
    on_step(Progress("null-text", 0, 1, 1.0, X, X, part=Part(0.0, 0.9)))
    on_step(Progress("edit", 0, 1, 1.0, X, X, part=Part(0.9, 0.1)))
    assert moved == [899, 999]


@pytest.mark.parametrize("x", [X, torch.zeros(2, 4, 3, 8, 8)], ids=["pictures", "video"])
def test_the_picture_is_the_first_ones_source_beside_it(x: torch.Tensor) -> None:
    alone = progress.picture(Progress("edit", 0, 1, 1.0, x, x.double()))
    both = progress.picture(Progress("edit", 0, 1, 1.0, x, x.double(), source=x + 1))
    frames = (1,) if x.ndim == 5 else ()
    assert alone.shape == (1, 4, *frames, 8, 8) and both.shape == (1, 4, *frames, 8, 16)
    assert both.dtype == torch.float32 and bool((both[..., :8] == 1).all()) and not both[..., 8:].any()


def test_a_batch_of_many_goes_through_in_parts(told: tuple[list[str], list[float]]) -> None:
    said, _ = told
    seen = list[Any]()
    pictures = torch.arange(20.0).view(20, 1)
    doubled = progress.by_parts(lambda part: (seen.append(len(part)), 2 * part)[1], pictures, "decode")
    assert torch.equal(doubled, 2 * pictures) and seen == [8, 8, 4]
    assert said == ["decoding, step 8 of 20", "done in 0.1 s"]


@pytest.mark.parametrize(("running", "served"), [(True, True), (True, False), (False, True)])
def test_only_a_node_that_runs_on_a_server_says_anything(
    monkeypatch: pytest.MonkeyPatch, running: bool, served: bool
) -> None:
    sent = []
    instance = SimpleNamespace(client_id="browser", send_progress_text=lambda *said: sent.append(said))
    server = SimpleNamespace(instance=instance) if served else SimpleNamespace()
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=server))
    monkeypatch.setattr(progress, "get_executing_context", lambda: SimpleNamespace(node_id="7") if running else None)
    progress.say("halfway")
    assert sent == ([("halfway", "7", "browser")] if running and served else [])
