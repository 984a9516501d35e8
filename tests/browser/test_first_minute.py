"""The first minute: a template is found and opened, or dropped on the canvas; it runs, and its dial is turned."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.browser import FrontEnd
from harness.server import ComfyServer

NEWEST = pytest.mark.newest_only(
    "ComfyUI's own work with what the server gives it; the pack's scripts are tried in every front end"
)

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
NAME = "20 Inside - day to night, step by step"
WORKFLOW = json.loads((WORKFLOWS / f"{NAME}.json").read_text(encoding="utf-8"))
INVERT, EDIT, COMPARE = "InversionDDIMInvert", "InversionEditSampler", "InversionBeforeAfter"
STEPS = 5

OPENED = """() => ({
    nodes: app.graph._nodes.map((one) => one.type),
    unknown: app.graph._nodes.filter((one) => !LiteGraph.registered_node_types[one.type] || one.has_errors).length,
    notes: app.graph._nodes.filter((one) => one.type === 'MarkdownNote').map((one) => one.widgets[0].value),
})"""
IS_THERE = "(count) => app.graph._nodes.length === count"
WATCH = """() => {
    window.__seen = { previews: [], onNode: [], executing: [], cached: [] };
    const seen = window.__seen;
    app.api.addEventListener('b_preview_with_metadata', ({ detail }) => {
        seen.previews.push(String(detail.displayNodeId ?? detail.nodeId));
        setTimeout(() => seen.onNode.push(...Object.keys(app.nodePreviewImages ?? {})), 0);
    });
    app.api.addEventListener('executing', ({ detail }) => detail && seen.executing.push(String(detail)));
    app.api.addEventListener('execution_cached', ({ detail }) => seen.cached.push(...detail.nodes.map(String)));
}"""
SLIDER = """([type, name]) => {
    const node = app.graph._nodes.find((one) => one.type === type);
    const widget = node.widgets.find((one) => one.name === name);
    const { ds, canvas } = app.canvas;
    const { left, top } = canvas.getBoundingClientRect();
    const at = (x, y) => [left + (node.pos[0] + x + ds.offset[0]) * ds.scale, top + (node.pos[1] + y + ds.offset[1]) * ds.scale];
    const middle = widget.last_y + 10;
    return [at(10, middle), at(node.size[0] - 10, middle)];
}"""
"""Both ends of a slider that the canvas draws."""
PICTURE = """async (one) => {
    await one.decode();
    const bytes = new Uint8Array(await (await fetch(one.src)).arrayBuffer());
    return [...bytes];
}"""


def facts(workflow: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two workflows the same: nodes, their values, links. Before / After has none; front ends note down an empty one."""
    nodes = {}
    for node in workflow["nodes"]:
        values = [] if node["type"] == COMPARE else node.get("widgets_values") or []
        nodes[node["id"]] = (node["type"], node["mode"], values)
    return nodes, sorted(tuple(link[1:]) for link in workflow["links"])


def picture(front: FrontEnd, side: str) -> np.ndarray:
    """The picture that Before / After shows on a side."""
    data = bytes(front.page.locator(f".li-{side}").evaluate(PICTURE))
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), dtype=np.float64) / 255


