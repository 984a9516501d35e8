"""Attention View in the browser: words below the picture, a map for each, chosen words become the mask."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.browser import FrontEnd, required_front_end
from harness.server import ComfyServer

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "13 See what each word looks at.json"
NODE = "InversionAttentionView"
WORDS = ["a", "photo", "of", "ginger", "bear", "in", "plain", "yellow", "shirt", "the", "snow", "at", "day"]

GRIDS = """() => {
    const node = window.app.graph._nodes.find((one) => one.type === 'InversionAttentionView');
    return window.app.nodeOutputs[node.id].images.length;
}"""
"""How many pictures the front end shows by itself in the node."""


def short_workflow() -> dict[str, Any]:
    """The workflow up to the words, in few steps."""
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    for node in workflow["nodes"]:
        if node["type"] == "InversionDDIMInvert":
            node["widgets_values"][0] = 5
        if node["type"] in ("InversionEditSampler", "InversionDecode", "PreviewImage"):
            node["mode"] = 2  # not run
    return workflow


def picture(front: FrontEnd) -> np.ndarray:
    """What the browser draws of the picture, as levels [height, width, 3]."""
    front.page.wait_for_timeout(300)
    shot = front.page.locator(".li-picture").screenshot()
    return np.asarray(Image.open(BytesIO(shot)).convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_a_word_shows_its_map_and_becomes_the_mask(
    browser: Any, front_end_server: ComfyServer, new_nodes: bool, shot: Callable[[str], Path]
) -> None:
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes) as front:
        front.load(short_workflow())
        front.run()
        if new_nodes and required_front_end(front_end_server.checkout).startswith("1.27."):
            assert front.page.evaluate(GRIDS) == 1, (
                "this trial of the new nodes shows no widgets of packs: the grid stays"
            )
            return
        front.look_at(NODE)
        chips = front.page.locator(".li-words button")
        assert chips.all_inner_texts() == WORDS
        pressed = front.page.locator('.li-words button[aria-pressed="true"]')
        assert pressed.all_inner_texts() == ["shirt"], "the workflow chose it"
        assert front.page.evaluate(GRIDS) == 0, "the grid is shown beside the words"
        bare = picture(front)
        shirt, bear = (chips.nth(WORDS.index(word)) for word in ("shirt", "bear"))
        shirt.hover()
        over_shirt = picture(front)
        front.screenshot(shot("shirt"))
        bear.focus()
        over_bear = picture(front)
        assert np.abs(over_shirt - bare).mean() > 10 and np.abs(over_bear - over_shirt).mean() > 10
        assert lower_share(over_shirt) > 0.6 > lower_share(over_bear)
        front.page.keyboard.press("Enter")
        assert front.widget(NODE, "mask_words") == "shirt, bear"
        assert pressed.all_inner_texts() == ["bear", "shirt"]
        shirt.click()
        assert front.widget(NODE, "mask_words") == "bear"
        sent = next(node for node in front.prompt().values() if node["class_type"] == NODE)["inputs"]
        assert sent["mask_words"] == "bear" and "attention_view" not in sent
        front.leave_and_return()
        chips.first.wait_for(timeout=10_000)
        assert pressed.all_inner_texts() == ["bear"], "what was seen and chosen comes back with its tab"
        assert not front.errors


def lower_share(shown: np.ndarray) -> float:
    """How much of what glows lies in the lower half: brightness that the grey picture has not."""
    glow = shown.max(-1) - shown.min(-1)
    return float(glow[len(glow) // 2 :].sum() / glow.sum())
