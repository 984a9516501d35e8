"""ComfyUI imported into this process, on the CPU and without a server.

Two versions cannot live in one process, so only tests in `tests/comfy_inprocess/` use this: they run in a
process of their own for each checkout.
"""

import sys
from pathlib import Path

from .checkouts import SHIMS


def boot(checkout: Path) -> None:
    """Makes `comfy.*` importable from `checkout`, with the CPU as its device."""
    if "comfy" in sys.modules:
        raise RuntimeError("a ComfyUI is already imported in this process")
    sys.path[:0] = [str(checkout), str(SHIMS)]
    import utils.extra_config  # noqa: F401  (as main.py: nodes.py then puts a folder before it that has another `utils`)
    from comfy.cli_args import args

    args.cpu = True
