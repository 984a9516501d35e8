"""Trajectory files in the browser: dropped on the canvas they become a loader with their card, dropped on it its file."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.browser import FrontEnd, required_front_end
from harness.graph import Graph
from harness.server import ComfyServer
from harness.studio import Studio

NEWEST = pytest.mark.newest_only(
    "ComfyUI's own work with what the server gives it; the pack's scripts are tried in every front end"
)

NODE = "InversionLoadTrajectory"
WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "18 Invert once, edit many times.json"
DROP = """async ([name, data, x, y]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name));
    const target = document.elementFromPoint(x, y) ?? document.body;
    for (const type of ['dragenter', 'dragover', 'drop'])
        target.dispatchEvent(new DragEvent(type, {
            bubbles: true, cancelable: true, composed: true, dataTransfer: carried, clientX: x, clientY: y,
        }));
}"""
TOAST = ".p-toast-message, [data-testid='toast']"
COUNT = "(type) => window.app.graph._nodes.filter((one) => one.type === type).length"
PLACE = """(type) => {
    const node = window.app.graph._nodes.find((one) => one.type === type);
    return [...node.pos, ...node.size];
}"""


@pytest.fixture(scope="module")
def saved(front_end_server: ComfyServer) -> list[bytes]:
    """Two trajectories of different pictures, as files that somebody sends; nothing of them is left on the server."""
    found = []
    for seed in (23, 24):
        studio = Studio(Graph(front_end_server.object_info()), seed=seed, steps=3, change="time: night")
        studio.graph.add(
            "InversionSaveTrajectory", trajectory=studio.inverted, filename_prefix="sent", image=studio.scene
        )
        graph = {"nodes": [], "links": [], "version": 0.4, "last_node_id": 0, "last_link_id": 0}
        body = {
            "prompt": studio.graph.prompt,
            "client_id": front_end_server.listener.client_id,
            "extra_data": {"extra_pnginfo": {"workflow": graph}},
        }
        front_end_server.wait(front_end_server.post("/prompt", body)["prompt_id"])
        (path,) = (front_end_server.base / "output").glob("*.safetensors")
        found.append(path.read_bytes())
        path.unlink()
    return found


def drop(front: FrontEnd, name: str, data: bytes, place: tuple[float, float]) -> None:
    front.page.evaluate(DROP, [name, base64.b64encode(data).decode(), *place])


def chosen(front: FrontEnd) -> Any:
    return front.page.locator('.li-card[aria-pressed="true"]')


@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_a_dropped_file_becomes_a_loader_with_its_card(
    browser: Any, front_end_server: ComfyServer, saved: list[bytes], new_nodes: bool, shot: Callable[[str], Path]
) -> None:
    for path in (front_end_server.base / "input").glob("*.safetensors"):
        path.unlink()
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes) as front:
        front.load({"nodes": [], "links": [], "version": 0.4, "last_node_id": 0, "last_link_id": 0, "extra": {}})
        front.page.evaluate("() => { const ds = window.app.canvas.ds; ds.scale = 1; ds.offset = [0, 0]; }")
        tabs = front.page.locator(".workflow-tabs .p-togglebutton").count()
        drop(front, "bear.trajectory.safetensors", saved[0], (700, 300))
        front.page.wait_for_function(f"() => ({COUNT})('{NODE}') === 1", timeout=15_000)
        front.page.wait_for_timeout(1000)
        assert front.widget(NODE, "file") == "bear.trajectory.safetensors [input]"
        assert front.page.locator(".workflow-tabs .p-togglebutton").count() == tabs, "ComfyUI opened no workflow"
        if new_nodes and required_front_end(front_end_server.checkout).startswith("1.27."):
            return  # this trial of the new nodes shows no widgets of packs
        card = chosen(front)
        card.wait_for(timeout=10_000)
        assert card.locator(".li-name").inner_text() == "bear"
        told = card.inner_text()
        assert "128 × 128 · 3 steps · ddim" in told and "toybox" in told and "a photo of" in told
        picture = card.locator("img")
        assert picture.evaluate("(one) => one.decode().then(() => one.naturalWidth)") == 128
        front.screenshot(shot("dropped"))
        left, top, width, height = front.page.evaluate(PLACE, NODE)
        drop(front, "bear.trajectory.safetensors", saved[1], (left + width / 2, top + height - 40))
        front.page.wait_for_function("() => document.querySelectorAll('.li-card').length === 2", timeout=15_000)
        front.page.wait_for_timeout(500)
        assert front.page.evaluate(COUNT, NODE) == 1, "it replaced the node's file"
        assert front.widget(NODE, "file") == "bear.trajectory (1).safetensors [input]"
        drop(front, "bear.trajectory.safetensors", saved[0], (left + width / 2, top + height - 40))
        front.page.wait_for_timeout(2000)
        assert len(list((front_end_server.base / "input").glob("*.safetensors"))) == 2, "the same does not pile up"
        assert front.widget(NODE, "file") == "bear.trajectory.safetensors [input]"
        front.page.locator('.li-card[data-file*="(1)"]').click()
        assert front.widget(NODE, "file") == "bear.trajectory (1).safetensors [input]"
        (sent,) = (node for node in front.prompt().values() if node["class_type"] == NODE)
        assert sent["inputs"] == {"file": "bear.trajectory (1).safetensors [input]"}
        front.screenshot(shot("chosen"))
        drop(front, "torn.trajectory.safetensors", saved[0][:-5], (200, 700))
        front.page.locator(TOAST, has_text="not a complete trajectory file").wait_for(timeout=5000)
        assert front.page.evaluate(COUNT, NODE) == 1
        assert not front.errors
        saved_graph = front.page.evaluate("() => window.app.graph.serialize()")
        (node,) = saved_graph["nodes"]
        assert node["widgets_values"] == ["bear.trajectory (1).safetensors [input]"], json.dumps(node)


@NEWEST
def test_once_inverted_is_edited_another_day(
    browser: Any, front_end_server: ComfyServer, saved: list[bytes], tmp_path: Path, shot: Callable[[str], Path]
) -> None:
    """The workflow's own file is saved, chosen by its card, tells its workflow, and is edited; and files come in by the button."""
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    for node in workflow["nodes"]:
        if node["type"] == "InversionDDIMInvert":
            node["widgets_values"][0] = 5
    with FrontEnd.opened(browser, front_end_server, size=(2400, 1300)) as front:
        front.load(workflow)
        front.run()
        front.page.wait_for_timeout(1500)
        front.screenshot(shot("once"))
        (path,) = (front_end_server.base / "output" / "latent_inversion").glob("*.trajectory.safetensors")
        front.look_at(NODE)
        card = chosen(front)
        card.wait_for(timeout=10_000)
        assert card.locator(".li-name").inner_text() == path.name.removesuffix("_.trajectory.safetensors")
        assert "5 steps" in card.inner_text()
        front.page.evaluate(
            "() => { for (const node of window.app.graph._nodes) node.mode = node.mode === 4 ? 0 : node.mode }"
        )
        front.run()
        front.screenshot(shot("another day"))
        with front.page.expect_file_chooser() as asked:
            front.page.evaluate(
                """(type) => window.app.graph._nodes.find((one) => one.type === type)
                    .widgets.find((one) => one.name === 'bring').callback()""",
                NODE,
            )
        sent = tmp_path / "sent.trajectory.safetensors"
        sent.write_bytes(saved[1])
        asked.value.set_files(sent)
        front.page.locator('.li-card[aria-pressed="true"]', has_text="sent").wait_for(timeout=10_000)
        front.page.evaluate("() => { window.app.api.getServerFeature = () => 1000 }")
        drop(front, "large.trajectory.safetensors", saved[0], (1200, 600))
        front.page.locator(TOAST, has_text="--max-upload-size 2").wait_for(timeout=5000)
        front.page.evaluate("() => { window.app.api.getServerFeature = () => undefined }")
        front.page.route("**/upload/image", lambda route: route.fulfill(status=413))
        drop(front, "refused.trajectory.safetensors", saved[0], (1200, 600))
        front.page.locator(TOAST, has_text="refused").wait_for(timeout=5000)
        assert front.page.evaluate(COUNT, NODE) == 1
        front.page.locator(".li-card", has_text=path.name.removesuffix("_.trajectory.safetensors")).click()
        front.page.locator(".li-open:visible").click()
        front.page.wait_for_timeout(1500)
        title = front.page.evaluate("() => document.title")
        assert front.page.evaluate(COUNT, "InversionSaveTrajectory") == 1 and path.name.split(".")[0] in title
        assert not front.errors
