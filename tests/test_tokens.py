"""Word alignment between prompts: repeated words, words of several tokens, insertions, deletions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts import tokens
from latent_inversion.inversion_core.prompts.tokens import (
    PromptTokens,
    align_refine,
    align_replace,
    joined,
    words_of_pieces,
)


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
    for mode in (align_refine, align_replace):
        alignment = mode(prompt, prompt)
        assert torch.equal(alignment.matrix, torch.eye(16)) and alignment.taken.all()


def test_words_after_a_longer_swap_answer_to_their_own():
    """The published mapper shifts these: one token became three, and what follows must move by two."""
    alignment = align_replace(tokens("a cat on grass"), tokens("a porcupine*3 on grass"))
    assert answers(alignment, "porcupine") == [[2], [2], [2]]
    assert alignment.matrix[2, 2:5].tolist() == pytest.approx([1 / 3] * 3)
    assert answers(alignment, "on") == [[3]] and answers(alignment, "grass") == [[4]]


def test_a_shorter_swap_gathers_the_attention_of_all_its_tokens():
    alignment = align_replace(tokens("a porcupine*3 on grass"), tokens("a cat on grass"))
    assert answers(alignment, "cat") == [[2, 3, 4]]
    assert alignment.matrix[:, 2].sum() == 3
    assert answers(alignment, "grass") == [[6]]


def test_repeated_words_answer_to_the_right_occurrence():
    alignment = align_refine(tokens("a cat and a dog"), tokens("a cat and a big brown dog"))
    assert alignment.matrix[4].nonzero().flatten().tolist() == [4]
    assert answers(alignment, "dog") == [[5]]
    assert answers(alignment, "big") == [[]] and alignment.taken[5] == 0


def test_refine_leaves_swapped_words_their_own_attention_and_replace_does_not():
    source, target = tokens("a black cat"), tokens("a white cat")
    assert align_refine(source, target).taken[2] == 0
    assert answers(align_replace(source, target), "white") == [[2]]


def test_deleted_words_are_dropped():
    alignment = align_refine(tokens("a cat wearing red glasses in snow"), tokens("a cat in snow"))
    assert answers(alignment, "in") == [[6]] and answers(alignment, "snow") == [[7]]


@pytest.mark.parametrize("mode", [align_refine, align_replace])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a cat", "a cat with glasses"),
        ("a cat with glasses", "a cat"),
        ("a photo of a cat", "a photo of a black cat"),
        ("a porcupine*3 in snow", "a porcupine*3 in deep snow"),
        ("", "a cat"),
        ("a big brown cat", ""),
    ],
)
def test_behind_the_words_every_column_answers_to_the_one_of_its_number(mode, source, target):
    """As published (`seq_aligner.get_mapper`): the end token answers to the end token, and padding column j to column j."""
    ours, theirs = tokens(source), tokens(target)
    alignment = mode(ours, theirs)
    ends = [1 + sum(len(word.columns) for word in prompt.words) for prompt in (ours, theirs)]
    wanted = {0: 0, ends[1]: ends[0]} | {column: column for column in range(ends[1] + 1, 16)}
    for column, answer in wanted.items():
        assert alignment.matrix[:, column].nonzero().flatten().tolist() == [answer] and alignment.taken[column] == 1


def test_a_prompt_of_more_chunks_answers_where_the_other_one_has_columns():
    """CLIP's chunks of 8 columns: their starts and ends answer to each other, and what the source lacks keeps its own attention."""
    short = words_of_pieces({1: "a</w>", 2: "cat</w>"}, 8)
    long = words_of_pieces({n: f"w{n}</w>" for n in (1, 2, 3, 4, 5, 6, 9)}, 16)
    longer = align_refine(short, long)
    assert {t: longer.matrix[:, t].nonzero().flatten().tolist() for t in (0, 7, 8, 10, 11)} == {
        0: [0],
        7: [7],
        8: [],
        10: [3],
        11: [],
    }
    shorter = align_refine(long, short)
    assert [shorter.matrix[:, t].nonzero().flatten().tolist() for t in range(3, 8)] == [[10], [4], [5], [6], [7]]
    assert torch.equal(align_refine(long, long).matrix, torch.eye(16))


def test_a_template_behind_the_words_answers_to_itself():
    """Nothing fills Qwen's prompts up: all of them end with the same columns, wherever those lie."""
    short, long = (words_of_pieces({n: f"Ġw{n}" for n in range(size)}, size + 5) for size in (2, 4))
    for source, target in ((short, long), (long, short)):
        alignment = align_refine(source, target)
        ends = range(source.length - 5, source.length), range(target.length - 5, target.length)
        assert [alignment.matrix[:, t].nonzero().flatten().tolist() for t in ends[1]] == [[s] for s in ends[0]]


def test_empty_prompts_align():
    empty = PromptTokens((), 16)
    assert align_refine(empty, empty).taken.all()
    assert align_refine(empty, tokens("a cat")).taken[1:3].sum() == 0


WORDS = st.lists(st.sampled_from(["a", "cat", "dog*2", "hat", "red*3"]), max_size=4).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS)
def test_replacement_gives_the_attention_of_no_word_to_words_twice(source, target):
    alignment = align_replace(tokens(source), tokens(target))
    words = [column for word in alignment.target.words for column in word.columns]
    given_out = alignment.matrix[:, words].sum(1)
    assert ((given_out - 1).abs().lt(1e-5) | (given_out == 0)).all()
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
    with pytest.raises(ValueError, match="so the words cannot be told apart"):
        joined(first, {0: "▁A", 1: "▁cat"}, 6)


def test_each_encoders_start_end_and_padding_answer_to_its_own():
    """SD3's: the columns between CLIP's last word and T5's first one are CLIP's end and T5's beginning."""
    short = joined(words_of_pieces({1: "cat</w>"}, 5), {0: "▁cat"}, 4)
    long = joined(words_of_pieces({1: "big</w>", 2: "cat</w>"}, 5), {0: "▁big", 1: "▁cat"}, 4)
    alignment = align_refine(short, long)
    assert answers(alignment, "cat") == [[1], [5]] and answers(alignment, "big") == [[], []]
    assert alignment.matrix[0, 0] == 1
    answered = [alignment.matrix[:, t].nonzero().flatten().tolist() for t in range(9)]
    assert answered == [[0], [], [1], [2], [4], [], [5], [6], [8]]
