"""What the toybox cannot do is said in a sentence, where it happens."""

from typing import Any

import pytest

from latent_inversion.command_line.models import load_toybox
from latent_inversion.toybox.limits import COMMAND_LINE, NODES, about_words
from latent_inversion.toybox.world import caption, held_out_scenes, world_words


@pytest.fixture(scope="module")
def studio() -> Any:
    return load_toybox()


@pytest.mark.parametrize("text", ["", "A CAT, in the Snow!", "(a grey bunny)... day-night", " ".join(world_words())])
def test_words_of_its_world_are_known_however_they_are_written(text: str) -> None:
    assert about_words(text, NODES) == ""


def test_every_caption_is_known() -> None:
    assert not any(about_words(caption(scene), NODES) for scene in held_out_scenes(200))


@pytest.mark.parametrize(
    ("text", "named"),
    {
        "a photo of a Tiger": "the word 'Tiger'.",
        "a tiger, a tiger in a t-shirt": "the words 'tiger', 't-shirt'.",
        "two cats; 3 dogs!": "the words 'two', 'cats', '3', 'dogs'.",
        "a cat in Zürich, 漢字": "the words 'Zürich', '漢字'.",
        " ".join(f"word{chr(97 + n)}" for n in range(9)): "'wordf' and 3 more.",
    }.items(),
)
def test_unknown_words_are_named_with_the_known_ones(text: str, named: str) -> None:
    said = about_words(text, NODES)
    assert named in said and "It knows: cat, dog, rabbit, bear," in said
    assert said.endswith("For other words, use a real model: the templates for your own photo.")


@pytest.mark.parametrize("family", ["unet", "flow"])
def test_its_studios_refuse_unknown_words_before_they_count_tokens(family: str) -> None:
    studio = load_toybox(family=family)
    long = "a photo of a majestic tiger that walks through the dense green jungle at dawn"
    for read in (studio.cond, studio.prompt_tokens, lambda text: studio.cond("a cat", 3.0, text)):
        with pytest.raises(ValueError, match=f"does not know the words 'majestic', 'tiger'.*{COMMAND_LINE}"):
            read(long)
    studio.cond("a photo of a cat", 3.0)
