"""The language of what nodes say: the one in ComfyUI's settings, and English for all that cannot be had in it."""

import json
import os
from pathlib import Path

import folder_paths
import pytest

from latent_inversion.nodes.run import progress_texts as words


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ComfyUI's settings of the default user; not there at first."""
    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path))
    path = tmp_path / "default" / "comfy.settings.json"
    path.parent.mkdir()
    return path


def choose(settings: Path, text: str, at: int) -> None:
    settings.write_text(text, encoding="utf-8")
    os.utime(settings, (at, at))


def test_the_chosen_language_is_spoken_and_follows_the_settings(settings: Path) -> None:
    assert words.word("invert") == words.WORDS["invert"]
    seen = {}
    for at, language in enumerate(("de", "ja", "en", "fr"), 1):
        choose(settings, json.dumps({"Comfy.Locale": language}), at)
        seen[language] = words.word("invert")
    assert seen["en"] == words.WORDS["invert"] and seen["de"] == "Invertieren"
    assert len(set(seen.values())) == 4


def test_a_regional_language_is_its_parent(settings: Path) -> None:
    choose(settings, '{"Comfy.Locale": "zh-TW"}', 1)
    assert words.word("encode") == words.translated("zh")["encode"] != words.WORDS["encode"]


@pytest.mark.parametrize(
    "text", ['{"Comfy.Locale": "xx"}', '{"Comfy.Locale": "../../etc"}', "{}", "[1]", "not JSON", ""]
)
def test_what_is_not_known_is_english(settings: Path, text: str) -> None:
    choose(settings, text, 1)
    assert {name: words.word(name) for name in words.WORDS} == words.WORDS


def test_every_language_has_all_words() -> None:
    for path in words.LOCALES.glob("*/main.json"):
        assert words.translated(path.parent.name).keys() == words.WORDS.keys(), path.parent.name
    assert words.translated("en") == words.WORDS
