"""The memory of attention edits in a real ComfyUI: told by the samplers, kept to, and refused in the first step."""

import pytest

from harness.events import ExecutionFailed
from harness.server import ComfyServer
from harness.studio import Studio

NEWEST = pytest.mark.newest_only("how much is kept, and what is said of it, is the pack's own")

UNITS = {"kB": 1e3, "MB": 1e6}


def kept(studio: Studio, **settings):
    known = {
        "attention_edit": studio.edit(cross_end=0.4, self_end=0.6),
        "budget_gb": 0.0,
        "precision": "as recorded",
        "device": "automatic",
    }
    return studio.graph.add("InversionAttentionMemory", **known | settings)


def test_it_is_told_and_changes_nothing_but_the_precision(comfy_server: ComfyServer, studio: Studio) -> None:
    edits = [
        studio.edit(cross_end=0.4, self_end=0.6),
        kept(studio, budget_gb=1.0),
        kept(studio, device="cpu"),
        kept(studio, precision="float16"),
    ]
    samples = [studio.sample(attention_edit=edit) for edit in edits]
    apart = [studio.compare(samples[0][0], other[0]) for other in samples[1:]]
    methods = {
        "source": studio.source,
        "target": studio.target,
        "negative": studio.negative,
        "attention_edit": edits[1],
    }
    by_method = studio.graph.add("InversionAnchoredEdit", model=studio.model, trajectory=studio.inverted, **methods)
    studio.show(by_method[0])
    result = comfy_server.run(studio.graph.prompt)
    errors = [result.outputs[node.id]["error"][0] for node in apart]
    assert errors[:2] == [0, 0] and 0 < errors[2] < 0.05
    said = [result.outputs[node.id]["text"] for node in (*samples, by_method)]
    banks = [[line for line in lines if line.startswith("attention memory  ")] for lines in said]
    sizes = [line.split("memory  ")[1].split(" per step")[0] for (line,) in banks]
    assert sizes[0] == sizes[1] == sizes[2] == sizes[4]
    recorded, half = (float(number) * UNITS[unit] for number, unit in (size.split() for size in (sizes[0], sizes[3])))
    assert half == pytest.approx(recorded / 2, rel=0.01)


@NEWEST
def test_an_edit_without_attention_says_how_it_was_set_and_nothing_of_memory(
    comfy_server: ComfyServer, studio: Studio
) -> None:
    plain = studio.sample(strength=0.25, guidance=5.0)
    studio.show(plain[0])
    (said,) = comfy_server.run(studio.graph.prompt).outputs[plain.id]["text"]
    assert said.startswith("balanced, strength 0.25: guidance 4.0, the first 25% of the steps")


@NEWEST
def test_beyond_the_budget_it_is_refused_in_its_first_step(comfy_server: ComfyServer, studio: Studio) -> None:
    tight = kept(studio, budget_gb=0.00001, device="the model's")
    plugged = studio.graph.add(
        "InversionPlugAndPlay", attention_edit=tight, layer=3, feature_end=1.0, attention_end=1.0
    )
    sample = studio.sample(attention_edit=plugged)
    studio.show(sample[0])
    with pytest.raises(ExecutionFailed) as failed:
        comfy_server.run(studio.graph.prompt)
    message = failed.value.result.error["exception_message"]
    assert "may use 10 kB on cpu" in message and "features" in message and "prompt-to-prompt" in message
    assert not [data for data in failed.value.result.of_type("progress") if data["node"] == sample.id]
