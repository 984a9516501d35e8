"""A blueprint in the browser: found by its name, put on the canvas, connected to the toybox, run."""

from pathlib import Path
from typing import Any

import pytest

from harness.browser import FrontEnd
from harness.server import ComfyServer

pytestmark = pytest.mark.newest_only(
    "ComfyUI's own work with what the server gives it; the pack's scripts are tried in every front end"
)

NAME = "Edit a photo by words"
SEARCH = "input[role='combobox']:visible"

CONNECT = """(name) => {
    const graph = window.app.graph;
    const add = (type, x, y) => {
        const node = window.LiteGraph.createNode(type);
        node.pos = [x, y];
        graph.add(node);
        return node;
    };
    const edit = graph._nodes.find((one) => one.title === name);
    edit.pos = [420, 60];
    const loader = add('InversionToyboxLoader', 0, 60);
    const scene = add('InversionToyboxScene', 0, 280);
    const compare = add('InversionBeforeAfter', 860, 60);
    const slot = (label) => edit.inputs.findIndex((input) => input.name === label);
    ['model', 'clip', 'vae'].forEach((label, output) => loader.connect(output, edit, slot(label)));
    ['image', 'source_prompt', 'target_prompt'].forEach((label, output) => scene.connect(output, edit, slot(label)));
    scene.connect(0, compare, 0);
    edit.connect(0, compare, 1);
    compare.size = [420, 480];
    edit.widgets.find((one) => one.name === 'steps').value = 6;
    return edit.widgets.map((one) => one.name);
}"""
"""Connects the blueprint's node to toybox nodes; gives the names of its widgets."""


def has_blueprints(server: ComfyServer) -> bool:
    return (server.checkout / "app" / "subgraph_manager.py").is_file()


@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_a_blueprint_is_found_and_runs(
    browser: Any, front_end_server: ComfyServer, new_nodes: bool, tmp_path: Path
) -> None:
    if not has_blueprints(front_end_server):
        pytest.skip(f"{front_end_server.checkout.name} has no subgraph blueprints; there the templates do the same")
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes) as front:
        front.load({"version": 0.4, "nodes": [], "links": [], "last_node_id": 0, "last_link_id": 0})
        put_on_canvas(front)
        assert front.page.evaluate("(name) => window.app.graph._nodes.map((one) => one.title)", NAME) == [NAME]
        widgets = front.page.evaluate(CONNECT, NAME)
        assert {"source_prompt", "target_prompt", "preset", "strength", "steps", "guidance"} <= set(widgets)
        front.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        sent = {node["class_type"]: node["inputs"] for node in front.prompt().values()}
        assert sent["InversionDDIMInvert"]["steps"] == 6, "what is turned on the node reaches the nodes in it"
        assert sent["InversionEditSampler"]["preset"] == "balanced"
        front.run()
        front.page.wait_for_timeout(1500)
        front.screenshot(tmp_path / "blueprint.png")
        assert not front.errors


def put_on_canvas(front: FrontEnd) -> None:
    """Search for the blueprint as people do: a double click on the canvas, its name, Enter."""
    page = front.page
    page.wait_for_timeout(1500)
    page.mouse.dblclick(800, 500)
    box = page.locator(SEARCH).first
    box.wait_for(timeout=20_000)
    box.fill(NAME)
    page.wait_for_timeout(1500)
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.app.graph._nodes.length > 0", timeout=10_000)
    page.wait_for_timeout(500)
    page.mouse.click(200, 850)
