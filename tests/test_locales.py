"""The pack's texts in seven languages: complete, of today's English, and with the words in them that must stay."""

import importlib.util
import json
import re
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

from harness.server import ComfyServer

ROOT = Path(__file__).resolve().parent.parent


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("locales_tool", ROOT / "tools" / "locales.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()
ENGLISH = TOOL.english()


def catalogue(language: str) -> dict[str, str]:
    return TOOL.read(TOOL.CATALOGUES / f"{language}.json")


def test_english_is_what_the_nodes_say(comfy_server: ComfyServer) -> None:
    assert ENGLISH["nodeDefs.json"] == TOOL.node_texts(comfy_server.object_info()), "python tools/locales.py english"


def test_every_input_and_output_has_a_tooltip() -> None:
    for name, node in ENGLISH["nodeDefs.json"].items():
        assert node["description"], name
        for kind in ("inputs", "outputs"):
            assert all(texts.get("tooltip") for texts in node[kind].values()), (name, kind)


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_nothing_is_missing_and_nothing_stale(language: str) -> None:
    missing, stale = TOOL.differences(language)
    assert not missing, f"{language} lacks {missing}"
    assert not stale, f"{language} translates what English does not say any more: {stale}"


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_the_files_are_those_of_the_catalogue(language: str) -> None:
    for name, texts in TOOL.compiled(language).items():
        assert TOOL.read(TOOL.LOCALES / language / name) == texts, "python tools/locales.py compile"


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_placeholders_and_numbers_survive(language: str) -> None:
    for text, translation in catalogue(language).items():
        for pattern in (r"\{\w+\}", r"\d+(?:\.\d+)?"):
            assert sorted(re.findall(pattern, translation)) == sorted(re.findall(pattern, text)), (text, translation)


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_sentences_are_translated(language: str) -> None:
    same = [text for text, translation in catalogue(language).items() if text == translation and text.count(" ") >= 4]
    assert not same, f"{language} leaves in English: {same}"


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_choices_keep_the_names_that_they_have_in_the_list(comfy_server: ComfyServer, language: str) -> None:
    """The front end shows a list's choices in English: a tooltip that explains 'refine: ...' must call it so."""
    texts = TOOL.compiled(language)["nodeDefs.json"]
    for name, node in comfy_server.object_info().items():
        if name not in texts:
            continue
        for entries in node["input"].values():
            for own, spec in entries.items():
                options = spec[0] if isinstance(spec[0], list) else TOOL.options_of(spec).get("options", [])
                english = TOOL.options_of(spec).get("tooltip", "")
                told = texts[name]["inputs"].get(own, {}).get("tooltip", "") if isinstance(options, list) else ""
                for option in filter(lambda o: isinstance(o, str) and f"{o}:" in english, options):
                    assert option in told, (language, name, own, option)


def test_the_server_serves_them(comfy_server: ComfyServer) -> None:
    with urllib.request.urlopen(f"{comfy_server.url}/i18n", timeout=30) as answer:
        served = json.loads(answer.read())
    for language in ("en", *TOOL.LANGUAGES):
        own = TOOL.read(TOOL.LOCALES / language / "nodeDefs.json")
        assert all(served[language]["nodeDefs"][name] == node for name, node in own.items())


def test_a_composed_text_is_translated_by_its_sentences_and_its_names_stay() -> None:
    catalogue = {"ddim: the rule.": "ddim：规则。", "h-Edit: freer.": "h-Edit：更自由。", "They are:": "可选："}
    assert TOOL.translated("ddim: the rule. h-Edit: freer.", catalogue, "zh") == "ddim：规则。h-Edit：更自由。"
    assert TOOL.translated("ddim: the rule. h-Edit: freer.", catalogue, "fr") == "ddim：规则。 h-Edit：更自由。"
    assert TOOL.translated("They are:\nddim, h-Edit", catalogue, "zh") == "可选：\nddim, h-Edit"
    assert TOOL.translated("ddim: the rule. new: unknown.", catalogue, "zh") == "ddim：规则。new: unknown."
