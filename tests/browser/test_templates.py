"""Templates in the browser: shown with their cards, opened by a click; their pictures bring the workflow when dropped."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from harness.browser import FrontEnd
from harness.server import ComfyServer

pytestmark = pytest.mark.newest_only(
    "ComfyUI's own work with what the server gives it; the pack's scripts are tried in every front end"
)

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
NAME = "11 Try on a shirt"
LISTED = "() => [...document.querySelectorAll('[data-testid^=template-workflow-]')].map((one) => one.dataset.testid)"
NODES = len(json.loads((WORKFLOWS / f"{NAME}.json").read_text(encoding="utf-8"))["nodes"])

DROP = """([data, name]) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], name, { type: 'image/png' }));
    const drop = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: files, clientX: 700, clientY: 500 });
    document.querySelector('#graph-canvas').dispatchEvent(drop);
}"""
COUNT = "(count) => window.app.graph._nodes.length === count"


def test_the_template_browser_shows_a_card_and_opens_it(browser: Any, front_end_server: ComfyServer) -> None:
    with FrontEnd.opened(browser, front_end_server) as front:
        # ComfyUI's own templates are a package that need not be here; without its list front end 1.27 opens none.
        front.page.route("**/templates/index*.json", lambda route: route.fulfill(json=[]))
        shown: list[str] = []
        front.page.on("response", lambda answer: shown.append(answer.url) if answer.status == 200 else None)
        front.page.wait_for_timeout(1000)
        front.close_dialogs()
        front.page.evaluate("() => { window.app.extensionManager.command.execute('Comfy.BrowseTemplates') }")
        search = front.page.locator("input[placeholder^='Search']:visible").last
        search.wait_for(timeout=20_000)
        front.page.get_by_role("dialog").last.get_by_text("latent-inversion", exact=True).first.click()
        front.page.wait_for_timeout(1500)
        titles = [one.removeprefix("template-workflow-") for one in front.page.evaluate(LISTED)]
        assert titles == sorted(titles) and titles[0].startswith("01 Start here"), "from easy to hard"
        search.fill("try on")
        card = front.page.locator(f"[data-testid='template-workflow-{NAME}'] img").first
        card.wait_for(timeout=20_000)
        front.page.wait_for_timeout(1000)
        assert any(url.endswith(f"/workflow_templates/latent-inversion/{quote(NAME)}.jpg") for url in shown)
        card.click()
        front.page.wait_for_function(COUNT, arg=NODES, timeout=20_000)
        assert not front.errors


def test_a_dropped_picture_brings_its_workflow(browser: Any, front_end_server: ComfyServer) -> None:
    with FrontEnd.opened(browser, front_end_server) as front:
        front.close_dialogs()
        data = base64.b64encode((WORKFLOWS / f"{NAME}.png").read_bytes()).decode()
        front.page.evaluate(DROP, [data, f"{NAME}.png"])
        front.page.wait_for_function(COUNT, arg=NODES, timeout=20_000)
        assert not front.errors
