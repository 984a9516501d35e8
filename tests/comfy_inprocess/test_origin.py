"""What a trajectory was made with, read from the graph above a node."""

from typing import Any

import pytest

from latent_inversion.inversion_core.trajectory import Provenance
from latent_inversion.nodes.files.workflow_origin import DEPTH, LONGEST, complete


def kind(returns: tuple[str, ...], **texts: Any) -> type:
    spec = {name: ("STRING", {"multiline": True}) for name in texts}
    return type("Kind", (), {"RETURN_TYPES": returns, "INPUT_TYPES": classmethod(lambda cls: {"required": spec})})


CLASSES = {
    "Load": kind(("MODEL", "CLIP", "VAE")),
    "Lora": kind(("MODEL", "CLIP")),
    "Encode": kind(("CONDITIONING",), text=1),
    "EncodeTwice": kind(("CONDITIONING",), text_g=1, text_l=1),
    "Combine": kind(("CONDITIONING",)),
    "Control": kind(("CONDITIONING", "CONDITIONING")),
    "ConditioningZeroOut": kind(("CONDITIONING",)),
    "PrimitiveString": kind(("STRING",)),
    "Shout": kind(("STRING",)),
    "Invert": kind(("LATENT_TRAJECTORY",)),
    "Pass": kind(("LATENT_TRAJECTORY",)),
}


def graph(**changes: Any) -> dict[str, Any]:
    nodes = {
        "load": ("Load", {"ckpt_name": "sd\\one\\dream.safetensors"}),
        "lora": (
            "Lora",
            {"model": ["load", 0], "clip": ["load", 1], "lora_name": "x/ink.safetensors", "strength": 1.0},
        ),
        "lora2": ("Lora", {"model": ["lora", 0], "clip": ["lora", 1], "lora_name": "glow.safetensors"}),
        "yes": ("Encode", {"clip": ["lora2", 1], "text": "a bear"}),
        "no": ("Encode", {"clip": ["lora2", 1], "text": "a fox"}),
        "invert": (
            "Invert",
            {"model": ["lora2", 0], "latent": ["x", 0], "source": ["yes", 0], "negative": ["no", 0], "guidance": 2.0},
        ),
        "save": ("Save", {"trajectory": ["invert", 0]}),
    }
    made = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in (nodes | changes).items()}
    return made


def found(**changes: Any) -> Provenance:
    return complete(Provenance(), graph(**changes), "save", classes=CLASSES)


def test_prompts_model_and_loras_are_found() -> None:
    loras = ("ink.safetensors", "glow.safetensors")
    assert found() == Provenance(prompt="a bear", negative="a fox", checkpoint="dream.safetensors", loras=loras)
    assert (
        found(save=("Save", {"trajectory": ["pass", 0]}), **{"pass": ("Pass", {"trajectory": ["invert", 0]})})
        == found()
    )


def test_a_negative_prompt_that_guidance_does_not_use_is_none() -> None:
    inputs = graph()["invert"]["inputs"] | {"guidance": 1.0}
    assert found(invert=("Invert", inputs)).negative == ""


@pytest.mark.parametrize(
    ("yes", "prompt"),
    [
        (("EncodeTwice", {"text_g": "a bear", "text_l": "a bear"}), "a bear"),
        (("EncodeTwice", {"text_g": "a bear", "text_l": "brown"}), "a bear\nbrown"),
        (("Combine", {"a": ["one", 0], "b": ["two", 0]}), "first\nsecond"),
        (("Control", {"positive": ["one", 0], "negative": ["two", 0], "image": ["x", 0]}), "first"),
        (("ConditioningZeroOut", {"conditioning": ["one", 0]}), ""),
        (("Encode", {"text": ["plain", 0]}), "from a node"),
        (("Encode", {"text": ["shout", 0]}), ""),
        (("Encode", {"text": ["missing", 0]}), ""),
        (("Encode", {"text": 7}), ""),
        (("Unknown", {"text": "who knows"}), ""),
        (("Encode", {"text": "x" * 2 * LONGEST}), "x" * LONGEST),
    ],
    ids=str,
)
def test_a_prompt_is_found_where_it_can_be_known(yes: Any, prompt: str) -> None:
    more = {
        "one": ("Encode", {"text": "first"}),
        "two": ("Encode", {"text": "second"}),
        "plain": ("PrimitiveString", {"value": "from a node"}),
        "shout": ("Shout", {"text": "a bear", "loud": True}),
    }
    assert found(yes=yes, **more).prompt == prompt


def test_a_graph_that_tells_nothing_is_no_error() -> None:
    for unknown in ((None, None), ({}, "save")):
        assert complete(Provenance(), *unknown, classes=CLASSES) == Provenance()
    assert found(save=("Save", {})) == found(save=("Save", {"trajectory": ["gone", 0]})) == Provenance()


def test_paths_that_meet_again_are_walked_once() -> None:
    joins = {f"j{n}": ("Combine", {"a": [f"j{n - 1}", 0], "b": [f"j{n - 1}", 0]}) for n in range(1, 100)}
    joins["j0"] = ("Encode", {"text": "a bear"})
    assert found(yes=("Combine", {"a": ["j99", 0], "b": ["j99", 0]}), **joins).prompt == "a bear"


def test_a_graph_in_a_circle_ends() -> None:
    circle = {
        "yes": ("Combine", {"a": ["yes", 0], "b": ["yes", 0]}),
        "load": ("Lora", {"model": ["load", 0], "lora_name": "a.pt"}),
    }
    assert len(found(**circle).loras) <= DEPTH + 2 and found(**circle).prompt == ""
    found(save=("Save", {"trajectory": ["save", 0]}))


def test_a_trajectory_from_a_file_brings_its_own() -> None:
    saved = Provenance("0123", "ddim", 2.0, "a cat", checkpoint="other.safetensors")
    loaded = graph(save=("Save", {"trajectory": ["file", 0]}), file=("InversionLoadTrajectory", {"file": "x"}))
    assert complete(saved, loaded, "save", classes=CLASSES) == saved


def test_what_the_inversion_noted_stays() -> None:
    told = complete(Provenance("0123", "ddim", 2.0), graph(), "save", classes=CLASSES)
    assert (told.model, told.method, told.guidance, told.prompt) == ("0123", "ddim", 2.0, "a bear")
