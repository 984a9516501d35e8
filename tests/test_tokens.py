"""Word alignment between prompts: repeated words, words of several tokens, insertions, deletions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_inversion.inversion_core.attention.tokens import (
    PromptTokens,
    Word,
    joined,
    refine,
    replace,
    words_of_pieces,
)


def tokens(text, length=16):
    """Words of `text`; `dog*3` is a word of three tokens."""
    words, column = [], 1
    for item in text.split():
        word, _, size = item.partition("*")
        words.append(Word(word, tuple(range(column, column + int(size or 1)))))
        column += int(size or 1)
    return PromptTokens(tuple(words), length)


def answers(alignment, text):
    """The source columns that the target's word takes its attention from."""
    columns = alignment.target.columns_of(text)
    return [alignment.matrix[:, c].nonzero().flatten().tolist() for c in columns]


def test_clip_pieces_become_words():
    pieces = dict(enumerate(["a</w>", "por", "cu", "pine</w>", ",</w>", "hat</w>"], start=1))
    found = words_of_pieces(pieces, 77)
    assert [(w.text, w.columns) for w in found.words] == [
        ("a", (1,)),
        ("porcupine", (2, 3, 4)),
        (",", (5,)),
        ("hat", (6,)),
    ]


def test_sentencepiece_pieces_become_words():
    found = words_of_pieces({0: "▁a", 1: "▁por", 2: "cupine"}, 8)
    assert [(w.text, w.columns) for w in found.words] == [("a", (0,)), ("porcupine", (1, 2))]


def test_columns_of_finds_every_occurrence_and_phrases():
    prompt = tokens("a red cat and a red*2 hat")
    assert prompt.columns_of("Red") == (2, 6, 7)
    assert prompt.columns_of("red hat") == (6, 7, 8)
    with pytest.raises(ValueError, match="Its words are: a, red, cat, and, a, red, hat"):
        prompt.columns_of("blue")
    with pytest.raises(ValueError):
        prompt.columns_of("  ")


def test_identical_prompts_align_to_the_identity():
    prompt = tokens("a cat*2 in a hat")
    for mode in (refine, replace):
        alignment = mode(prompt, prompt)
        assert torch.equal(alignment.matrix, torch.eye(16)) and alignment.taken.all()


def test_words_after_a_longer_swap_answer_to_their_own():
    """The published mapper shifts these: one token became three, and what follows must move by two."""
    alignment = replace(tokens("a cat on grass"), tokens("a porcupine*3 on grass"))
    assert answers(alignment, "porcupine") == [[2], [2], [2]]
    assert alignment.matrix[2, 2:5].tolist() == pytest.approx([1 / 3] * 3)
    assert answers(alignment, "on") == [[3]] and answers(alignment, "grass") == [[4]]


def test_a_shorter_swap_gathers_the_attention_of_all_its_tokens():
    alignment = replace(tokens("a porcupine*3 on grass"), tokens("a cat on grass"))
    assert answers(alignment, "cat") == [[2, 3, 4]]
    assert alignment.matrix[:, 2].sum() == 3
    assert answers(alignment, "grass") == [[6]]


def test_repeated_words_answer_to_the_right_occurrence():
    alignment = refine(tokens("a cat and a dog"), tokens("a cat and a big brown dog"))
    assert alignment.matrix[4].nonzero().flatten().tolist() == [4]
    assert answers(alignment, "dog") == [[5]]
    assert answers(alignment, "big") == [[]] and alignment.taken[5] == 0


def test_refine_leaves_swapped_words_their_own_attention_and_replace_does_not():
    source, target = tokens("a black cat"), tokens("a white cat")
    assert refine(source, target).taken[2] == 0
    assert answers(replace(source, target), "white") == [[2]]


def test_deleted_words_are_dropped():
    alignment = refine(tokens("a cat wearing red glasses in snow"), tokens("a cat in snow"))
    assert answers(alignment, "in") == [[6]] and answers(alignment, "snow") == [[7]]


