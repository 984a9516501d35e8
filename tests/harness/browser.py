"""ComfyUI's front end in a headless Chromium: opened on a running server, given a workflow, run, looked at.

with chromium() as browser, FrontEnd.opened(browser, server) as front:
    front.load(workflow)
    front.run()
    front.screenshot(path)
"""

import base64
import importlib.metadata
import importlib.util
import json
import mimetypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import checkouts
from .server import ComfyServer

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FOLDERS = "COMFYUI_FRONT_ENDS"
"""An environment variable: folders (separated as in PATH) into which pip put further versions of the front end."""
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
"""Nothing outside this machine is looked up; a front end that needs something from there fails here."""
READY = (
    "() => window.app?.graph && window.app.extensionManager && window.LiteGraph"
    " && Object.keys(window.LiteGraph.registered_node_types).length > 50"
)
WATCH = """() => {
    window.__ends = [];
    for (const type of ['execution_success', 'execution_error', 'execution_interrupted'])
        window.app.api.addEventListener(type, (event) => window.__ends.push([type, event.detail]));
}"""

DROP = """([data, name, type]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type }));
    const canvas = document.querySelector('#graph-canvas');
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const place = { clientX: left + width / 2, clientY: top + height / 2 };
    for (const kind of ['dragenter', 'dragover', 'drop'])
        canvas.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, composed: true, dataTransfer, ...place }));
}"""


def why_no_browser() -> str | None:
    """What is missing for tests in a browser; None if nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return "no browser: pip install playwright (1.65.2 was seen to work)"
    if program() is None:
        return f"no browser: none of {', '.join(PROGRAMS)} is installed"
    return None


def program() -> str | None:
    """Chromium's path."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def front_end_options(wanted: str) -> tuple[str, ...] | None:
    """The server's options for a version of the front end; None if that version is nowhere."""
    for folder in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        found = importlib.metadata.distributions(path=[folder])
        if any(_is_front_end(one) and one.version == wanted for one in found):
            return ("--front-end-root", str(Path(folder) / "comfyui_frontend_package" / "static"))
    installed = [one.version for one in importlib.metadata.distributions() if _is_front_end(one)]
    return () if wanted in installed else None


def required_front_end(checkout: Path) -> str:
    """The version that a checkout of ComfyUI asks for."""
    return checkouts.required_front_end(checkout / "requirements.txt") or "that ComfyUI names"


