"""Before / After in the browser: a line that pointer and keys move, pictures of a batch, and the verdict in words."""

import itertools
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.browser import READY, FrontEnd, required_front_end
from harness.server import ComfyServer

NODE = "InversionBeforeAfter"
RED, GREEN, BLUE = 0xFF0000, 0x00FF00, 0x0000FF
WIDTHS = itertools.count(1600)

IMAGES = """() => {
    const node = window.app.graph._nodes.find((one) => one.type === 'InversionBeforeAfter');
    return window.app.nodeOutputs[node.id].images.length;
}"""
"""How many pictures the front end shows by itself in the node."""

FRENCH = {
    "fr": {
        "nodeCategories": {"inversion": "inversion d'images"},
        "latentInversion": {"messages": {"runToCompare": "Lancez le flux pour comparer."}},
    }
}


def workflow() -> dict[str, Any]:
    """Red and then green before, blue and then green after.

    The pictures are large, and of another size each time, so that no run finds them in the cache: front ends forget the
    outputs of a run that ends before their request for it is answered.
    """
    nodes, links, width = [], [], next(WIDTHS)
    for number, colour in enumerate((RED, GREEN, BLUE), 1):
        output = {"name": "IMAGE", "type": "IMAGE", "links": []}
        values = [width, 800, 1, colour]
        nodes.append(node(number, "EmptyImage", [0, 220 * number], [], [output], values))
    for number, sources in ((4, (1, 2)), (5, (3, 2))):
        ends = [{"name": name, "type": "IMAGE", "link": None} for name in ("image1", "image2")]
        output = {"name": "IMAGE", "type": "IMAGE", "links": []}
        nodes.append(node(number, "ImageBatch", [360, 200 * number - 400], ends, [output], []))
        links += [[10 * number + slot, source, 0, number, slot, "IMAGE"] for slot, source in enumerate(sources)]
    ends = [{"name": name, "type": "IMAGE", "link": None} for name in ("before", "after")]
    nodes.append(node(6, NODE, [700, 100], ends, [], [], size=[460, 560]))
    links += [[60, 4, 0, 6, 0, "IMAGE"], [61, 5, 0, 6, 1, "IMAGE"]]
    for link, source, _, target, slot, _ in links:
        nodes[target - 1]["inputs"][slot]["link"] = link
        nodes[source - 1]["outputs"][0]["links"].append(link)
    return {"last_node_id": 6, "last_link_id": 61, "nodes": nodes, "links": links, "groups": [], "version": 0.4}


def node(number: int, kind: str, pos: Any, inputs: Any, outputs: Any, values: Any, size: Any = (300, 130)) -> dict:
    facts = {"id": number, "type": kind, "pos": pos, "size": list(size), "flags": {}, "order": number, "mode": 0}
    return facts | {"inputs": inputs, "outputs": outputs, "properties": {}, "widgets_values": values}


def columns(front: FrontEnd) -> tuple[str, float]:
    """The colours that the stage shows from left to right, and the share of its width that the first has."""
    front.page.wait_for_timeout(300)
    shot = front.page.locator(".li-stage").screenshot()
    levels = np.asarray(Image.open(BytesIO(shot)).convert("RGB"), dtype=np.int64)
    row = levels[round(0.85 * len(levels))][2:-2]
    names = ["rgb"[int(pixel.argmax())] for pixel in row if pixel.max() - pixel.min() > 200]
    order = "".join(name for place, name in enumerate(names) if place == 0 or names[place - 1] != name)
    return order, names.count(names[0]) / len(names)


