"""The dial of an edit: three marks, straight between them, and never out of bounds."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_inversion.inversion_core.dial import AS_SET, PRESETS, turned

SHARES = st.floats(0, 1)


def test_balanced_in_the_middle_leaves_everything_as_it_is() -> None:
    assert turned("balanced", 0.5) == AS_SET
    assert AS_SET.kept((0.1, 0.4)) == (0.1, 0.4) and AS_SET.guided(7.5) == 7.5


@pytest.mark.parametrize("preset", PRESETS)
def test_its_marks_are_met_and_more_strength_changes_more(preset: str) -> None:
    assert tuple(turned(preset, strength) for strength in (0.0, 0.5, 1.0)) == PRESETS[preset]
    rising = [turned(preset, strength / 20) for strength in range(21)]
    for weaker, stronger in itertools.pairwise(rising):
        assert stronger.guidance >= weaker.guidance
        assert stronger.start <= weaker.start
        assert stronger.windows <= weaker.windows
    assert rising[0] != rising[10] != rising[20]


@given(st.sampled_from(list(PRESETS)), SHARES, SHARES, SHARES, st.floats(1, 30))
def test_what_it_makes_stays_within_bounds(
    preset: str, strength: float, one: float, other: float, guidance: float
) -> None:
    dial = turned(preset, strength)
    first, last = dial.kept((min(one, other), max(one, other)))
    assert dial.start <= first <= last <= 1
    assert dial.guided(guidance) >= 1 and dial.guided(1.0) == 1.0


def test_a_later_start_keeps_its_share_of_the_remaining_steps() -> None:
    dial = turned("balanced", 0.0)
    assert dial.kept((0.0, 0.4)) == pytest.approx((dial.start, dial.start + (1 - dial.start) * 0.4 * dial.windows))


@pytest.mark.parametrize(
    ("preset", "strength", "message"), [("bold", 0.5, "no preset 'bold'"), ("balanced", 1.1, "1.1")]
)
def test_what_is_none_of_its_marks_is_refused(preset: str, strength: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        turned(preset, strength)
