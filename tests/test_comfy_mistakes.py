"""Bad inputs in a real ComfyUI: one clear sentence each, nothing lost or half written, and the next prompt runs as before.

Every refusal before a prompt runs is ComfyUI's to show. Of those at a node, which are the node's own, some of each kind
are made here; `comfy_inprocess/test_mistakes.py` makes all of them.
"""

import pytest

from harness.mistakes import MISTAKES, Mistake
from harness.mistakes.shop import Shop
from harness.server import ComfyServer

LIVE = {
    *("a picture with NaN", "an unpainted mask of LoadImage", "no VAE in the checkpoint", "a latent of four channels"),
    *("an empty mask at the sampler", "another LoRA than the trajectory's", "a UNet's method on a transformer"),
    *("an area outside the latent", "null text of another grid", "another text encoder's words", "too little memory"),
    *(
        "a layer that the decoder has not",
        "a style on another grid",
        "an empty garment",
        "a clip with prompts for its frames",
    ),
    *("two pictures before and three after", "guidance out of range through a link", "an endless text"),
    *("the file 'empty'", "the file 'solver-list'", "the file 'large-sigmas'"),
}
"""Mistakes that are found at a node, of each kind of node and input."""
SHOWN = [mistake for mistake in MISTAKES if mistake.where != "at its node" or mistake.name in LIVE]


@pytest.fixture(scope="module")
def shop(comfy_server: ComfyServer) -> Shop:
    return Shop.opened(comfy_server)


@pytest.mark.parametrize("mistake", SHOWN, ids=str)
def test_a_mistake_gets_one_sentence_and_leaves_no_trace(shop: Shop, mistake: Mistake) -> None:
    shop.check(mistake)
    if mistake is SHOWN[-1]:
        shop.check_valid()


def test_the_table_is_long_and_its_names_are_its_own() -> None:
    names = [mistake.name for mistake in MISTAKES]
    assert len(set(names)) == len(names) >= 90
    assert all(mistake.says for mistake in MISTAKES)
    assert set(names) >= LIVE


# What looks like a mistake and is none


def test_alpha_is_left_out_and_grey_is_taken_as_grey(shop: Shop) -> None:
    bench = shop.bench()
    clear, grey = bench.tensor("1,64,64,4"), bench.tensor("1,64,64,1")
    plain = bench.add("SplitImageWithAlpha", image=clear)
    shown = bench.add("MaskToImage", mask=bench.tensor("1,64,64")[1])
    pairs = [[bench.encode(image=one) for one in pair] for pair in ((clear, plain), (grey, shown))]
    same = [bench.compare(*pair) for pair in pairs]
    apart = bench.compare(pairs[0][0], pairs[1][0])
    result = shop.host.run(bench.graph.prompt)
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
    result = shop.host.run(bench.graph.prompt)
    assert all(result.outputs[node.id]["finite"] == [True] for node in checked.values())
    assert shop.host.images(result, picture.id)[0].size == (700, 3)