@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_a_line_is_moved_by_pointer_and_keys(
    browser: Any, front_end_server: ComfyServer, new_nodes: bool, shot: Callable[[str], Path]
) -> None:
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes) as front:
        front.load(workflow())
        front.run()
        if new_nodes and required_front_end(front_end_server.checkout).startswith("1.27."):
            assert front.page.evaluate(IMAGES) == 2, "this trial of the new nodes shows no widgets of packs: both stay"
            return
        front.look_at(NODE, scale=1.2)
        line, stage = front.page.locator(".li-line"), front.page.locator(".li-stage")
        assert front.page.evaluate(IMAGES) == 0, "both are shown side by side besides"
        assert line.get_attribute("role") == "slider" and line.get_attribute("aria-valuenow") == "50"
        front.screenshot(shot("middle"))
        assert columns(front) == ("rb", pytest.approx(0.5, abs=0.03)), "before on the left, after on the right"
        box, place = stage.bounding_box(), node_place(front)
        assert box["width"] / box["height"] == pytest.approx(2, rel=0.02), "the stage has the picture's shape"
        middle = box["y"] + box["height"] / 4
        front.page.mouse.move(box["x"] + 0.5 * box["width"], middle)
        front.page.mouse.down()
        front.page.mouse.move(box["x"] + 0.3 * box["width"], middle, steps=3)
        front.page.mouse.move(box["x"] + 0.2 * box["width"], middle, steps=3)
        front.page.mouse.up()
        assert value(line) == pytest.approx(20, abs=1) and node_place(front) == place, "dragged, the node stays"
        front.page.mouse.move(box["x"] + 0.9 * box["width"], middle)
        assert columns(front) == ("rb", pytest.approx(0.2, abs=0.03)), "it follows while a button is held only"
        before = value(line)
        front.page.keyboard.press("ArrowRight")
        front.page.keyboard.press("Shift+ArrowRight")
        assert value(line) == before + 12, "the line has the keyboard after it was dragged"
        front.page.keyboard.press("End")
        assert columns(front)[0] == "r" and value(line) == 100
        front.page.keyboard.press("Home")
        assert columns(front)[0] == "b" and value(line) == 0
        stage.dblclick(position={"x": 20, "y": 20})
        assert value(line) == 50 and columns(front) == ("rb", pytest.approx(0.5, abs=0.03))
        assert not front.errors


@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_pictures_of_a_batch_and_their_verdicts(
    browser: Any, front_end_server: ComfyServer, new_nodes: bool, shot: Callable[[str], Path]
) -> None:
    if new_nodes and required_front_end(front_end_server.checkout).startswith("1.27."):
        pytest.skip("this trial of the new nodes shows no widgets of packs")
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes) as front:
        front.load(workflow())
        said = front.page.locator(".li-said")
        assert said.inner_text() == "Run the workflow to compare the images."
        front.run()
        front.look_at(NODE, scale=1.2)
        previous, following = (front.page.locator(".li-steps button").nth(number) for number in (0, 1))
        assert said.inner_text().startswith("The image was edited: 100 % of it changed")
        assert previous.is_disabled() and front.page.locator(".li-count").inner_text() == "1 of 2"
        following.click()
        assert said.inner_text().startswith("The result is nearly the same image (0 % of it changed). Turn strength up")
        assert columns(front)[0] == "g" and following.is_disabled()
        front.screenshot(shot("second"))
        front.leave_and_return()
        front.page.locator(".li-stage").wait_for(timeout=10_000)
        assert said.inner_text().startswith("The image was edited: 100 % of it changed"), (
            "what was seen comes back with its tab"
        )
        sent = next(one for one in front.prompt().values() if one["class_type"] == NODE)["inputs"]
        assert set(sent) == {"before", "after"}
        assert not front.errors


def test_messages_come_in_the_language_of_the_user(browser: Any, front_end_server: ComfyServer) -> None:
    with FrontEnd.opened(browser, front_end_server) as front:
        front.page.route(re.compile(r"/i18n$"), lambda route: route.fulfill(json=FRENCH))
        front.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.Locale', 'fr')")
        front.page.reload(wait_until="domcontentloaded")
        front.page.wait_for_function(READY, timeout=120_000)
        front.load(workflow())
        assert front.page.locator(".li-said").inner_text() == "Lancez le flux pour comparer."
        hint = front.page.locator(".li-line").get_attribute("title")
        assert hint.startswith("Drag the line"), "what is not translated is said in English"
        category = front.page.evaluate("(type) => LiteGraph.registered_node_types[type].category", NODE)
        assert category.split("/")[0] == "inversion d'images"


def value(line: Any) -> int:
    return int(line.get_attribute("aria-valuenow"))


def node_place(front: FrontEnd) -> list[float]:
    return front.page.evaluate("(type) => [...app.graph._nodes.find((one) => one.type === type).pos]", NODE)
