"""The pack's texts in ComfyUI's languages: English from the nodes' schemas, the others from catalogues.

    python tools/locales.py english       writes locales/en/nodeDefs.json from the nodes as a ComfyUI lists them
    python tools/locales.py missing de    what tools/translations/de.json lacks, and what it has too much
    python tools/locales.py compile       writes locales/<language>/*.json from the catalogues of all languages

A catalogue holds each English text once, with its translation: whole, or where nodes compose it, sentence by sentence
(`sentences`). Texts that a person reads in the browser come from locales/en/main.json, which is written by hand.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCALES, CATALOGUES = ROOT / "locales", ROOT / "tools" / "translations"
FILES = ("nodeDefs.json", "main.json")
LANGUAGES = ("zh", "ja", "ko", "es", "fr", "de")
UNSPACED = ("zh", "ja")  # languages that put no space between sentences


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write(path: Path, texts: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n")


def node_texts(info: Mapping[str, Any]) -> dict[str, Any]:
    """What locales/en/nodeDefs.json says of the pack's nodes, from a server's /object_info."""
    return {name: _texts_of(node) for name, node in sorted(info.items()) if "latent-inversion" in node["python_module"]}


def _texts_of(node: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {name: spec for kind in ("required", "optional") for name, spec in node["input"].get(kind, {}).items()}
    tooltips = node.get("output_tooltips") or [None] * len(node["output"])
    outputs = zip(node["output_name"], tooltips, strict=True)
    return {
        "display_name": node["display_name"],
        "description": node["description"],
        "inputs": {name: _texts(options_of(spec).get("display_name") or name, spec) for name, spec in inputs.items()},
        "outputs": {str(n): {"name": name, **_tooltip(tip)} for n, (name, tip) in enumerate(outputs)},
    }


def _texts(name: str, spec: Any) -> dict[str, str]:
    return {"name": name, **_tooltip(options_of(spec).get("tooltip"))}


def _tooltip(text: str | None) -> dict[str, str]:
    return {"tooltip": text} if text else {}


def options_of(spec: Any) -> dict[str, Any]:
    """The options of an input as /object_info gives it."""
    return spec[1] if len(spec) > 1 else {}


def leaves(texts: Any) -> Iterator[str]:
    """Every text in a tree of them."""
    if isinstance(texts, str):
        yield texts
    else:
        for part in texts.values():
            yield from leaves(part)


def mapped(texts: Any, change: Callable[[str], str]) -> Any:
    """The same tree of changed texts."""
    return change(texts) if isinstance(texts, str) else {key: mapped(part, change) for key, part in texts.items()}


def english() -> dict[str, dict[str, Any]]:
    """The English texts by file."""
    return {name: read(LOCALES / "en" / name) for name in FILES}


def sentences(text: str) -> list[str]:
    """A composed text's parts, each translated by itself: what stands before a choice ("name: what it does."), and each choice."""
    return re.split(r"(?<=\.) (?=[^.:]+: )", text)


def translated(text: str, catalogue: Mapping[str, str], language: str) -> str:
    """A text as the catalogue has it, whole or by its sentences; what lacks stays English, and so do names after a line break."""
    if catalogue.get(text):
        return catalogue[text]
    first, *names = text.split("\n")
    gap = "" if language in UNSPACED else " "
    return "\n".join([gap.join(catalogue.get(part) or part for part in sentences(first)), *names])


def differences(language: str) -> tuple[list[str], list[str]]:
    """English texts that a catalogue has no translation of, and texts in it that are English no more."""
    there, wanted = read(CATALOGUES / f"{language}.json"), dict[str, None]()
    for text in leaves(english()):
        wanted |= dict.fromkeys([text] if there.get(text) else sentences(text.split("\n")[0]))
    return [text for text in wanted if not there.get(text)], [text for text in there if text not in wanted]


def compiled(language: str) -> dict[str, Any]:
    """A language's files by name; what is not translated stays English."""
    catalogue = read(CATALOGUES / f"{language}.json")
    return mapped(english(), lambda text: translated(text, catalogue, language))


def from_a_server() -> dict[str, Any]:
    """/object_info of the first ComfyUI that is found, with this pack."""
    sys.path.insert(0, str(ROOT / "tests"))
    from harness.checkouts import comfy_checkouts
    from harness.server import ComfyServer

    with (
        tempfile.TemporaryDirectory() as base,
        ComfyServer(comfy_checkouts()[0], Path(base), packs={"latent-inversion": ROOT}) as server,
    ):
        return server.object_info()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("english", "missing", "compile"))
    parser.add_argument("language", nargs="?", choices=LANGUAGES)
    chosen = parser.parse_args()
    languages = [chosen.language] if chosen.language else LANGUAGES
    if chosen.command == "english":
        write(LOCALES / "en" / "nodeDefs.json", node_texts(from_a_server()))
    for language in languages if chosen.command != "english" else ():
        if chosen.command == "compile":
            for name, texts in compiled(language).items():
                write(LOCALES / language / name, texts)
        else:
            missing, stale = differences(language)
            print(json.dumps({"language": language, "missing": missing, "stale": stale}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
