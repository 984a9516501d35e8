"""Every template, opened as the template browser opens it, on a common laptop: its note can be read, and its text is drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from harness.browser import FrontEnd
from harness.checkouts import EVERY_VERSION, front_ends
from harness.server import ComfyServer

FILES = sorted((Path(__file__).resolve().parents[2] / "workflows").glob("*.json"))
LAPTOP = (1536, 864)
ZOOM, PIXELS = 0.6, 7
"""The smallest zoom (front ends draw no text below 0.57), and the smallest type of a note on the screen."""

OPEN = """async ([address, name]) => {
    const workflow = await (await fetch(address)).json();
    await window.app.loadGraphData(workflow, true, true, name, { openSource: 'template' });
}"""
NOTE_WORDS = """() => {
    window.__drawn = new Set();
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...more) {
        window.__drawn.add(text);
        return draw.call(this, text, ...more);
    };
}"""
"""Notes what is written on canvases from now on."""
SEEN = """() => {
    const { ds, low_quality } = window.app.canvas;
    const note = [...document.querySelectorAll('.comfy-markdown, .comfy-markdown-content')].find((one) => one.offsetParent);
    const line = note?.querySelector('h2, h3');
    return {
        zoom: ds.scale,
        drawn: !low_quality,
        note: note?.innerText ?? '',
        type: line ? parseFloat(getComputedStyle(line).fontSize) * ds.scale : 0,
        app: !document.querySelector('#graph-canvas')?.offsetParent,
    };
}"""


@pytest.mark.parametrize("new_nodes", [False, True], ids=["canvas", "vue"])
def test_every_template_opens_readable(
    browser: Any,
    front_end: tuple[Path, str],
    front_end_server: ComfyServer,
    new_nodes: bool,
    shot: Callable[[str], Path],
) -> None:
    if front_end not in (front_ends()[0], front_ends()[-1]) and not EVERY_VERSION:
        pytest.skip("the oldest front end and the newest are tried; LATENT_INVERSION_EVERY_VERSION=1 tries all")
    if new_nodes and front_end[1].startswith("1.27."):
        pytest.skip("this trial of the new nodes shows no widgets of packs")
    wrong = {}
    with FrontEnd.opened(browser, front_end_server, new_nodes=new_nodes, size=LAPTOP) as front:
        front.close_dialogs()
        front.page.evaluate(NOTE_WORDS)
        for path in FILES:
            address = f"/api/workflow_templates/latent-inversion/{quote(path.name)}"
            front.page.evaluate(OPEN, [address, path.stem])
            front.page.wait_for_timeout(1200)
            front.close_dialogs()
            seen = front.page.evaluate(SEEN)
            print(f"{path.stem}: zoom {seen['zoom']:.2f}, note in {seen['type']:.1f} px")
            front.screenshot(shot(path.stem))
            if path.stem.endswith(".app") and seen["app"]:
                words = front.page.get_by_text("what it is to show").filter(visible=True)
                assert words.count(), "the app asks for the words"
            elif not (
                seen["zoom"] >= ZOOM and seen["drawn"] and "Press Run" in seen["note"] and seen["type"] >= PIXELS
            ):
                wrong[path.stem] = seen
        if not new_nodes:
            drawn = front.page.evaluate("() => [...window.__drawn]")
            assert {"what it shows", "what it is to show"} <= set(drawn), "filled boxes keep their label"
        assert not front.errors
    assert not wrong, wrong
