"""The words that a person reads: each text stands alone, in ComfyUI's words. Each rule has the words to use instead."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("nodes", "inversion_core", "command_line", "api", "pictures")
ANYWHERE = {
    r"\b(has|have) not\b(?! been)": "does not have",
    r"\b(is|has|are) none\b": "does not exist, does not have",
    r"(?<!There )\b(is|are) no (whole|text|trajectory|model|folder|JSON)\b": "is not a",
    r"\bneed (be|not)\b": "you do not need to",
    r"\band (its|their) kin\b": "and similar",
    r"\bdear\b": "slow, expensive",
    r"(?i)\bthe reason stands\b|\bstands in\b": "is in",
    r"\bshall\b": "should",
    r"(?i)\blikewise\b": "the full sentence",
    r"\bone a line\b|\b[Aa] line a\b": "one per line, one line per",
    r"\b(evaluations?|mask|words?) a (step|word|line)\b": "per step, per word, per line",
    r"\bwith commas between\b": "comma-separated",
    r"\bof a batch the first\b": "only the first image of a batch",
    r"(?i)\b(asks?|asked|told|shown) the network\b|\bnetwork (is|was) (not )?(asked|told|shown)\b": "run the network",
    r"\bqueries ask\b|\basks (the|only)\b|\bforeground asks\b": "attends to",
    r"\bshares? of the (steps|levels)\b": "fraction of the steps",
    r"\bre-creat": "reconstruct, reconstruction",
    r"\bin sight of\b": "while attending to",
    r"\bmade anew\b|\bnoised anew\b": "redrawn, with fresh noise",
    r"\bcontinued (at|to|by)\b": "padded",
    r"\bare wanted\b|\bwanted (is|are)\b": "expected",
    r"\bmodels? of pictures\b|\bVAEs? of (pictures|videos)\b": "image model, video VAE",
    r"\bhold(s)? this (picture|image)\b": "represent",
}
PICTURE = r"(?i)(?<![-`'*/(])\bpictures?\b(?!['*`])"
TOOLTIPS = {
    r"^(Its|It|They|Their|This|That|These|Those|Likewise|The same|Same)\b": "the noun",
    r"(?i)(^|[.;] )(they|it) (are|is|does|acts?|lies|holds)\b": "the noun",
    r"\b(is|are|does|it is);|\bthey are\.$|\bit (does|acts)\.$": "the verb and the noun",
    r"(?i)\bby the same\b|^the same\b": "what it is the same as",
}
"""Of tooltips, which are shown alone."""


def leaves(texts: object) -> Iterator[str]:
    if isinstance(texts, str):
        yield texts
    elif isinstance(texts, dict):
        for part in texts.values():
            yield from leaves(part)


def node_texts() -> Iterator[tuple[str, str]]:
    """The tooltips and descriptions of nodes with where they are."""
    nodes = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
    for name, node in nodes.items():
        yield name, node["description"]
        for kind in ("inputs", "outputs"):
            yield from ((f"{name}.{one['name']}", one["tooltip"]) for one in node[kind].values())


def messages() -> Iterator[tuple[str, str]]:
    """What scripts and progress say."""
    main = json.loads((ROOT / "locales" / "en" / "main.json").read_text(encoding="utf-8"))
    yield from (("main.json", text) for text in leaves(main))


def pages() -> Iterator[tuple[str, str]]:
    """README and help pages by paragraph, without addresses and what is quoted from a widget."""
    for path in (ROOT / "README.md", *sorted((ROOT / "web" / "docs").glob("*.md"))):
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r"\]\([^)]*\)", "]", text)
        for part in re.split(r"\n\s*\n|\n(?=\s*- |\|)", text):
            yield path.name, " ".join(part.split())


def strings(path: Path) -> Iterator[tuple[str, str]]:
    """The sentences in a file of code: strings of three words and more that are no docstrings, {} where a value goes."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
    for node in ast.walk(module):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if text.count(" ") >= 2 and not re.search(r"(^|\s)_(\s|$)|\*space|\*other|->|^masks |^batch |^pictures ", text):
            yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def sentences() -> Iterator[tuple[str, str]]:
    for room in CODE:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield from strings(path)


SHOWN = ("title", "label", "name", "description", "BlueprintDescription")


def graphs() -> Iterator[tuple[str, str]]:
    """What templates and blueprints say: titles, labels, descriptions, notes."""
    for room in ("workflows", "subgraphs"):
        for path in sorted((ROOT / room).glob("*.json")):
            yield path.name, path.stem
            yield from ((path.name, text) for text in said_in(json.loads(path.read_text(encoding="utf-8"))))


def said_in(part: object) -> Iterator[str]:
    """The texts of a graph that a person reads."""
    if isinstance(part, list):
        for one in part:
            yield from said_in(one)
    elif isinstance(part, dict):
        if part.get("type") == "MarkdownNote":
            yield from part["widgets_values"]
        for name, one in part.items():
            if name in SHOWN and isinstance(one, str):
                yield one
            else:
                yield from said_in(one)


SOURCES = {"nodes": node_texts, "messages": messages, "pages": pages, "code": sentences, "graphs": graphs}


@pytest.mark.parametrize("source", SOURCES)
def test_no_text_has_words_that_need_translating(source: str) -> None:
    wrong = [
        f"{where}: {text!r}: say {instead!r} for {found[0]!r}"
        for where, text in SOURCES[source]()
        for pattern, instead in ANYWHERE.items()
        if (found := re.search(pattern, text))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source", SOURCES)
def test_an_image_is_called_image(source: str) -> None:
    """The sockets are called IMAGE; choices, names of files and of options keep their names."""
    wrong = [
        f"{where}: {text!r}: say 'image'"
        for where, text in SOURCES[source]()
        if re.search(PICTURE, re.sub(r"expected pictures|\{\w*picture\w*\}|test picture", "", text))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_tooltip_stands_alone() -> None:
    wrong = [
        f"{where}: {text!r}: say {instead} for {found[0]!r}"
        for where, text in node_texts()
        for pattern, instead in TOOLTIPS.items()
        if (found := re.search(pattern, text))
    ]
    assert not wrong, "\n".join(wrong)


def test_an_error_ends_with_what_to_do() -> None:
    """What a node refuses is two sentences, the second an imperative; a colon or semicolon does not part them."""
    wrong = [
        f"{where}: {text!r}"
        for where, text in sentences()
        if where.startswith("nodes/") and re.search(r"^[A-Z{].*; (connect|give|set|paint|use|choose|take) ", text)
        if not re.search(r"\. [A-Z][a-z]+ ", text)
    ]
    assert not wrong, "\n".join(wrong)
