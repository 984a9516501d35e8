"""Bad inputs in a real ComfyUI: one clear sentence each, nothing lost or half written, and the next prompt runs as before."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.mistakes import FOLDER, MISTAKES, SUFFIX, Bench, Mistake, spoil
from harness.server import ComfyServer, PromptRejected

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
    """A server with a valid prompt that has run, its picture, and damaged trajectory files in the input folder."""

    server: ComfyServer
    info: dict[str, Any]
    picture: np.ndarray

    def bench(self) -> Bench:
        return Bench(self.info)

    def again(self) -> np.ndarray:
        """The picture of the valid prompt, its edit sampled anew."""
        bench = Bench(self.info, nonce=next(NONCE))
        return picture(self.server, bench)

    def files(self) -> Files:
        """Everything in the folders of users' files, with size and time."""
        found = (p for kind in ("input", "output") for p in (self.server.base / kind).rglob("*") if p.is_file())
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def picture(server: ComfyServer, bench: Bench) -> np.ndarray:
    result = server.run(bench.graph.prompt)
    assert bench.edited.id not in result.cached, "the edit did not run"
    (shown,) = server.images(result, bench.shown.id)
    return np.asarray(shown)


@pytest.fixture(scope="module")
def shop(comfy_server: ComfyServer) -> Iterator[Shop]:
    info = comfy_server.object_info()
    bench = Bench(info)
    saved = bench.save(f"{FOLDER}/good")
    (told,) = comfy_server.run(bench.graph.prompt).outputs[saved.id]["text"]
    good = comfy_server.base / "output" / told.removeprefix("saved ")
    folder = comfy_server.base / "input" / FOLDER
    folder.mkdir(exist_ok=True)
    for name, data in spoil(good).items():
        (folder / f"{name}{SUFFIX}").write_bytes(data)
    yield Shop(comfy_server, info, picture(comfy_server, Bench(info, nonce=next(NONCE))))


def needed(prompt: dict[str, Any], node: str) -> dict[str, Any]:
    """The part of a prompt that a node hangs on."""
    links = [value[0] for value in prompt[node]["inputs"].values() if isinstance(value, list) and len(value) == 2]
    parts = [needed(prompt, link) for link in links]
    return {name: entry for part in parts for name, entry in part.items()} | {node: prompt[node]}


def refusal(shop: Shop, mistake: Mistake) -> list[str]:
    """What the server says; the refusal comes where the mistake says that it does."""
    bench = shop.bench()
    node = mistake.build(bench)
    sends = shop.info[bench.graph.prompt[node.id]["class_type"]]["output"]
    last = bench.add("TestSink", value=node) if sends else node
    if mistake.where == "before":
        with pytest.raises(PromptRejected) as refused:
            shop.server.submit(needed(bench.graph.prompt, last.id))
        return refused.value.messages
    prompt = bench.graph.prompt if mistake.where == "at its node" else needed(bench.graph.prompt, last.id)
    try:
        result = shop.server.run(prompt, check=False)
    except PromptRejected as refused:
        return refused.messages if mistake.where == "either" else pytest.fail(f"refused before it ran: {refused}")
    assert result.error, "it was not refused"
    assert result.error["node_id"] == node.id, result.error
    return [result.error["exception_message"].strip()]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_gets_one_sentence_and_leaves_no_trace(shop: Shop, mistake: Mistake) -> None:
    before = shop.files()
    messages = refusal(shop, mistake)
    assert len(messages) == 1, messages
    sentence = messages[0].partition(OWN)[2].partition(" - ")[2] or messages[0]
    assert not [words for words in mistake.says if words not in sentence], sentence
    assert len(sentence) <= LONGEST and "\n" not in sentence and "Traceback" not in sentence, sentence
    assert shop.files() == before
    if MISTAKES.index(mistake) % AGAIN == AGAIN - 1 or mistake is MISTAKES[-1]:
        assert np.array_equal(shop.again(), shop.picture), "the valid prompt gives another picture since"


def test_the_table_is_long_and_its_names_are_its_own() -> None:
    names = [mistake.name for mistake in MISTAKES]
    assert len(set(names)) == len(names) >= 90
    assert all(mistake.says for mistake in MISTAKES)


# What looks like a mistake and is none


def test_alpha_is_left_out_and_grey_is_taken_as_grey(shop: Shop) -> None:
    bench = shop.bench()
    clear, grey = bench.tensor("1,64,64,4"), bench.tensor("1,64,64,1")
    plain = bench.add("SplitImageWithAlpha", image=clear)
    shown = bench.add("MaskToImage", mask=bench.tensor("1,64,64")[1])
    pairs = [[bench.encode(image=one) for one in pair] for pair in ((clear, plain), (grey, shown))]
    same = [bench.compare(*pair) for pair in pairs]
    apart = bench.compare(pairs[0][0], pairs[1][0])
    result = shop.server.run(bench.graph.prompt)
    assert [result.outputs[node.id]["error"][0] for node in same] == [0, 0]
    assert result.outputs[apart.id]["error"][0] > 0.1


def test_the_ends_of_what_is_allowed_are_allowed(shop: Shop) -> None:
    """One step, the last start, no strength, one frame, a word that comes twice, a very long picture."""
    bench = shop.bench()
    long = bench.encode(image=bench.tensor("1,3,700,3"))
    one = bench.invert(steps=1, latent=long)
    free = {"model": bench.model, "latent": bench.latent, "steps": 2, "settings": "as set below", "strength": 0.0}
    twice = bench.edit(source_prompt="a cat, a cat", target_prompt="a dog, a cat", blend_source_words="cat")
    edits = {
        "one step": bench.sample(trajectory=one),
        "the last start": bench.sample(preset="as set below", start=1.0),
        "no strength": bench.add("InversionFreeEdit", **free, **bench.words),
        "one frame": bench.by("InversionVideoEdit"),
        "twice": bench.with_edit(twice),
        "the last seed": bench.other_inversion("InversionStochasticInvert", seed=2**64 - 1)[1],
    }
    checked = {name: bench.compare(latent, latent) for name, latent in edits.items()}
    picture = bench.show(edits["one step"])
    result = shop.server.run(bench.graph.prompt)
    assert all(result.outputs[node.id]["finite"] == [True] for node in checked.values())
    assert shop.server.images(result, picture.id)[0].size == (700, 3)