def test_a_template_is_found_opened_and_run(
    browser: Any, front_end_server: ComfyServer, shot: Callable[[str], Path]
) -> None:
    with FrontEnd.opened(browser, front_end_server) as front:
        page = front.page
        # ComfyUI's own templates are a package that need not be here; without its list front end 1.27 opens none.
        page.route("**/templates/index*.json", lambda route: route.fulfill(json=[]))
        front.close_dialogs()
        page.get_by_role("button", name="Templates").first.click()
        dialog = page.get_by_role("dialog").last
        dialog.get_by_text("latent-inversion", exact=True).first.click()
        dialog.get_by_placeholder("Search").first.fill("step by step")
        card = page.get_by_test_id(f"template-workflow-{NAME}")
        card.wait_for(timeout=30_000)
        drawn = card.locator("img").first.evaluate("async (one) => { await one.decode(); return one.naturalWidth }")
        assert drawn >= 256, "the card has no picture"
        front.screenshot(shot("card"))
        card.click()
        page.wait_for_function(IS_THERE, arg=len(WORKFLOW["nodes"]), timeout=60_000)
        opened = page.evaluate(OPENED)
        assert sorted(opened["nodes"]) == sorted(node["type"] for node in WORKFLOW["nodes"])
        assert opened["unknown"] == 0 and not page.get_by_role("dialog").count(), "nothing asks to be installed"
        assert ["# Day to night" in note for note in opened["notes"]] == [True]
        front.turn(INVERT, steps=STEPS)
        page.evaluate(WATCH)
        assert front.page.locator(".li-said").inner_text() == "Run the workflow to compare the images."
        front.press_run()
        kind, detail = front.ended()
        assert kind == "execution_success", detail
        seen = page.evaluate("() => window.__seen")
        ids = {node["type"]: str(node["id"]) for node in WORKFLOW["nodes"]}
        for node in (INVERT, EDIT):
            assert seen["previews"].count(ids[node]) >= STEPS, (node, seen["previews"])
            assert ids[node] in seen["onNode"], "the front end shows the preview at the node"
        said = page.locator(".li-said", has_text="from the true one")
        said.wait_for(timeout=20_000)
        assert picture(front, "before").shape == picture(front, "after").shape == (128, 128, 3)
        assert np.abs(picture(front, "before") - picture(front, "after")).mean() > 0.01
        front.screenshot(shot("run"))
        assert not front.errors


@NEWEST
@pytest.mark.parametrize("suffix", [".json", ".png"])
def test_a_dropped_workflow_is_the_same(browser: Any, front_end_server: ComfyServer, suffix: str) -> None:
    with FrontEnd.opened(browser, front_end_server) as front:
        front.close_dialogs()
        front.drop(WORKFLOWS / f"{NAME}{suffix}")
        front.page.wait_for_function(IS_THERE, arg=len(WORKFLOW["nodes"]), timeout=60_000)
        assert facts(front.page.evaluate("() => app.graph.serialize()")) == facts(WORKFLOW)
        front.page.wait_for_function("(name) => document.title.includes(name)", arg=NAME, timeout=20_000)
        assert not front.errors


@NEWEST
def test_strength_changes_the_picture_and_nothing_is_inverted_again(
    browser: Any, front_end_server: ComfyServer, shot: Callable[[str], Path]
) -> None:
    changes, runs = [], []
    with FrontEnd.opened(browser, front_end_server) as front:
        front.load(WORKFLOW)
        front.turn(INVERT, steps=STEPS)
        front.look_at(EDIT, scale=1.2)
        front.page.evaluate(WATCH)
        for end, value in ((0, 0.0), (1, 1.0)):
            low, high = front.page.evaluate(SLIDER, [EDIT, "strength"])
            front.page.mouse.move((low[0] + high[0]) / 2, low[1])
            front.page.mouse.down()
            front.page.mouse.move(*(low, high)[end], steps=4)
            front.page.mouse.up()
            assert front.widget(EDIT, "strength") == pytest.approx(value)
            front.page.evaluate("() => { window.__seen.executing.length = window.__seen.cached.length = 0 }")
            before = front.page.locator(".li-after").get_attribute("src")
            front.press_run()
            kind, detail = front.ended()
            assert kind == "execution_success", detail
            front.page.wait_for_function(
                "(old) => document.querySelector('.li-after').getAttribute('src') !== old", arg=before
            )
            changes.append(np.abs(picture(front, "before") - picture(front, "after")).mean())
            runs.append(front.page.evaluate("() => window.__seen"))
            front.screenshot(shot(f"strength {value:.0f}"))
        assert not front.errors
    print("mean change at strength 0 and 1:", changes)
    assert changes[1] > 1.5 * changes[0], changes
    kinds = {str(node["id"]): node["type"] for node in WORKFLOW["nodes"]}
    again = {kinds[node] for node in runs[1]["executing"]}
    assert EDIT in again and not again & {INVERT, "InversionEncode", "InversionToyboxScene", "CLIPTextEncode"}, again
    assert INVERT in {kinds[node] for node in runs[1]["cached"]}
