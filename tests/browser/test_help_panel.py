"""The help panel of ComfyUI shows every node's page with its picture."""

from pathlib import Path
from typing import Any

import pytest

from harness.browser import FrontEnd
from harness.server import ComfyServer
from latent_inversion.nodes import NODES

pytestmark = pytest.mark.newest_only(
    "ComfyUI's own work with what the server gives it; the pack's scripts are tried in every front end"
)

DOCS = Path(__file__).resolve().parents[2] / "web" / "docs"
PAGES = [name for names in NODES.values() for name in names if (DOCS / f"{name}.md").is_file()]

ALONE = """(type) => {
    const { graph, canvas } = window.app;
    canvas.deselectAll();
    graph.clear();
    const node = window.LiteGraph.createNode(type);
    node.pos = [700, 200];
    graph.add(node);
    canvas.ds.scale = 1;
    canvas.ds.offset = [0, 0];
    canvas.setDirty(true, true);
    const { left, top } = canvas.canvas.getBoundingClientRect();
    return [left + node.pos[0] + 90, top + node.pos[1] - 15];
}"""
"""Puts a node of a type alone on the canvas and returns where its title is on the page."""
SELECTED = "(type) => Object.values(window.app.canvas.selected_nodes ?? {}).some((one) => one.type === type)"
SHOWN = """(name) => {
    const panel = document.querySelector('.node-help-content');
    const picture = panel?.querySelector('img');
    return panel?.querySelector('h1')?.innerText === name && picture?.complete && picture.naturalWidth > 0;
}"""


def open_help(front: FrontEnd, node_type: str, name: str) -> None:
    """Selects a node and shows its page in the panel. Raises a timeout if page or picture does not come."""
    place = front.page.evaluate(ALONE, node_type)
    button = front.page.locator('[data-testid="info-button"]')
    for _ in range(5):  # the node must have been drawn to be hit
        front.page.wait_for_timeout(600)
        if front.page.evaluate(SELECTED, node_type) and button.is_visible():
            break
        front.page.mouse.click(*place)
    if not front.page.evaluate(SHOWN, name):
        button.click(timeout=10_000)
    front.page.wait_for_function(SHOWN, arg=name, timeout=10_000)


def test_the_panel_shows_every_page_and_its_picture(
    browser: Any, front_end_server: ComfyServer, tmp_path: Path
) -> None:
    infos = front_end_server.object_info()
    with FrontEnd.opened(browser, front_end_server) as front:
        front.close_dialogs()
        for node in PAGES:
            open_help(front, node, infos[node]["display_name"])
            panel = front.page.locator(".node-help-content")
            headings = panel.locator("h2").all_inner_texts()
            assert headings[1:3] == ["Inputs", "Outputs"], f"{node}: {headings}"
            assert panel.locator("li code").count() > 0, f"{node} lists nothing"
        front.screenshot(tmp_path / "panel.png")
