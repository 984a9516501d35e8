"""Words in the characters of a prompt, in any script, and the tokens in which they lie, however a tokenizer cuts them."""

import re
import unicodedata
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from latent_inversion.inversion_core.backends.diffusers.text import TextEncoder
from latent_inversion.inversion_core.prompts.script import folded, occurrences, words_of
from latent_inversion.inversion_core.prompts.spelling import LETTERS
from latent_inversion.inversion_core.prompts.tokens import align_refine, joined, words_of_pieces
from latent_inversion.toybox.weights import TOKENIZER

SPELLED = {byte: letter for letter, byte in LETTERS.items()}
PROMPTS = {
    "ein Mädchen im Schnee": ["ein", "Mädchen", "im", "Schnee"],
    "un niño, un garçon": ["un", "niño", "un", "garçon"],
    "рыжий кот на снегу": ["рыжий", "кот", "на", "снегу"],
    "η γάτα στο χιόνι": ["η", "γάτα", "στο", "χιόνι"],
    "قطة في الثلج": ["قطة", "في", "الثلج"],
    "एक बिल्ली बर्फ में": ["एक", "बिल्ली", "बर्फ", "में"],
    "눈 속의 고양이가": ["눈", "속의", "고양이가"],
    "a t-shirt, the dog’s x-ray": ["a", "t-shirt", "the", "dog’s", "x-ray"],
    "rock'n'roll at 2.5 km.": ["rock'n'roll", "at", "2.5", "km"],
    "(red) hat...": ["red", "hat"],
    "a cat 🐱 & a dog": ["a", "cat", "🐱", "a", "dog"],
}


def in_bytes(text, start=1):
    """A token for every byte but spaces, as byte-level BPE writes it."""
    return {start + n: SPELLED[byte] for n, byte in enumerate(text.encode()) if byte != ord(" ")}


def read(text, columns, prompt):
    """What the tokens of single bytes at `columns` spell."""
    data = prompt.encode()
    assert list(columns) == sorted(columns)
    return bytes(data[column - 1] for column in columns).decode()


@pytest.mark.parametrize(("prompt", "words"), PROMPTS.items())
def test_words_of_every_script_are_found_to_the_byte(prompt, words):
    tokens = words_of_pieces(in_bytes(prompt), 100, prompt)
    assert list(tokens.named) == words == words_of(prompt)
    for word in words:
        columns = tokens.columns_of(word)
        assert read(prompt, columns, prompt) == word * words.count(word)
        for form in (word.upper(), unicodedata.normalize("NFD", word), word.replace("’", "'").replace("-", "–")):
            assert tokens.columns_of(form) == columns
        assert not tokens.around(word)


@pytest.mark.parametrize(
    ("prompt", "phrase", "count"),
    [
        ("a caterpillar", "cat", 0),
        ("the café", "cafe", 0),
        ("a cat, Cat and CAT", "cat", 3),
        ("a red\n hat", "red hat", 1),
        ("a t-shirt", "shirt", 1),
        ("the dog's bowl", "dog", 1),
        ("2.5", "2.5", 1),
        ("12.5", "2.5", 0),
        ("猫在雪里，一只猫", "猫", 2),
        ("แมวในหิมะ", "แมว", 1),
        ("นี่", "น", 0),
        ("雪の中の猫", "の中の", 1),
        ("고양이가", "고양이", 1),
        ("아기고양이", "고양이", 0),
        ("강", "가", 0),
        ("ÅNGSTRÖM", "ångström", 1),
        ("STRASSE", "straße", 1),
        ("ﬁne ＡＢ", "fine ab", 1),
        ("a cat", "  ", 0),
        ("a cat", "...", 0),
    ],
)
def test_a_word_ends_where_its_script_ends_words(prompt, phrase, count):
    for form in ("NFC", "NFD"):
        assert len(occurrences(unicodedata.normalize(form, prompt), phrase)) == count


def test_without_spaces_a_word_is_what_lies_between_tokens_or_the_tokens_around_it():
    prompt = "小猫和猫"
    tokens = words_of_pieces({0: "å°ıçĮ«", 1: "åĴĮ", 2: "çĮ«"}, 4, prompt)
    assert tokens.named == ("小猫", "和", "猫")
    assert tokens.columns_of("猫") == (2,) and not tokens.around("猫")
    assert tokens.columns_of("小") == (0,) and tokens.around("小") == "小猫"
    assert tokens.columns_of("猫和") == (0, 1) and tokens.around("猫和") == "小猫和"


def test_what_a_vocabulary_lacks_is_found_between_its_neighbours():
    prompt = "a 猫 and собака"
    tokens = words_of_pieces({0: "▁a", 1: "▁", 2: "<unk>", 3: "▁and", 4: "▁", 5: "<unk>", 6: "ак", 7: "а"}, 9, prompt)
    assert tokens.columns_of("猫") == (1, 2) and tokens.columns_of("собака") == (4, 5, 6, 7)
    assert tokens.columns_of("and") == (3,)


