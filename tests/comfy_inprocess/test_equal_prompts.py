"""With equal prompts every attention technique gives the source, whatever ComfyUI's nodes made of the prompt."""

from functools import cache
from typing import Any

import pytest

from harness.equal_prompts import (
    CONDITIONINGS,
    EVERY_VERSION,
    OTHER,
    SOURCE,
    TARGET,
    TECHNIQUES,
    Bench,
    Texts,
    among,
    apart,
    between,
    concatenated,
    ends,
    in_area,
    prompt_to_prompt,
)
from harness.tiny_comfy import FAMILIES
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.nodes.run.prompt_places import placed, text_of

pytestmark = pytest.mark.usefixtures("in_a_node")

EQUAL = 1e-5
UNETS_ONLY = {"Plug-and-Play"}
TRANSFORMERS = ("Prompt-to-Prompt replace", "local blend refine", "MasaCtrl by words", "KV Injection", "KV-Edit")
"""What differs between UNets and transformers."""
STOCK_FAILS = {("wan", "areas by percentage"), ("wan", "mask bounds")}
"""Areas in two dimensions, which ComfyUI itself cannot lay on a video."""


@cache
def bench(family: str) -> Bench:
    return Bench(FAMILIES[family])


@pytest.mark.parametrize("few", EVERY_VERSION)
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("family", ["sd15", "sd3", "wan"])
def test_equal_prompts_give_the_source(family: str, conditioning: str, few: bool) -> None:
    if (family, conditioning) in STOCK_FAILS:
        pytest.skip("ComfyUI cannot build this for a video")
    names = among(TECHNIQUES if FAMILIES[family].unet else TRANSFORMERS, few)
    found = {name: apart(*ends(bench(family), name, conditioning)) for name in names}
    assert {name: far for name, far in found.items() if not far <= EQUAL and TECHNIQUES[name].equal} == {}


@pytest.mark.parametrize("family", ["sdxl", "flux", "qwen"])
@pytest.mark.parametrize("conditioning", ["plain", "concat behind another text", "combine with a longer text"])
@pytest.mark.parametrize("few", EVERY_VERSION)
def test_they_do_on_other_families(family: str, conditioning: str, few: bool) -> None:
    names = among(TRANSFORMERS, few)
    found = {name: apart(*ends(bench(family), name, conditioning)) for name in names}
    assert {name: far for name, far in found.items() if not far <= EQUAL and TECHNIQUES[name].equal} == {}


@pytest.mark.parametrize("conditioning", ["plain", "concat", "combine"])
@pytest.mark.parametrize("family", ["sd15", "sd3"])
@pytest.mark.parametrize("few", EVERY_VERSION)
def test_other_prompts_do_not(family: str, conditioning: str, few: bool) -> None:
    names = [name for name in among(TECHNIQUES, few) if FAMILIES[family].unet or name not in UNETS_ONLY]
    found = {name: apart(*ends(bench(family), name, conditioning, SOURCE, TARGET)) for name in names}
    assert {name: far for name, far in found.items() if not far > EQUAL} == {}


def words_in(prompt: Any, said: str, name: str = "source") -> list[Any]:
    """The words of a text in each part of a prompt."""
    case, sigmas = bench("sd15"), bench("sd15").inverted("plain", bench("sd15").clip.encode(SOURCE)).trajectory.sigmas
    samples = case.inverted("plain", None).trajectory.xs[-1]
    return run(
        case.model,
        {"source": prompt},
        samples,
        sigmas,
        lambda denoiser, x, prepared: placed(text_of(case.clip, said), prepared("source").cond, name),
    )


def test_the_words_of_a_text_are_found_where_it_was_joined_to_others() -> None:
    case = bench("sd15")
    alone, front, behind = (
        words_in(concatenated(case, *texts), SOURCE) for texts in ((SOURCE,), (SOURCE, OTHER), (OTHER, SOURCE))
    )
    assert [one[0].columns_of("cat") for one in (alone, front, behind)] == [(5,), (5,), (82,)]
    assert [one[0].length for one in (alone, front, behind)] == [77, 154, 154]
    both = words_in([*concatenated(case, OTHER), *concatenated(case, SOURCE, OTHER)], SOURCE)
    assert both[0].words == () and both[1].columns_of("cat") == (5,)


def test_a_prompt_without_the_edits_text_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"source prompt does not contain the text of the attention edit: it has 154 tokens"
    ):
        words_in(concatenated(bench("sd15"), OTHER, TARGET), SOURCE)


def test_weights_act_on_the_words_of_a_joined_prompt() -> None:
    case, plain = bench("sd15"), concatenated(bench("sd15"), OTHER, SOURCE)
    record = case.inverted("joined", plain)
    weak, strong = (
        case.edit(
            record,
            plain,
            plain,
            case.clip.encode(""),
            prompt_to_prompt(case, Texts(SOURCE, SOURCE, record), word_weights=w),
        )[0]
        for w in ("cat: 1", "cat: 4")
    )
    assert apart(strong, weak) > EQUAL


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (lambda cond: cond, lambda cond: in_area(bench("sd15"), cond), "built like the target prompt"),
        (lambda cond: cond, lambda cond: [*cond, *cond], "built like the target prompt"),
        (lambda cond: between(cond, 0.0, 0.5), lambda cond: cond, "acts at noise level"),
    ],
)
def test_prompts_that_cannot_lend_their_attention_are_refused_before_the_model_runs(
    source: Any, target: Any, said: str
) -> None:
    case, cond = bench("sd15"), bench("sd15").clip.encode(SOURCE)
    record = case.inverted("plain", cond)
    asked = case.model.clone()
    calls = []
    asked.set_model_unet_function_wrapper(
        lambda apply, args: calls.append(1) or apply(args["input"], args["timestep"], **args["c"])
    )
    plans = prompt_to_prompt(case, Texts(SOURCE, SOURCE, record))
    one = Bench(FAMILIES["sd15"], lambda model: asked)
    with pytest.raises(ValueError, match=said):
        one.edit(record, source(cond), target(cond), case.clip.encode(""), plans)
    assert not calls
