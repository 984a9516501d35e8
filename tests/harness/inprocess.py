"""ComfyUI imported into this process, on the CPU and without a server.

Two versions cannot live in one process, so only tests in `tests/comfy_inprocess/` use this: they run in a
process of their own for each checkout.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from .checkouts import SHIMS
from .events import Event, Result
from .server import FOLDERS, PromptRejected


def boot(checkout: Path) -> None:
    """Makes `comfy.*` importable from `checkout`, with the CPU as its device."""
    if "comfy" in sys.modules:
        raise RuntimeError("a ComfyUI is already imported in this process")
    sys.path[:0] = [str(checkout), str(SHIMS)]
    import utils.extra_config  # noqa: F401  (as main.py: nodes.py then puts a folder before it that has another `utils`)
    from comfy.cli_args import args

    args.cpu = True


class Executor:
    """ComfyUI's own executor without a server: it runs prompts as `ComfyServer` does, and takes the server's place in it."""

    client_id, last_node_id = "tests", None
    sockets_metadata: Mapping[str, Any] = {}

    def __init__(self, base: Path, *, extras: Iterable[str], packs: Iterable[Path], nodes: Iterable[type]) -> None:
        import execution
        import folder_paths

        import nodes as host

        self.base, self.events = base, list[Event]()
        for name in FOLDERS:
            (base / name).mkdir()
        for kind in ("input", "output", "temp"):
            getattr(folder_paths, f"set_{kind}_directory")(str(base / kind))
        for name in extras:
            path = Path(host.__file__).parent / "comfy_extras" / f"{name}.py"
            assert asyncio.run(host.load_custom_node(str(path), module_parent="comfy_extras")), name
        for path in packs:
            assert asyncio.run(host.load_custom_node(str(path))), path
        host.NODE_CLASS_MAPPINGS |= {node.__name__: node for node in nodes}
        self.nodes = host.NODE_CLASS_MAPPINGS
        self.executor = execution.PromptExecutor(self, False, {"ram": 16.0, "ram_inactive": 16.0, "lru": 0})

    def object_info(self) -> dict[str, Any]:
        info = {
            name: {"input": node.INPUT_TYPES(), "output": list(node.RETURN_TYPES)} for name, node in self.nodes.items()
        }
        return json.loads(json.dumps(info, default=str))

    def send_sync(self, event: str, data: Any, client: str | None = None) -> None:
        """What the executor sends to a browser."""
        if not isinstance(event, int):  # pictures
            self.events.append(Event(event, data))

    def submit(self, prompt: dict[str, Any]) -> list[str]:
        """Judges a prompt; returns the nodes that it asks for. Raises PromptRejected."""
        import execution

        valid, error, outputs, node_errors = asyncio.run(execution.validate_prompt("prompt", prompt, None))
        if not valid:
            raise PromptRejected(400, {"error": error, "node_errors": node_errors})
        return outputs

    def run(self, prompt: dict[str, Any], *, check: bool = True) -> Result:
        self.events.clear()
        outputs = self.submit(prompt)
        self.executor.execute(prompt, "prompt", {"client_id": self.client_id}, outputs)
        result = Result("prompt", tuple(self.events), self.executor.history_result)
        if check:
            result.check()
        return result

    def images(self, result: Result, node: str) -> list[Image.Image]:
        """The pictures that a node put out."""
        files = result.outputs[node]["images"]
        return [Image.open(self.base / f["type"] / f["subfolder"] / f["filename"]).copy() for f in files]