def test_bytes_that_sentencepiece_falls_back_to_are_letters():
    tokens = words_of_pieces({0: "▁a", 1: "▁", 2: "<0xE7>", 3: "<0x8C>", 4: "<0xAB>"}, 6, "a 猫")
    assert tokens.columns_of("猫") == (1, 2, 3, 4)


def test_two_encoders_share_words_that_they_cut_differently():
    first = words_of_pieces(
        {1: "t</w>", 2: "-</w>", 3: "shirt</w>", 4: "2</w>", 5: ".</w>", 6: "5</w>"}, 8, "t-shirt 2.5"
    )
    both = joined(first, {0: "▁t", 1: "-", 2: "shirt", 3: "▁2.5"}, 6)
    assert both.columns_of("t-shirt") == (1, 2, 3, 8, 9, 10) and both.columns_of("shirt") == (3, 10)
    assert both.columns_of("2.5") == (4, 5, 6, 11)
    assert [word.text for word in both.words] == ["t", "-", "shirt", "2.5"]


def test_what_one_encoder_does_not_know_is_still_cut_by_the_other():
    first = words_of_pieces({1: "åĽĽ", 2: "çĮ«</w>"}, 4, "四猫")
    both = joined(first, {0: "▁", 1: "<unk>"}, 3)
    assert [word.text for word in both.words] == ["四", "猫"] and [p.known for p in both.pieces] == [
        True,
        True,
        False,
        False,
    ]
    assert both.columns_of("猫") == (2, 4, 5) and both.knows("猫")


def test_words_in_two_writings_are_one_word_to_an_alignment():
    source, target = "ein Mädchen", unicodedata.normalize("NFD", "ein MÄDCHEN")
    alignment = align_refine(*(words_of_pieces(in_bytes(text), 40, text) for text in (source, target)))
    girl = alignment.target.columns_of("Mädchen")
    assert alignment.taken[list(girl)].all()
    assert alignment.matrix[list(alignment.source.columns_of("Mädchen"))].sum() > 0


def test_a_text_that_is_read_otherwise_is_refused():
    with pytest.raises(ValueError, match="reads 'a &#233;' as 'a é', so the words cannot be told apart"):
        words_of_pieces({1: "a</w>", 2: "Ã©</w>"}, 8, "a &#233;")


def test_a_word_behind_what_is_read_is_refused_with_the_reason():
    tokens = words_of_pieces({1: "a</w>", 2: "red</w>"}, 4, "a red hat")
    with pytest.raises(ValueError, match="does not read as far as 'hat'"):
        tokens.columns_of("hat")


SOUP = st.text(st.sampled_from("a bZ9-'.,é\u0301Éß猫雪のแมव्कя 가강고\n\x07\ue000🐱\u200d(ﬁ½"), max_size=24)


@settings(max_examples=200, deadline=None)
@given(SOUP, st.lists(st.integers(1, 7), min_size=1), st.booleans())
def test_any_cut_of_any_text_gives_every_character_its_tokens(prompt, sizes, lower):
    """Tokens are random runs of bytes; a character's tokens are those that hold its bytes."""
    written = prompt.lower() if lower and len(prompt.lower()) == len(prompt) else prompt
    data, pieces, at = written.encode(), {}, 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces[len(pieces)] = "".join(SPELLED[byte] for byte in data[at : at + size])
        at += size
    tokens = words_of_pieces(pieces, len(pieces) + 1, prompt)
    ends = [0]
    for column in pieces:
        ends.append(ends[-1] + len(pieces[column]))
    starts = [len(written[:place].encode()) for place in range(len(written) + 1)]
    holding = [{c for c in pieces if ends[c] < end and ends[c + 1] > start} for start, end in pairwise(starts)]
    seen = {c for held, one in zip(holding, written, strict=True) for c in held if folded(one).strip()}
    for place, character in enumerate(written):
        if character.isalnum():
            found = {piece.column for piece in tokens.pieces if piece.start <= place < piece.end}
            assert found & seen == holding[place]
    columns = [column for word in tokens.words for column in word.columns]
    assert len(columns) == len(set(columns)), "a token is of two words"
    for word in tokens.named:
        assert tokens.columns_of(word)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_toyboxs_encoder_of_diffusers_finds_them_where_its_tokenizers_offsets_say(prompt):
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER, model_max_length=77)
    encoder = TextEncoder(tokenizer, SimpleNamespace(config=SimpleNamespace(max_position_embeddings=77)), most=77)
    offsets = tokenizer(prompt, return_offsets_mapping=True)["offset_mapping"]
    tokens = encoder.words(prompt)
    assert list(tokens.named) == PROMPTS[prompt]
    for word in tokens.named:
        spans = [found.span() for found in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", prompt)]
        here = {at for span in spans for at in range(*span)}
        assert set(tokens.columns_of(word)) == {n for n, span in enumerate(offsets) if here & set(range(*span))}
