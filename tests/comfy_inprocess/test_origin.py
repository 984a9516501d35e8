"""What a trajectory was made with, read from the graph above a node."""

from typing import Any

import pytest

from latent_inversion.nodes.files.workflow_origin import DEPTH, LONGEST, Origin, origin_of


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


def found(**changes: Any) -> Origin:
    return origin_of(graph(**changes), "save", classes=CLASSES)


def test_prompts_model_and_loras_are_found() -> None:
    loras = ("ink.safetensors", "glow.safetensors")
    assert found() == Origin("a bear", "a fox", "dream.safetensors", loras)
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
    assert origin_of(None, None, classes=CLASSES) == origin_of({}, "save", classes=CLASSES) == Origin()
    assert found(save=("Save", {})) == found(save=("Save", {"trajectory": ["gone", 0]})) == Origin()


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


@pytest.mark.parametrize("made", [None, 3, [], {"prompt": 3, "loras": "x", "model": None}, {"loras": [1, "a"]}])
def test_notes_of_another_kind_are_left_out(made: Any) -> None:
    origin = Origin.from_notes({"made": made})
    assert (origin.prompt, origin.negative, origin.model) == ("", "", "")
    assert all(isinstance(name, str) for name in origin.loras)


def test_notes_come_back() -> None:
    origin = found()
    assert Origin.from_notes({"made": origin.as_notes()}) == origin