def test_ends_and_padding_answer_to_ends_and_padding():
    alignment = refine(tokens("a cat"), tokens("a very big cat"))
    assert alignment.matrix[0].nonzero().flatten().tolist() == [0]
    assert alignment.matrix[3].nonzero().flatten().tolist() == [5]
    assert alignment.matrix[14:, 15].sum() >= 2


def test_empty_prompts_align():
    empty = PromptTokens((), 16)
    assert refine(empty, empty).taken.all()
    assert refine(empty, tokens("a cat")).taken[1:3].sum() == 0


WORDS = st.lists(st.sampled_from(["a", "cat", "dog*2", "hat", "red*3"]), max_size=4).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS)
def test_replacement_gives_no_attention_out_twice(source, target):
    alignment = replace(tokens(source), tokens(target))
    assert ((alignment.matrix.sum(1) - 1).abs().lt(1e-5) | (alignment.matrix.sum(1) == 0)).all()
    assert torch.equal(alignment.taken, (alignment.matrix.sum(0) > 0).float())


@pytest.mark.parametrize("mark", "▁Ġ")
def test_punctuation_is_no_part_of_a_word_where_pieces_mark_beginnings(mark):
    """A bare mark is the space before a piece that has none of its own."""
    pieces = ["a", f"{mark}red", ",", mark, "hat", "-", "shop", f"{mark}(", "x", ")."]
    found = words_of_pieces(dict(enumerate(pieces)), 12)
    assert [word.text for word in found.words] == ["a", "red", ",", "hat", "-", "shop", "(", "x", ")."]
    assert found.columns_of("hat") == (3, 4) and found.columns_of("red") == (1,)


def test_two_encoders_words_have_the_columns_of_both():
    first = words_of_pieces({1: "a</w>", 2: "porcu", 3: "pine</w>", 4: "hat</w>"}, 8)
    both = joined(first, {0: "▁A", 1: "▁por", 2: "cupine", 3: "▁hat"}, 6)
    assert both.length == 14 and both.starts == (0, 8)
    assert both.columns_of("porcupine") == (2, 3, 9, 10) and both.columns_of("hat") == (4, 11)
    with pytest.raises(ValueError, match="so its words cannot be told apart"):
        joined(first, {0: "▁A", 1: "▁cat"}, 6)


def test_each_encoders_start_end_and_padding_answer_to_its_own():
    """SD3's: the columns between CLIP's last word and T5's first one are CLIP's end and T5's beginning."""
    short = joined(words_of_pieces({1: "cat</w>"}, 5), {0: "▁cat"}, 4)
    long = joined(words_of_pieces({1: "big</w>", 2: "cat</w>"}, 5), {0: "▁big", 1: "▁cat"}, 4)
    alignment = refine(short, long)
    assert answers(alignment, "cat") == [[1], [5]] and answers(alignment, "big") == [[], []]
    assert alignment.matrix[0, 0] == 1
    assert [alignment.matrix[s].nonzero().flatten().tolist() for s in (2, 3, 4)] == [[3], [4], [4]]
    assert [alignment.matrix[s].nonzero().flatten().tolist() for s in (6, 7, 8)] == [[7], [8], [8]]
    assert torch.equal(refine(short, short).matrix, torch.eye(9))


def test_words_of_other_lengths_share_within_each_encoder():
    ours = joined(words_of_pieces({1: "cat</w>"}, 5), {0: "▁c", 1: "at"}, 4)
    theirs = joined(words_of_pieces({1: "do", 2: "g</w>"}, 5), {0: "▁dog"}, 4)
    alignment = replace(ours, theirs)
    assert alignment.matrix[1].nonzero().flatten().tolist() == [1, 2] and alignment.matrix[1, 1] == 0.5
    assert [alignment.matrix[s].nonzero().flatten().tolist() for s in (5, 6)] == [[5], [5]]