def _is_front_end(one: importlib.metadata.Distribution) -> bool:
    return (one.metadata["Name"] or "").replace("_", "-").lower() == "comfyui-frontend-package"


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser that reaches nothing but this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class FrontEnd:
    """One page with ComfyUI's front end. `page` is Playwright's, `said` what its console and failed requests said."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(f"[{message.type}] {message.text}"[:400]))
        page.on("pageerror", lambda error: self.said.append(f"[pageerror] {error.stack or error}"[:4000]))

    @classmethod
    @contextmanager
    def opened(
        cls, browser: Any, server: ComfyServer, *, new_nodes: bool = False, size: tuple[int, int] = (1600, 1000)
    ) -> Iterator["FrontEnd"]:
        """The front end of a running server, ready for use; `new_nodes` draws nodes in Vue instead of on the canvas."""
        settings = {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": new_nodes}
        path = server.base / "user" / "default" / "comfy.settings.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        try:
            front = cls(page)
            page.goto(server.url, wait_until="domcontentloaded")
            page.wait_for_function(READY, timeout=120_000)
            page.evaluate(WATCH)
            yield front
        finally:
            page.close()

    @property
    def errors(self) -> list[str]:
        """What went wrong in the pack's own scripts."""
        return [line for line in self.said if "extensions/latent-inversion" in line]

    def load(self, workflow: dict[str, Any]) -> None:
        """Put a workflow in UI format on the canvas, in full view; again where a slow start put its own there meanwhile."""
        for _ in range(3):
            self.page.evaluate("async (graph) => { await window.app.loadGraphData(graph, true, true) }", workflow)
            self.close_dialogs()
            self.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
            self.page.wait_for_timeout(500)
            if self.page.evaluate("() => window.app.graph._nodes.length") == len(workflow["nodes"]):
                return
        raise AssertionError(f"the canvas does not show the {len(workflow['nodes'])} nodes of the workflow")

    def close_dialogs(self) -> None:
        """Templates, missing models and what else opens by itself."""
        for _ in range(3):
            if not self.page.locator(".p-dialog-mask, .p-dialog").count():
                return
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(300)

    def run(self, *, timeout: float = 120) -> None:
        """Queue what is on the canvas and wait until it has run. Raises AssertionError with the server's error if it fails."""
        self.page.evaluate("() => { window.__ends.length = 0; return window.app.queuePrompt(0, 1) }")
        self.page.wait_for_function("() => window.__ends.length > 0", timeout=1000 * timeout)
        kind, detail = self.page.evaluate("() => window.__ends[0]")
        assert kind == "execution_success", f"{kind}: {detail.get('exception_message')}"

    def press_run(self) -> None:
        """Click the front end's Run button; `ended` waits for what comes of it."""
        self.page.evaluate("() => { window.__ends.length = 0 }")
        button = self.page.get_by_test_id("queue-button")
        (button.locator("button").first if button.locator("button").count() else button).click()

    def ended(self, *, timeout: float = 240) -> tuple[str, dict[str, Any]]:
        """How the run ended: execution_success, execution_error or execution_interrupted, and the server's words of it."""
        self.page.wait_for_function("() => window.__ends.length > 0", timeout=1000 * timeout)
        kind, detail = self.page.evaluate("() => window.__ends[0]")
        return kind, detail

    def turn(self, node_type: str, **values: Any) -> None:
        """Set widgets of every node of a type; there must be one."""
        found = self.page.evaluate(
            """([type, values]) => {
                const nodes = window.app.graph._nodes.filter((one) => one.type === type);
                for (const node of nodes)
                    for (const [name, value] of Object.entries(values))
                        node.widgets.find((one) => one.name === name).value = value;
                return nodes.length;
            }""",
            [node_type, values],
        )
        assert found, f"no {node_type} is on the canvas"

    def drop(self, path: Path) -> None:
        """Drop a file on the middle of the canvas, as from a folder."""
        data = base64.b64encode(path.read_bytes()).decode()
        kind = mimetypes.guess_type(path.name)[0] or ""
        self.page.evaluate(DROP, [data, path.name, kind])

    def prompt(self) -> dict[str, Any]:
        """What the front end would send to the server: the prompt in API format."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def leave_and_return(self) -> None:
        """Open the workflow in the first tab, and then the last one's again."""
        tabs = self.page.locator(".workflow-tabs .p-togglebutton, .workflow-tabs [role=tab], .workflow-tab")
        for tab in (tabs.first, tabs.last):
            tab.click()
            self.page.wait_for_timeout(1000)

    def look_at(self, node_type: str, *, scale: float = 0.8) -> None:
        """Bring the first node of a type to the upper left of the canvas, drawn at `scale`."""
        self.page.evaluate(
            """([type, scale]) => {
                const node = window.app.graph._nodes.find((one) => one.type === type);
                const ds = window.app.canvas.ds;
                ds.scale = scale;
                ds.offset = [120 / scale - node.pos[0], 120 / scale - node.pos[1]];
                window.app.canvas.setDirty(true, true);
            }""",
            [node_type, scale],
        )
        self.page.wait_for_timeout(500)

    def widget(self, node_type: str, name: str) -> Any:
        """The value of a widget of the first node of a type."""
        return self.page.evaluate(
            """([type, name]) => window.app.graph._nodes.find((one) => one.type === type)
                .widgets.find((one) => one.name === name).value""",
            [node_type, name],
        )

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)
