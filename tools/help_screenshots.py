"""The pictures of the help pages of nodes that are used in the browser: the nodes themselves, in ComfyUI's front end.

    python tools/help_screenshots.py [InversionBeforeAfter ...]

needs Playwright, Chromium, and the front end that the newest ComfyUI found asks for (as the tests in tests/browser).
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from help_pictures_more import DOCS, ROOT, Album, write
from PIL import Image

from harness.browser import FrontEnd, chromium, front_end_options, required_front_end
from harness.checkouts import comfy_checkouts
from harness.server import ComfyServer

SCALE, EDGE = 1.25, 14
ALONE = """([type, width, height]) => {
    const node = window.app.graph._nodes.find((one) => one.type === type);
    node.pos = [9000, 9000];
    node.setSize([width, height]);
}"""
"""Brings the node to where no other is, at a size of its own."""


def before_after(front: FrontEnd, server: ComfyServer) -> None:
    """An edit under the line, which stands a little to the left."""
    book = Album(server, seed=23, change="place: desert")
    edited = book.sample(attention_edit=book.attention, guidance=4.0, strength=0.7)
    given = {"before": book.scene, "after": book.decoded(edited), "reconstruction": book.decoded(edited[1])}
    book.graph.add("InversionBeforeAfter", **given)
    front.page.evaluate("(prompt) => window.app.loadApiJson(prompt, 'help')", book.graph.prompt)
    front.run(timeout=600)


def load_trajectory(front: FrontEnd, server: ComfyServer) -> None:
    """Three saved trajectories and their cards."""
    for seed, name in ((57, "rabbit"), (69, "cat"), (31, "bear")):
        book = Album(server, seed=seed, change="style: painting")
        given = {"trajectory": book.inverted, "filename_prefix": name, "image": book.scene}
        book.graph.add("InversionSaveTrajectory", **given)
        server.run(book.graph.prompt)
    prompt = {"1": {"class_type": "InversionLoadTrajectory", "inputs": {"file": FILE}}}
    front.page.reload()
    front.page.wait_for_function("() => window.app?.graph && window.app.extensionManager", timeout=120_000)
    front.page.wait_for_timeout(4000)
    front.close_dialogs()
    front.page.evaluate("(prompt) => window.app.loadApiJson(prompt, 'help')", prompt)


FILE = "bear_00001_.trajectory.safetensors [output]"
SHOTS: dict[str, tuple[Callable[[FrontEnd, ComfyServer], None], tuple[int, int]]] = {
    "InversionBeforeAfter": (before_after, (400, 560)),
    "InversionLoadTrajectory": (load_trajectory, (440, 420)),
}
"""What is brought into the browser for each node, and how large the node is drawn."""


def shot(front: FrontEnd, server: ComfyServer, node: str) -> Image.Image:
    """The node as the browser draws it."""
    prepare, size = SHOTS[node]
    prepare(front, server)
    front.close_dialogs()
    front.page.evaluate(ALONE, [node, *size])
    front.look_at(node, scale=SCALE)
    front.page.wait_for_timeout(2000)
    width, height = (SCALE * one for one in front.page.evaluate(SIZE, node))
    title = 30 * SCALE
    clip: dict[str, Any] = {"x": 120 - EDGE, "y": 120 - title - 2}
    clip |= {"width": width + 2 * EDGE, "height": height + title + 2 + EDGE}
    data = front.page.screenshot(clip=clip)
    return Image.open(io.BytesIO(data)).convert("RGB")


SIZE = "(type) => [...window.app.graph._nodes.find((one) => one.type === type).size]"


def main(names: list[str]) -> None:
    checkout = comfy_checkouts()[-1]
    options = front_end_options(required_front_end(checkout))
    if options is None:
        raise SystemExit("The front end that this ComfyUI asks for is not here: set COMFYUI_FRONT_ENDS.")
    with tempfile.TemporaryDirectory() as base, chromium() as browser:
        packs = {"latent-inversion": ROOT}
        with ComfyServer(checkout, Path(base), packs=packs, options=options) as server:
            for name in names or SHOTS:
                with FrontEnd.opened(browser, server, size=(1100, 1000)) as front:
                    write(shot(front, server, name), DOCS / f"{name}.jpg")


if __name__ == "__main__":
    main(sys.argv[1:])
