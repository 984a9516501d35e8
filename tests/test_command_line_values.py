"""Every option of every command that takes a number or a text: what is none is refused with the option's name and the range."""

import argparse
import re

import pytest

from latent_inversion.command_line import main, values
from latent_inversion.command_line.parser import LONGEST, parser
from latent_inversion.inversion_core.wording import HIDDEN

ABSURD = ("nan", "-nan", "inf", "-inf", "1e400", "1e30", "-1e30", "9" * 5000, "", "much", "\x1b[2J", "0x10")
COMMANDS = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)).choices


def options() -> list[tuple[str, argparse.Action]]:
    return [
        (name, action) for name, command in COMMANDS.items() for action in command._actions if action.option_strings
    ]


def numeric() -> list[tuple[str, argparse.Action]]:
    """Those whose values are read by a function of `values`."""
    return [pair for pair in options() if getattr(pair[1].type, "__module__", "").endswith("command_line.values")]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line on stderr of a command that was refused as it was read."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("command", "option"), numeric(), ids=lambda one: getattr(one, "dest", one))
def test_numbers_that_are_none_or_out_of_range_are_refused(capsys, command, option):
    name = option.option_strings[-1]
    for text in ABSURD:
        given = f"cat={text}" if option.metavar == "WORD=FACTOR" else text
        said = refused(capsys, command, f"{name}={given}")
        assert f": {name} takes " in said, said
        assert re.search(r"between \S+ and \S+; got '", said), said
        assert not HIDDEN.search(said) and len(said) < LONGEST


def test_no_number_is_read_without_a_range():
    assert len(numeric()) >= 30
    assert not [(command, option.dest) for command, option in options() if option.type in (int, float)]


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_seeds_reach_as_far_as_ksamplers(seed):
    assert parser().parse_args(["compare", "p.png", "--target", "x", "--seed", str(seed)]).seed == seed


@pytest.mark.parametrize("text", ["\x1b[2Jred", "\u202etxt", "x" * 100_000])
def test_what_cannot_be_understood_is_repeated_escaped_and_cut(capsys, text):
    for arguments in (["edit", "p.png", "--method", text], ["edit", "p.png", f"--{text}"], [text]):
        said = refused(capsys, *arguments)
        assert not HIDDEN.search(said) and len(said) < 2 * LONGEST


@pytest.mark.parametrize("text", ["red hat=2", "red hat:2", "red hat: 2", "red hat = 2"])
def test_a_words_weight_is_written_as_in_either_place(text: str) -> None:
    assert values.weight(text) == ("red hat", 2.0)


@pytest.mark.parametrize("name", ["--source", "--target", "--words", "--negative"])
def test_texts_of_another_encoding_are_refused_by_name(capsys, name):
    given = {"--target": "a cat"} | {name: b"\xff cat".decode("utf-8", "surrogateescape")}
    code = main(["edit", "nowhere.png", *(text for pair in given.items() for text in pair)])
    assert code == 2 and f"{name} contains bytes that are not UTF-8 text" in capsys.readouterr().err
