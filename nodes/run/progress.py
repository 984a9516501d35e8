"""What a user sees while a node works: a bar, a picture, and words with the time left. A cancel ends the work at any step."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import comfy.model_management as management
import comfy.utils
import latent_preview
import torch
from comfy_execution.utils import get_executing_context
from torch import Tensor

from ...inversion_core.backends.comfy import denoiser as host
from ...inversion_core.progress import OnStep, Progress
from ...inversion_core.wording import plain
from .progress_texts import duration, word

PAUSE = 0.25
"""Seconds between two messages about the same work."""
TOGETHER = 8
"""Pictures that go through the VAE at once."""
SHARES = 1000
"""The length of a bar over several loops."""
LEFT_OUT = (
    "in inversions and edits no cache of evaluations acts, nor, at guidance 1, what mixes the two branches of guidance."
)
"""Why, as the log says it."""

T = TypeVar("T")


def run(
    model: Any,
    prompts: Mapping[str, Any],
    latent: Tensor,
    sigmas: Tensor,
    body: Callable[[host.ComfyDenoiser, Tensor, host.Prompts], T],
    *,
    gradients: bool = False,
    seed: int = 0,
) -> T:
    """What the backend's `run` gives; the node says that the model is loaded, and in the end how long it all took."""
    say(word("load"))
    left: list[str] = []

    def left_out(name: str) -> None:
        if name not in left:
            left.append(name)
            logging.warning(f"Latent Inversion leaves {name} out of this run: {LEFT_OUT}")

    with timed(left):
        return host.run(model, prompts, latent, sigmas, body, gradients=gradients, seed=seed, left_out=left_out)


def reporter(model: Any = None) -> OnStep:
    """Bar and words after every step, and a picture if there is a model; in an edit the source's beside the edit's."""
    bar = cache(lambda: plain_bar() if model is None else latent_preview.prepare_callback(model, SHARES))
    said: list[tuple[float, Moment]] = []

    def on_step(progress: Progress) -> None:
        management.throw_exception_if_processing_interrupted()
        step, steps = (number // progress.tries for number in (progress.index, progress.total))
        tell(Moment(progress.stage, step + 1, steps, progress.done, progress.part.name), said)
        length = progress.total if progress.part.length == 1 else SHARES
        place = min(max(round(length * progress.done), 1), length)
        bar()(place - 1, picture(progress), progress.x, length)

    return on_step


def plain_bar() -> Callable[..., None]:
    """What ComfyUI's `prepare_callback` gives, without pictures."""
    bar = comfy.utils.ProgressBar(SHARES)
    return lambda step, x0, x, total: bar.update_absolute(step + 1, total)


def counter(stage: str, total: int) -> Callable[[int], None]:
    """Bar and words for work without a picture: called with the number of each step that is done, from 1."""
    bar = comfy.utils.ProgressBar(total)
    said: list[tuple[float, Moment]] = []

    def count(step: int) -> None:
        management.throw_exception_if_processing_interrupted()
        tell(Moment(stage, step, total, step / total), said)
        bar.update_absolute(step, total)

    return count


def by_parts(work: Callable[[Tensor], Tensor], batch: Tensor, stage: str) -> Tensor:
    """`work` on the rows of a batch, a few at a time; a batch of few goes through at once and says nothing."""
    if len(batch) <= TOGETHER:
        return work(batch)
    count, done = counter(stage, len(batch)), []
    with timed():
        for part in batch.split(TOGETHER):
            done.append(work(part))
            count(sum(map(len, done)))
    return torch.cat(done)


@contextmanager
def timed(left: Sequence[str] = ()) -> Iterator[None]:
    """Says how the work inside ended, how long it took, and which nodes on the model were `left` out."""
    began, end = time.monotonic(), "failed"
    try:
        yield
        end = "done"
    except management.InterruptProcessingException:
        end = "cancelled"
        raise
    finally:
        text = word(end).format(time=duration(time.monotonic() - began))
        say(word("without").format(text=text, names=", ".join(left)) if left else text)


@dataclass(frozen=True)
class Moment:
    """A step of a stage, and the share of the node's whole work that is done with it."""

    stage: str
    step: int
    steps: int
    done: float
    name: str = ""

    def text(self, left: float | None) -> str:
        """What the node does, and the seconds left if they are known."""
        text = word("step").format(doing=word(self.stage), step=self.step, total=self.steps)
        if self.name:
            text = word("named").format(name=self.name, text=text)
        return text if left is None else word("left").format(text=text, time=duration(left, digits=0))


def tell(moment: Moment, said: list[tuple[float, Moment]]) -> None:
    """Shows the moment on the node, unless the last one of the same work was just now; `said` keeps what was shown, and when."""
    now = time.monotonic()
    if said:
        at, last = said[-1]
        if now - at < PAUSE and (last.stage, last.name) == (moment.stage, moment.name):
            return
    say(moment.text(left(now, moment, said)))
    said.append((now, moment))


def left(now: float, moment: Moment, said: list[tuple[float, Moment]]) -> float | None:
    """The seconds that the rest takes at the pace since the first step; None if that is not known, or nothing is left."""
    if not said:
        return None
    began, first = said[0]
    if not first.done < moment.done < 1:
        return None
    return (now - began) * (1 - moment.done) / (moment.done - first.done)


def say(text: str) -> None:
    """Shows a text on the node that runs, in the browser that asked for it; without a server nowhere."""
    context = get_executing_context()
    if context is None:
        return
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_progress_text(plain(text), context.node_id, server.client_id)


def picture(progress: Progress) -> Tensor:
    """The clean latent to show: of the first picture, its first frame; the source's on the left, if there is one."""
    sides = [x for x in (progress.source, progress.x0) if x is not None]
    firsts = [x[:1, :, :1] if x.ndim == 5 else x[:1] for x in sides]
    return torch.cat([x.to(progress.x0.device, torch.float32) for x in firsts], -1)
