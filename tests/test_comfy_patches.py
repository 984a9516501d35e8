"""ComfyUI's own nodes that hang something on a model, before the pack's nodes in a real ComfyUI."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.server import ComfyServer
from harness.studio import Studio, error_of

OWN = {"preset": "as set below", "anchor": "none", "start": 0.0, "guidance": 4.0}
PATCHES: dict[str, Callable[[Studio], dict[str, Any]]] = {
    "PerturbedAttentionGuidance": lambda studio: {},
    "SelfAttentionGuidance": lambda studio: {},
    "PerpNeg": lambda studio: {"empty_conditioning": studio.negative},
    "EasyCache": lambda studio: {},
    "LazyCache": lambda studio: {},
}


def patched(studio: Studio, name: str) -> Any:
    return studio.graph.add(name, model=studio.model, **PATCHES[name](studio))[0]


@pytest.mark.parametrize("name", PATCHES)
def test_equal_prompts_give_the_source_beside_it(comfy_server: ComfyServer, studio: Studio, name: str) -> None:
    """Inverted and edited with the node, whose own further passes or caches change nothing of that."""
    if name not in comfy_server.object_info():
        pytest.skip(f"this ComfyUI has no {name}")
    model, words = patched(studio, name), studio.edit(target_prompt=studio.scene[1])
    inverted = studio.invert(model=model, negative=studio.negative, steps=4)
    both = {"model": model, "trajectory": inverted, "source": words[1], "target": words[2]}
    edited = studio.sample(**both, attention_edit=words[0], **OWN)
    same = studio.compare(edited[0], edited[1])
    moved = studio.compare(
        edited[0], studio.sample(**both | {"model": studio.model}, attention_edit=words[0], **OWN)[0]
    )
    result = comfy_server.run(studio.graph.prompt)
    assert error_of(result, same) == 0
    cache = name in ("EasyCache", "LazyCache")
    assert (error_of(result, moved) == 0) == cache, "guidance acts beside the edit; a cache does not"
    for node in (inverted, edited):
        assert result.words(node.id)[-1].endswith(f"; left out: {name}") == (
            cache or (name == "PerpNeg" and node is inverted)
        )


def test_a_node_that_needs_the_negative_prompt_asks_for_it(comfy_server: ComfyServer, studio: Studio) -> None:
    from test_comfy_nodes import failure

    inverted = studio.invert(model=patched(studio, "SelfAttentionGuidance"), steps=3)
    said = failure(comfy_server, studio, studio.sample(trajectory=inverted))
    assert "uses the negative prompt even at guidance 1" in said and "SelfAttentionGuidance" in said
