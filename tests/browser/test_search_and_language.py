"""Found and understood: nodes come up under the names that people know, and speak the language that is chosen."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.browser import READY, FrontEnd
from harness.server import ComfyServer

pytestmark = pytest.mark.newest_only(
    "ComfyUI's own work with what the server gives it; the pack's scripts are tried in every front end"
)

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ROOT / "locales"
WORKFLOW = json.loads((ROOT / "workflows" / "13 See what each word looks at.json").read_text(encoding="utf-8"))
EMPTY = {"version": 0.4, "nodes": [], "links": [], "last_node_id": 0, "last_link_id": 0}
NODE = "InversionDDIMInvert"
NAMES = {
    "inversion": ("Inversion Encode", "Inversion Edit Sampler", "RF-Inversion Invert"),
    "ddim": ("DDIM Invert",),
    "null text": ("Null-Text Optimize",),
    "before": ("Before / After",),
}
"""What is typed, and what it must find by its name alone."""
ALIASES = {
    "unsampler": ("DDIM Invert", "Exact Invert"),
    "noise inversion": ("DDIM Invert", "Fixed-Point Invert"),
    "ddim inversion": ("DDIM Invert", "Video Invert"),
    "p2p": ("Attention Edit",),
    "prompt to prompt": ("Attention Edit", "Inversion Edit Sampler"),
    "null text inversion": ("Null-Text Optimize",),
    "direct inversion": ("Inversion Edit Sampler",),
    "flowedit": ("Inversion-Free Edit",),
    "daam": ("Attention View",),
    "pnp": ("Plug-and-Play",),
    "img2img edit": ("Inversion Edit Sampler", "Inversion-Free Edit"),
    "image to image": ("Inversion Edit Sampler",),
    "inpaint by prompt": ("Inversion Edit Sampler", "KV-Edit"),
    "remove object": ("Inversion Edit Sampler", "KV-Edit"),
    "change clothes": ("Garment Reference",),
    "edit image": ("Inversion Edit Sampler",),
    "edit photo": ("Inversion Edit Sampler", "Attention Edit"),
    "restyle": ("Style Reference",),
    "style transfer": ("Style Reference",),
    "try on": ("Garment Reference", "Garment Place"),
    "rf inversion": ("RF-Inversion Invert",),
}
"""The same by their other names, in ComfyUIs that know such."""
PLACE = """([type, name]) => {
    const node = app.graph._nodes.find((one) => one.type === type);
    const { ds, canvas } = app.canvas;
    const { left, top } = canvas.getBoundingClientRect();
    const y = node.widgets.find((one) => one.name === name).last_y + 10;
    return [left + (node.pos[0] + node.size[0] / 2 + ds.offset[0]) * ds.scale, top + (node.pos[1] + y + ds.offset[1]) * ds.scale];
}"""
"""The middle of a widget that the canvas draws."""
SAID = """(type) => {
    const node = app.graph._nodes.find((one) => one.type === type);
    const inputs = Object.fromEntries(node.inputs.map((one) => [one.name, one.localized_name ?? one.label]));
    const widgets = Object.fromEntries(node.widgets.map((one) => [one.name, one.label ?? one.name]));
    return { title: node.title, inputs, widgets };
}"""
OFFERED = "() => app.extensionManager.setting.settings['Comfy.Locale'].options.map((one) => one.value ?? one)"
CHOOSE = "(language) => app.extensionManager.setting.set('Comfy.Locale', language)"


def texts(language: str, name: str) -> Any:
    return json.loads((LOCALES / language / f"{name}.json").read_text(encoding="utf-8"))


def found(front: FrontEnd, word: str, names: tuple[str, ...]) -> None:
    """Type a word into the open search until it offers these nodes."""
    front.page.locator("input[role='combobox']:visible").first.fill(word)
    for name in names:
        option = front.page.get_by_role("option").filter(has_text=re.compile(rf"^\s*{re.escape(name)}"))
        option.first.wait_for(state="attached", timeout=15_000)


def test_nodes_are_found_by_the_names_that_people_know(
    browser: Any, front_end_server: ComfyServer, shot: Callable[[str], Path]
) -> None:
    aliases = "search_aliases" in front_end_server.object_info()[NODE]
    with FrontEnd.opened(browser, front_end_server) as front:
        front.load(EMPTY)
        front.page.mouse.dblclick(800, 500)
        front.page.locator("input[role='combobox']:visible").first.wait_for(timeout=30_000)
        for word, names in (NAMES | ALIASES if aliases else NAMES).items():
            found(front, word, names)
        word = "noise inversion" if aliases else "ddim invert"
        found(front, word, ("DDIM Invert",))
        front.screenshot(shot("search"))
        front.page.get_by_role("option").filter(has_text="DDIM Invert").first.click()
        front.page.wait_for_function("() => app.graph._nodes.length === 1", timeout=15_000)
        assert front.page.evaluate("() => app.graph._nodes[0].type") == NODE
        assert not front.errors


def test_toybox_helpers_do_not_stand_before_nodes_that_edit(browser: Any, front_end_server: ComfyServer) -> None:
    if "search_aliases" not in front_end_server.object_info()[NODE]:
        pytest.skip("this ComfyUI knows no other names of nodes")
    with FrontEnd.opened(browser, front_end_server) as front:
        front.load(EMPTY)
        front.page.mouse.dblclick(800, 500)
        front.page.locator("input[role='combobox']:visible").first.wait_for(timeout=30_000)
        for word in (
            "style transfer",
            "try on",
            "edit photo",
            "img2img edit",
            "remove object",
            "change clothes",
            "restyle",
        ):
            found(front, word, ALIASES[word])
            options = [text.strip() for text in front.page.get_by_role("option").all_inner_texts()]
            ours, toys = (
                [n for n, text in enumerate(options) if text.startswith(kind)] for kind in (ALIASES[word], "Toybox")
            )
            assert not toys or min(ours) < min(toys), options


def test_nodes_speak_the_language_that_is_chosen(
    browser: Any, front_end_server: ComfyServer, shot: Callable[[str], Path]
) -> None:
    served = front_end_server.get("/i18n")
    with FrontEnd.opened(browser, front_end_server) as front:
        offered = [language for language in front.page.evaluate(OFFERED) if language in served and language != "en"]
        if not offered:
            pytest.skip("the pack has none of the languages that this front end offers")
        for language in offered:
            choose(front, language)
            check_language(front, language)
            if language == offered[0]:
                assert hint(front, "steps") == texts(language, "nodeDefs")[NODE]["inputs"]["steps"]["tooltip"]
                front.screenshot(shot(language))
        choose(front, "en")
        check_language(front, "en")
        assert front.page.evaluate(SAID, NODE)["title"] == "DDIM Invert"
        assert not front.errors


def choose(front: FrontEnd, language: str) -> None:
    """Choose a language and open the page again, with a workflow."""
    front.page.evaluate(CHOOSE, language)
    front.page.reload(wait_until="domcontentloaded")
    front.page.wait_for_function(READY, timeout=120_000)
    front.load(WORKFLOW)


def check_language(front: FrontEnd, language: str) -> None:
    """Title, sockets, widgets and the scripts' words are those of the language."""
    wanted, said = texts(language, "nodeDefs")[NODE], front.page.evaluate(SAID, NODE)
    names = {name: entry["name"] for name, entry in wanted["inputs"].items()}
    assert said["title"] == wanted["display_name"]
    assert {name: names[name] for name in said["inputs"]} == said["inputs"]
    assert {name: names[name] for name in said["widgets"]} == said["widgets"] and said["widgets"]
    messages = texts(language, "main")["latentInversion"]["messages"]
    assert front.page.locator(".li-said").inner_text() == messages["runToCompare"]
    assert front.page.get_by_text(messages["runToSeeWords"]).count()


def hint(front: FrontEnd, widget: str) -> str:
    """The tooltip that comes up where the pointer rests on a widget."""
    front.look_at(NODE, scale=1.2)
    x, y = front.page.evaluate(PLACE, [NODE, widget])
    front.page.mouse.move(x - 8, y)
    front.page.mouse.move(x, y, steps=3)
    bubble = front.page.locator(".node-tooltip")
    bubble.wait_for(timeout=15_000)
    return bubble.inner_text()
