"""Where the ComfyUI checkouts lie that the tests run against.

Standard library only: the Makefile runs this file to learn whether ComfyUI's needs must be installed, and with
`front-ends`, which versions of the front end the checkouts require beside the one in constraints.txt.
"""

import os
import re
import sys
from pathlib import Path

NOT_FOUND = "no ComfyUI: COMFYUI_PATH is not set, and there is none at ~/comfy/ComfyUI or ~/comfy/ComfyUI-*"
SHIMS = Path(__file__).resolve().parent / "shims"
CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"


def comfy_checkouts() -> list[Path]:
    """COMFYUI_PATH's checkouts (separated as in PATH), else those under ~/comfy."""
    named = [Path(p).expanduser() for p in os.environ.get("COMFYUI_PATH", "").split(os.pathsep) if p]
    for path in named:
        if not (path / "main.py").is_file():
            raise FileNotFoundError(f"COMFYUI_PATH names {path}, but that is no ComfyUI: it has no main.py")
    home = Path("~/comfy").expanduser()
    usual = [home / "ComfyUI", *sorted(home.glob("ComfyUI-*"))]
    return [p.resolve() for p in named or usual if (p / "main.py").is_file()]


def required_front_end(requirements: Path) -> str | None:
    """The version of the front end that a file of requirements asks for."""
    text = requirements.read_text(encoding="utf-8")
    found = re.search(r"^comfyui[-_]frontend[-_]package==(\S+)", text, re.MULTILINE)
    return found[1] if found else None


def further_front_ends() -> list[str]:
    """The versions that the checkouts ask for and the tests' environment does not have."""
    wanted = {required_front_end(checkout / "requirements.txt") for checkout in comfy_checkouts()}
    return sorted(filter(None, wanted - {required_front_end(CONSTRAINTS)}))


if __name__ == "__main__":
    print(" ".join(further_front_ends()) if "front-ends" in sys.argv else os.pathsep.join(map(str, comfy_checkouts())))
