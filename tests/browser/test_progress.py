"""What a node shows in the browser while it works and after: words on it, and the source beside the edit."""

import json
from pathlib import Path
from typing import Any

from harness.browser import FrontEnd
from harness.server import ComfyServer

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "13 See what each word looks at.json"
STEPS = 5
LISTEN = """() => {
    window.__said = [];
    window.app.api.addEventListener('progress_text', (event) => window.__said.push([event.detail.nodeId, event.detail.text]));
}"""
SHOWN = """() => Object.fromEntries(window.app.graph._nodes.map((node) =>
    [node.type, node.widgets?.find((one) => one.name === '$$node-text-preview')?.value ?? null]))"""
"""The words that stand on each type of node."""


SAID = ("InversionDDIMInvert", "InversionAttentionView", "InversionEditSampler")


def test_a_node_says_what_it_does_and_how_long_it_took(browser: Any, front_end_server: ComfyServer) -> None:
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    for node in workflow["nodes"]:
        if node["type"] == "InversionDDIMInvert":
            node["widgets_values"][0] = STEPS
    with FrontEnd.opened(browser, front_end_server) as front:
        front.load(workflow)
        front.page.evaluate(LISTEN)
        front.run()
        front.page.wait_for_timeout(1000)
        said = [text for _, text in front.page.evaluate("() => window.__said")]
        shown = front.page.evaluate(SHOWN)
        visible = front.page.get_by_text("done in ").all_inner_texts()
        front.turn("InversionEditSampler", strength=0.4)
        front.run()
        front.page.wait_for_timeout(1000)
        again = front.page.evaluate(SHOWN)
        assert not front.errors
    assert all(shown[name].startswith("done in ") for name in SAID), shown
    assert all(again[name] == shown[name] for name in SAID[:2]), "what is not run again keeps its words"
    assert again[SAID[2]].startswith("done in "), again
    assert shown["InversionToyboxScene"] is None and shown["InversionDecode"] is None, "what is short says nothing"
    assert any(text.startswith("inverting, step 1 of ") for text in said), said
    assert any(text.startswith("editing, step 1 of ") for text in said), said
    assert len(visible) >= 3, visible
