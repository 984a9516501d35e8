"""What the scripts of the pack say: every message that they ask for exists, and none is left over."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "locales"
SCRIPTS = [path for path in sorted((ROOT / "web").glob("*.js")) if path.name != "messages.js"]
TABLE = re.compile(r"^const ENGLISH = \{\n(.*?)^\};", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(r'^\s+(\w+):\s*((?:"[^"]*"(?:\s*\+\s*)?)+),$', re.MULTILINE)


def messages(language: str) -> dict[str, str]:
    texts = json.loads((LOCALES / language / "main.json").read_text(encoding="utf-8"))
    return texts["latentInversion"]["messages"]


def table() -> dict[str, str]:
    """The English messages that the module falls back to."""
    found = TABLE.search((ROOT / "web" / "messages.js").read_text(encoding="utf-8"))
    assert found
    return {name: "".join(re.findall(r'"([^"]*)"', text)) for name, text in ENTRY.findall(found[1])}


def asked_for() -> set[str]:
    """The ids in calls of `t` in the scripts, and those that the server sends with their values."""
    texts = [path.read_text(encoding="utf-8") for path in SCRIPTS]
    return {name for text in texts for name in re.findall(r'(?<![\w.])t\("(\w+)"', text)} | set(sentences())


def sentences() -> dict[str, str]:
    """The sentences of the verdict as the server says them."""
    module = ast.parse((ROOT / "nodes" / "looking" / "report_verdict.py").read_text(encoding="utf-8"))
    given = {ast.unparse(one.targets[0]): one.value for one in module.body if isinstance(one, ast.Assign)}
    return ast.literal_eval(given["SENTENCES"])


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_scripts_ask_for_messages_that_exist_and_for_all_of_them() -> None:
    assert asked_for() == set(messages("en"))


def test_the_module_falls_back_to_the_same_english() -> None:
    assert table() == messages("en")


def test_the_server_says_the_verdict_in_the_same_english() -> None:
    english = messages("en")
    assert sentences() == {name: english[name] for name in sentences()}


@pytest.mark.parametrize("language", sorted(path.parent.name for path in LOCALES.glob("*/main.json")))
def test_translations_have_the_messages_and_their_values(language: str) -> None:
    english, here = messages("en"), messages(language)
    assert set(here) == set(english)
    wrong = [name for name, text in here.items() if placeholders(text) != placeholders(english[name]) or not text]
    assert not wrong
