"""Where the ComfyUI checkouts lie that the tests run against.

Standard library only: the Makefile runs this file to learn whether ComfyUI's needs must be installed, and with
`front-ends`, which versions of the front end the tests open beside the one in constraints.txt.
"""

import os
import re
import sys
from pathlib import Path

NOT_FOUND = "no ComfyUI: COMFYUI_PATH is not set, and there is none at ~/comfy/ComfyUI or ~/comfy/ComfyUI-*"
SHIMS = Path(__file__).resolve().parent / "shims"
CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
EVERY_VERSION = bool(os.environ.get("LATENT_INVERSION_EVERY_VERSION"))
"""Whether tests run on all checkouts whose claim does not depend on ComfyUI's version."""
NEWEST_FRONT_END = "1.58.1"
"""Newer than any checkout here requires: who starts ComfyUI with the latest front end has it."""


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


def newest(checkouts: list[Path]) -> Path | None:
    """The checkout of the highest version."""
    return max(checkouts, key=version_of, default=None)


def front_ends() -> list[tuple[Path, str]]:
    """Each checkout with the front end that it requires, and the newest checkout with the newest front end."""
    found = comfy_checkouts()
    own = [(path, required_front_end(path / "requirements.txt") or "") for path in found]
    latest = newest(found)
    return own + ([(latest, NEWEST_FRONT_END)] if latest else [])


def version_of(checkout: Path) -> tuple[int, ...]:
    """ComfyUI's version, as numbers."""
    text = (checkout / "comfyui_version.py").read_text(encoding="utf-8")
    return tuple(map(int, re.findall(r"\d+", text.partition("=")[2])))


def further_front_ends() -> list[str]:
    """The versions that are opened and that the tests' environment does not have."""
    return sorted({version for _, version in front_ends()} - {required_front_end(CONSTRAINTS), ""})


if __name__ == "__main__":
    print(" ".join(further_front_ends()) if "front-ends" in sys.argv else os.pathsep.join(map(str, comfy_checkouts())))
