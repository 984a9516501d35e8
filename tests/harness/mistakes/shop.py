"""Where mistakes are made: a ComfyUI with a valid prompt that has run, its picture, and damaged files in the input folder."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..server import PromptRejected
from . import MISTAKES, Mistake
from .bench import FOLDER, SUFFIX, Bench
from .files import spoil

LONGEST = 700
"""Letters of a sentence; those that list all choices are the longest."""
OWN = "Custom validation failed for node: "
"""What ComfyUI writes before the input's name and a node's own sentence."""
AGAIN = 12
"""After so many mistakes the valid prompt runs again."""
NONCE = itertools.count(1)
Files = dict[Path, tuple[int, int]]


@dataclass
class Shop:
    """`host` runs prompts: a `ComfyServer`, or an `Executor` in this process."""

    host: Any
    info: dict[str, Any]
    picture: np.ndarray

    @classmethod
    def opened(cls, host: Any) -> "Shop":
        info = host.object_info()
        bench = Bench(info)
        saved = bench.save(f"{FOLDER}/good")
        (told,) = host.run(bench.graph.prompt).outputs[saved.id]["text"]
        folder = host.base / "input" / FOLDER
        folder.mkdir(exist_ok=True)
        for name, data in spoil(host.base / "output" / told.removeprefix("saved ")).items():
            (folder / f"{name}{SUFFIX}").write_bytes(data)
        return cls(host, info, picture(host, Bench(info, nonce=next(NONCE))))

    def bench(self) -> Bench:
        return Bench(self.info)

    def again(self) -> np.ndarray:
        """The picture of the valid prompt, its edit sampled anew."""
        return picture(self.host, Bench(self.info, nonce=next(NONCE)))

    def files(self) -> Files:
        """Everything in the folders of users' files, with size and time."""
        found = (p for kind in ("input", "output") for p in (self.host.base / kind).rglob("*") if p.is_file())
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}

    def refusal(self, mistake: Mistake) -> list[str]:
        """What is said; the refusal comes where the mistake says that it does."""
        bench = self.bench()
        node = mistake.build(bench)
        sends = self.info[bench.graph.prompt[node.id]["class_type"]]["output"]
        last = bench.add("TestSink", value=node) if sends else node
        if mistake.where == "before":
            with pytest.raises(PromptRejected) as refused:
                self.host.submit(needed(bench.graph.prompt, last.id))
            return refused.value.messages
        prompt = bench.graph.prompt if mistake.where == "at its node" else needed(bench.graph.prompt, last.id)
        try:
            result = self.host.run(prompt, check=False)
        except PromptRejected as refused:
            return refused.messages if mistake.where == "either" else pytest.fail(f"refused before it ran: {refused}")
        assert result.error, "it was not refused"
        assert result.error["node_id"] == node.id, result.error
        return [result.error["exception_message"].strip()]

    def check(self, mistake: Mistake) -> None:
        """Assert that a mistake gets one sentence, and leaves no trace."""
        before = self.files()
        messages = self.refusal(mistake)
        assert len(messages) == 1, messages
        sentence = messages[0].partition(OWN)[2].partition(" - ")[2] or messages[0]
        assert not [words for words in mistake.says if words not in sentence], sentence
        assert len(sentence) <= LONGEST and "\n" not in sentence and "Traceback" not in sentence, sentence
        assert self.files() == before
        if MISTAKES.index(mistake) % AGAIN == AGAIN - 1 or mistake is MISTAKES[-1]:
            self.check_valid()

    def check_valid(self) -> None:
        """Assert that the valid prompt gives its picture."""
        assert np.array_equal(self.again(), self.picture), "the valid prompt gives another picture since"


def picture(host: Any, bench: Bench) -> np.ndarray:
    result = host.run(bench.graph.prompt)
    assert bench.edited.id not in result.cached, "the edit did not run"
    (shown,) = host.images(result, bench.shown.id)
    return np.asarray(shown)


def needed(prompt: dict[str, Any], node: str) -> dict[str, Any]:
    """The part of a prompt that a node hangs on."""
    links = [value[0] for value in prompt[node]["inputs"].values() if isinstance(value, list) and len(value) == 2]
    parts = [needed(prompt, link) for link in links]
    return {name: entry for part in parts for name, entry in part.items()} | {node: prompt[node]}
