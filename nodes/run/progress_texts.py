"""What nodes say while they run, in the language that the user chose for ComfyUI."""

import json
from functools import lru_cache
from pathlib import Path

import folder_paths

from ...inversion_core.prompts.reading import AROUND, UNKNOWN

LOCALES = Path(__file__).resolve().parents[2] / "locales"
WORDS = {
    "load": "loading the model",
    "encode": "encoding",
    "refine": "refining the latent",
    "invert": "inverting",
    "null-text": "optimising",
    "edit": "editing",
    "look": "reading attention maps",
    "mask": "computing the mask",
    "around": AROUND,
    "unknown": UNKNOWN,
    "decode": "decoding",
    "step": "{doing}, step {step} of {total}",
    "named": "{name}: {text}",
    "left": "{text}, {time} left",
    "done": "done in {time}",
    "cancelled": "cancelled after {time}",
    "failed": "stopped by an error after {time}",
    "without": "{text}; left out: {names}",
    "seconds": "{number} s",
    "minutes": "{number} min",
    "hours": "{number} h",
}
"""All that is said on a node: what it does, and the sentences that this stands in. Other languages have them in
`locales/<language>/main.json`, under latentInversion.progress."""


def word(name: str) -> str:
    """One of `WORDS` in the user's language; in English where it has none."""
    return translated(chosen_language()).get(name) or WORDS[name]


def chosen_language() -> str:
    """The language in ComfyUI's settings, such as "fr"; English if none was chosen or the settings cannot be read."""
    path = Path(folder_paths.get_user_directory(), "default", "comfy.settings.json")
    try:
        return _language_in(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, AttributeError):
        return "en"


@lru_cache(maxsize=1)
def _language_in(path: Path, changed: int) -> str:
    return str(json.loads(path.read_text(encoding="utf-8")).get("Comfy.Locale", "en"))


@lru_cache
def translated(language: str) -> dict[str, str]:
    """The words of a language, of "zh-TW" if need be those of "zh"; empty if there are none."""
    known = {path.parent.name: path for path in LOCALES.glob("*/main.json")}
    path = known.get(language) or known.get(language.split("-")[0])
    if path is None:
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8"))["latentInversion"]["progress"])


def duration(seconds: float, *, digits: int = 1) -> str:
    """A time in one unit, never none; `digits` after the point of less than ten seconds."""
    for unit, size, least in (("hours", 3600, 5400), ("minutes", 60, 90)):
        if seconds >= least:
            return word(unit).format(number=f"{seconds / size:.0f}")
    return word("seconds").format(number=f"{max(seconds, 10**-digits):.{digits if seconds < 10 else 0}f}")
