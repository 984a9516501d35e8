"""Where a cancel or an error ends a run, nothing of it is alive and the model is as it was."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_management as management
import comfy.patcher_extension
import pytest
import torch

from harness.tiny_comfy import FAMILIES
from latent_inversion.nodes.attention.attention_edits import Plans
from latent_inversion.nodes.editing.edit_mask import MAKERS, Wanted, mask_of
from latent_inversion.nodes.editing.edit_setup import NEGATIVE, Setup
from latent_inversion.nodes.editing.method_inputs import Request
from latent_inversion.nodes.editing.run_edit import edit_along, edit_without
from latent_inversion.nodes.editing.video import ClipSettings, edit_frames, invert_frames
from latent_inversion.nodes.inverting.invert_latent import invert_latent
from latent_inversion.nodes.inverting.null_text import optimize

FAMILY = FAMILIES["sd15"]
STEPS = 6


pytestmark = pytest.mark.usefixtures("in_a_node")


class Broken(RuntimeError):
    """What a network of the tests raises."""


@dataclass
class Bench:
    """A tiny model, its prompts and a trajectory; `model` asks for a cancel, or breaks, at the evaluation of that number."""

    how: str = ""
    at: int = 5
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.own = FAMILY.model()
        self.prompts = {name: FAMILY.conditioning(seed) for seed, name in enumerate(("source", "target", "negative"))}
        self.latent = FAMILY.latent()
        self.clip = {"samples": FAMILY.latent()["samples"].repeat(4, 1, 1, 1)}
        self.model = self.own.clone()
        self.record = self.invert("ddim", STEPS)
        self.frames = invert_frames(self.own, self.clip, self.prompts["source"], STEPS, "normal", 2)
        self.model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "test", self.asked)

    def asked(self, executor: Any, *args: Any, **options: Any) -> Any:
        self.calls.append(self.how)
        if len(self.calls) == self.at and self.how == "cancel":
            management.interrupt_current_processing()
        if len(self.calls) == self.at and self.how == "error":
            raise Broken("the network broke")
        return executor(*args, **options)

    def invert(self, method: str, steps: int) -> Any:
        source, negative = (self.prompts[name] for name in ("source", "negative"))
        return invert_latent(self.model, self.latent, source, negative, steps, "normal", 1.0, method)

    def edit(self) -> Any:
        return edit_along(self.model, self.record, self.prompts, Setup(3.0, "none", NEGATIVE, 0.0).on)

    def edit_by(self, method: str) -> Any:
        request = Request(method, guidance=3.0, source_guidance=3.0)
        return edit_along(self.model, self.record, self.prompts, request.on)

    def free(self) -> Any:
        return edit_without(self.model, self.latent, self.prompts, Request("FlowEdit").on, STEPS, "normal")

    def null_text(self) -> Any:
        source, negative = (self.prompts[name] for name in ("source", "negative"))
        return optimize(self.model, self.record, source, negative, 3.0, 3, 0.0)

    def video(self) -> Any:
        settings = ClipSettings(guidance=3.0, way="token flow", spacing=2, window=4, together=2)
        return edit_frames(self.model, self.frames, self.prompts, Plans(), None, settings)

    def mask(self) -> Any:
        wanted = Wanted(self.record.trajectory, 0.0, 0.5, 0)
        prompts = {name: self.prompts[name] for name in ("source", "target")}
        return mask_of(self.model, self.record, prompts, MAKERS["Uni-Edit"], wanted)


WORKS: dict[str, Callable[[Bench], Any]] = {
    "invert": lambda bench: bench.invert("ddim", STEPS),
    "fixed point": lambda bench: bench.invert("fixed point", STEPS),
    "ReNoise": lambda bench: bench.invert("ReNoise", STEPS),
    "edit": Bench.edit,
    "edit by h-Edit-D": lambda bench: bench.edit_by("h-Edit-D"),
    "edit by null-text": lambda bench: bench.edit_by("null-text"),
    "free": Bench.free,
    "null text": Bench.null_text,
    "video": Bench.video,
    "mask": Bench.mask,
}


def state_of(model: Any) -> dict[str, Any]:
    """The model's weights, what it is patched with, its modules and their hooks; and the switches of ComfyUI and torch."""
    network, options = model.model, model.model_options
    modules = {
        name: (type(m).__name__, dict(m._forward_hooks), dict(m._forward_pre_hooks), "forward" in vars(m))
        for name, m in network.named_modules()
    }
    weights = {name: (id(value), value.is_inference()) for name, value in network.named_parameters()}
    switches = (getattr(management, "in_training", False), management.interrupt_processing, torch.is_grad_enabled())
    return {
        "modules": modules,
        "weights": weights,
        "values": {name: value.clone() for name, value in network.state_dict().items()},
        "options": (str(options), str(model.wrappers), str(model.object_patches), dict(model.backup)),
        "switches": (*switches, torch.is_inference_mode_enabled(), torch.get_rng_state().numpy().tobytes()),
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    values = [state.pop("values") for state in (before, after)]
    assert before == after
    assert values[0].keys() == values[1].keys()
    assert all(torch.equal(value, values[1][name]) for name, value in values[0].items())


def alive() -> dict[int, torch.Size]:
    """The shape of every tensor that can be reached, by its identity."""
    gc.collect()
    return {id(one): one.shape for one in gc.get_objects() if issubclass(type(one), torch.Tensor)}


@pytest.fixture(scope="module")
def bench(in_a_node: None) -> Bench:
    return Bench()


ENDS = [*((name, "cancel") for name in WORKS), *((name, "error") for name in ("edit", "edit by null-text", "video"))]


@pytest.mark.parametrize(("name", "how"), ENDS)
def test_nothing_of_a_run_is_left(bench: Bench, name: str, how: str) -> None:
    bench.how = how
    bench.calls.clear()
    first = state_of(bench.own)
    before = alive()
    with pytest.raises(management.InterruptProcessingException if how == "cancel" else Broken) as caught:
        WORKS[name](bench)
    del caught
    after = alive()
    assert len(bench.calls) == bench.at, "the network was asked again"
    assert [shape for one, shape in after.items() if one not in before] == []
    assert_same(first, state_of(bench.own))


def test_what_is_kept_is_seen(bench: Bench) -> None:
    """The two looks of the test above tell a kept tensor and a changed model."""
    first, before = state_of(bench.own), alive()
    kept = torch.zeros(3)
    assert [shape for one, shape in alive().items() if one not in before] == [kept.shape]
    layer = bench.own.model.diffusion_model.out[2]
    handle = layer.register_forward_hook(lambda *args: None)
    with pytest.raises(AssertionError):
        assert_same(first, state_of(bench.own))
    handle.remove()
