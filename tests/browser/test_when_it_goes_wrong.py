"""When it goes wrong: a run is cancelled and the next one works; a mistake is told in a sentence that stands on the screen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.browser import FrontEnd
from harness.server import ComfyServer

NEWEST = pytest.mark.newest_only(
    "ComfyUI's own work with what the server gives it; the pack's scripts are tried in every front end"
)

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
WORKFLOW = json.loads((WORKFLOWS / "20 Inside - day to night, step by step.json").read_text(encoding="utf-8"))
INVERT, EDIT, ATTENTION = "InversionDDIMInvert", "InversionEditSampler", "InversionAttentionEdit"
MUTED = 2
TRACEBACK = ("Traceback", 'File "', ".py", "line ")

COUNT_STEPS = """() => {
    window.__steps = 0;
    app.api.addEventListener('progress', ({ detail }) => { window.__steps = detail.value; });
    document.addEventListener('pointerdown', () => { window.__clicked = window.__steps; }, true);
}"""
TYPE_PROMPTS = """([type, values]) => {
    const node = app.graph._nodes.find((one) => one.type === type);
    for (const [name, value] of Object.entries(values)) {
        const slot = node.inputs.findIndex((input) => input.name === name);
        if (slot >= 0 && node.inputs[slot].link != null) node.disconnectInput(slot);
        node.widgets.find((one) => one.name === name).value = value;
    }
}"""
"""Cuts the links of inputs and types values instead."""
MUTE_OTHERS = """([type, muted]) => {
    const reached = new Set();
    const follow = (node) => {
        if (reached.has(node)) return;
        reached.add(node);
        for (const output of node.outputs ?? [])
            for (const link of output.links ?? []) follow(app.graph.getNodeById(app.graph.links[link].target_id));
    };
    follow(app.graph._nodes.find((one) => one.type === type));
    for (const node of app.graph._nodes) {
        const shows = LiteGraph.registered_node_types[node.type].nodeData?.output_node;
        if (shows && !reached.has(node)) node.mode = muted;
    }
}"""
"""Mutes what shows something and does not hang on a node."""
ADD_MASK = """([type, width, height]) => {
    const mask = LiteGraph.createNode('SolidMask');
    mask.pos = [1100, 900];
    app.graph.add(mask);
    for (const [name, value] of Object.entries({ width, height }))
        mask.widgets.find((one) => one.name === name).value = value;
    const node = app.graph._nodes.find((one) => one.type === type);
    mask.connect(0, node, node.inputs.findIndex((input) => input.name === 'mask'));
}"""


def loaded(front: FrontEnd, steps: int) -> None:
    front.load(WORKFLOW)
    front.turn(INVERT, steps=steps)


def told(front: FrontEnd, sentence: str) -> str:
    """All that the dialog or the card says on which the sentence stands, once a user can read it there."""
    first = front.page.locator(".p-dialog, [data-testid='error-overlay']").filter(visible=True).first
    first.wait_for(timeout=30_000)
    if not first.filter(has_text=sentence).count():  # front end 1.45 counts the mistakes first; its panel tells them
        assert not any(word in first.inner_text() for word in TRACEBACK), first.inner_text()
        first.get_by_test_id("error-overlay-see-errors").click()
        info = front.page.get_by_role("button", name="Info for")  # front end 1.58 folds the sentence up
        front.page.locator("[data-testid^='error-group-']", has_text=sentence).or_(info).first.wait_for(timeout=30_000)
        if info.count():
            info.first.click()
        first = front.page.locator("[data-testid^='error-group-']", has_text=sentence)
        first.first.wait_for(timeout=30_000)
    line = first.get_by_text(sentence).first
    line.scroll_into_view_if_needed()
    box, size = line.bounding_box(), front.page.viewport_size
    assert box and box["width"] > 100 and box["height"] > 8, box
    assert 0 <= box["x"] < size["width"] and 0 <= box["y"] < size["height"], "it stands outside the window"
    return first.first.inner_text().partition("## Stack Trace")[0]  # front end 1.58 adds ComfyUI's whole report


@NEWEST
def test_a_run_is_cancelled_and_the_next_one_works(browser: Any, front_end_server: ComfyServer) -> None:
    with FrontEnd.opened(browser, front_end_server) as front:
        loaded(front, steps=150)
        page = front.page
        page.evaluate(COUNT_STEPS)
        front.press_run()
        page.wait_for_function("() => window.__steps >= 3", timeout=120_000)
        page.get_by_role("button", name="Cancel current run").click()
        kind, detail = front.ended(timeout=30)
        clicked, steps = page.evaluate("() => [window.__clicked, window.__steps]")
        assert kind == "execution_interrupted" and detail["node_type"] == INVERT
        assert 3 <= clicked <= steps <= clicked + 3 < 150, (clicked, steps)
        assert not page.locator(".p-dialog, [data-testid='error-overlay']").filter(has_text="Error").count()
        front.turn(INVERT, steps=4)
        front.press_run()
        kind, detail = front.ended()
        assert kind == "execution_success", detail
        page.locator(".li-said", has_text="from the true one").wait_for(timeout=20_000)
        assert not front.errors


@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_a_mistake_known_before_the_run_is_told(
    browser: Any, front_end_server: ComfyServer, new_nodes: bool, shot: Callable[[str], Path]
) -> None:
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes) as front:
        loaded(front, steps=2)
        values = {"source_prompt": "a photo of a cat", "target_prompt": "a photo of a dog", "blend_target_words": "hat"}
        front.page.evaluate(TYPE_PROMPTS, [ATTENTION, values])
        # What can run is run: front end 1.27 then shows no dialog, it outlines the refused node only.
        front.page.evaluate(MUTE_OTHERS, [ATTENTION, MUTED])
        front.press_run()
        text = told(
            front,
            "The prompt at 'target_prompt' does not contain the word 'hat'. Use one of its words: a, photo, of, a, dog.",
        )
        front.screenshot(shot("before"))
        assert not any(word in text for word in TRACEBACK), text
        assert front.page.evaluate("() => window.__ends.length") == 0, "nothing ran"
        assert not front.errors


@NEWEST
@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_a_mistake_found_in_the_run_is_told(
    browser: Any, front_end_server: ComfyServer, new_nodes: bool, shot: Callable[[str], Path]
) -> None:
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes) as front:
        loaded(front, steps=2)
        front.page.evaluate(ADD_MASK, [EDIT, 96, 64])
        front.press_run()
        kind, detail = front.ended()
        assert (kind, detail["node_type"]) == ("execution_error", EDIT)
        text = told(
            front,
            "The mask is 96 x 64, but the image is 128 x 128. Paint the mask at the size of the image, or resize the mask.",
        )
        front.screenshot(shot("running"))
        assert not any(word in text for word in TRACEBACK), text
        assert not front.errors
