"""What the pack adds to the start of ComfyUI: python benchmarks/startup.py COMFYUI [RUNS].

Each run is a process of its own, with ComfyUI's packages around it. It imports what ComfyUI has when it comes to its packs,
then loads this pack as ComfyUI does and asks every node for its schema. Given are medians of CPU seconds, which other work
on the machine hardly changes, and of seconds on the clock, after a first start that compiles the files.
"""

import asyncio
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5


def load_comfyui(folder: Path) -> None:
    """What is imported by the time that packs are loaded."""
    sys.path.insert(0, str(folder))
    import utils.extra_config  # noqa: F401  (before nodes.py puts a folder in front that has another `utils`)
    from comfy.cli_args import args

    args.cpu = True
    for name in ("server", "execution", "nodes", "comfy.sd", "comfy.samplers", "latent_preview", "comfy_api.latest"):
        importlib.import_module(name)


def load_pack() -> list[type]:
    """The pack's node classes, loaded from its folder under ComfyUI's kind of name, schemas made."""
    spec = importlib.util.spec_from_file_location(
        "custom_nodes.pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    async def nodes() -> list[type]:
        return await (await module.comfy_entrypoint()).get_node_list()

    found = asyncio.run(nodes())
    for node in found:
        node.GET_SCHEMA()
    return found


def watched_files() -> list[str]:
    """A list that names every file of weights that is opened from now on."""
    import safetensors
    import safetensors.torch

    opened: list[str] = []
    for module, name in (
        (safetensors, "safe_open"),
        (safetensors.torch, "safe_open"),
        (safetensors.torch, "load_file"),
    ):
        usual = getattr(module, name)

        def told(file: Any, *rest: Any, usual: Any = usual, **options: Any) -> Any:
            opened.append(str(file))
            return usual(file, *rest, **options)

        setattr(module, name, told)
    return opened


def timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """The seconds, of the CPU and on the clock, that `work` took, and its result."""
    cpu, clock = time.process_time(), time.perf_counter()
    result = work()
    return (time.process_time() - cpu, time.perf_counter() - clock), result


def once(folder: Path) -> dict[str, Any]:
    """One start: seconds of ComfyUI's imports and of the pack, and which modules and weights the pack brought."""
    comfyui, _ = timed(lambda: load_comfyui(folder))
    before, opened = set(sys.modules), watched_files()
    pack, nodes = timed(load_pack)
    return {
        "comfyui": comfyui,
        "pack": pack,
        "nodes": len(nodes),
        "modules": sorted(set(sys.modules) - before),
        "weights": opened,
    }


def start(folder: Path) -> dict[str, Any]:
    """`once`, in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--once"]
    cached = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(command, env=cached, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def main(folder: Path, runs: int) -> None:
    starts = [start(folder) for _ in range(runs + 1)][1:]
    for name, what in (("comfyui", "ComfyUI's imports"), ("pack", f"the pack's {starts[0]['nodes']} nodes")):
        cpu, clock = (statistics.median(one[name][kind] for one in starts) for kind in (0, 1))
        print(f"{what}: {cpu:.3f} s of the CPU, {clock:.3f} s on the clock")
    kinds = sorted({name.split(".")[0] for name in starts[0]["modules"]})
    print(f"{len(starts[0]['modules'])} modules more, of {', '.join(kinds)}; median of {runs} starts")


if __name__ == "__main__":
    if sys.argv[2:] == ["--once"]:
        print(json.dumps(once(Path(sys.argv[1]).resolve())))
    else:
        main(Path(sys.argv[1]).expanduser().resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else RUNS)
