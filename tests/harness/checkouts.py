"""Where the ComfyUI checkouts lie that the tests run against.

Standard library only: the Makefile runs this file to learn whether ComfyUI's needs must be installed.
"""

import os
from pathlib import Path

NOT_FOUND = "no ComfyUI: COMFYUI_PATH is not set, and there is none at ~/comfy/ComfyUI or ~/comfy/ComfyUI-*"
SHIMS = Path(__file__).resolve().parent / "shims"


def comfy_checkouts() -> list[Path]:
    """COMFYUI_PATH's checkouts (separated as in PATH), else those under ~/comfy."""
    named = [Path(p).expanduser() for p in os.environ.get("COMFYUI_PATH", "").split(os.pathsep) if p]
    for path in named:
        if not (path / "main.py").is_file():
            raise FileNotFoundError(f"COMFYUI_PATH names {path}, but that is no ComfyUI: it has no main.py")
    home = Path("~/comfy").expanduser()
    usual = [home / "ComfyUI", *sorted(home.glob("ComfyUI-*"))]
    return [p.resolve() for p in named or usual if (p / "main.py").is_file()]


if __name__ == "__main__":
    print(os.pathsep.join(map(str, comfy_checkouts())))
