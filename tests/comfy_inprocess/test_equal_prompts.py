"""With equal prompts every attention technique gives the source, whatever ComfyUI's nodes made of the prompt."""

from functools import cache

import pytest

from harness.equal_prompts import CONDITIONINGS, SOURCE, TARGET, TECHNIQUES, Bench, apart, ends
from harness.tiny_comfy import FAMILIES

pytestmark = pytest.mark.usefixtures("in_a_node")

EQUAL = 1e-5
UNETS_ONLY = {"Plug-and-Play"}


@cache
def bench(family: str) -> Bench:
    return Bench(FAMILIES[family])


def techniques(family: str) -> list[str]:
    return [name for name in TECHNIQUES if FAMILIES[family].unet or name not in UNETS_ONLY]


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("family", ["sd15", "sd3", "flux", "wan"])
def test_equal_prompts_give_the_source(family: str, conditioning: str) -> None:
    found = {name: apart(*ends(bench(family), name, conditioning)) for name in techniques(family)}
    assert {name: far for name, far in found.items() if far > EQUAL and TECHNIQUES[name].equal} == {}


@pytest.mark.parametrize("conditioning", ["plain", "concat", "combine"])
@pytest.mark.parametrize("family", ["sd15", "sd3"])
def test_other_prompts_do_not(family: str, conditioning: str) -> None:
    found = {name: apart(*ends(bench(family), name, conditioning, SOURCE, TARGET)) for name in techniques(family)}
    assert {name: far for name, far in found.items() if far <= EQUAL} == {}
