"""Every node that inverts with every node that edits, both at their defaults: it runs, or a sentence before the first step says what to change."""

from functools import cache
from typing import Any

import comfy.patcher_extension
import pytest
import torch

from harness.tiny_comfy import FAMILIES, FLUX, Family, tiny_flux
from latent_inversion.nodes import node_list

pytestmark = [
    pytest.mark.usefixtures("in_a_node"),
    pytest.mark.newest_only("which inversion fits which edit is a matter of the nodes' defaults"),
]

STEPS = 3
FLOW = {"shape": (1, 16, 8, 12), "path": "rf", "pooled": True}
MODELS = {
    "UNet": FAMILIES["sd15"],
    "SDXL": FAMILIES["sdxl"],
    "rectified flow": FAMILIES["sd3"],
    "Flux without a guidance layer": Family(
        "flux schnell", lambda: tiny_flux(settings=FLUX | {"guidance_embed": False}), **FLOW
    ),
    "distilled rectified flow": Family("flux dev", tiny_flux, **FLOW, distilled=True),
}
INVERT = (
    "InversionDDIMInvert",
    "InversionFixedPointInvert",
    "InversionExactInvert",
    "InversionStochasticInvert",
    "InversionRFInvert",
)
EDIT = (
    "InversionEditSampler",
    "InversionAnchoredEdit",
    "InversionGuidanceEdit",
    "InversionExactEdit",
    "InversionStochasticEdit",
    "InversionFlowControlEdit",
)
OWN_PAIRS = {
    "InversionExactEdit": "Exact Invert",
    "InversionStochasticEdit": "Stochastic Invert",
    "InversionFlowControlEdit": "RF-Inversion Invert",
}
"""What edits along an inversion of its own alone, and the node that makes it."""
NODES = {node.define_schema().node_id: node for node in node_list()}


def defaults(node: Any) -> dict[str, Any]:
    """The widgets of a node as it comes from the menu."""
    return {
        one.id: one.default
        for one in node.define_schema().inputs
        if getattr(one, "default", None) is not None and one.id != "steps"
    }


@cache
def made(name: str) -> tuple[Any, Any, dict[str, Any], list[int]]:
    """A model, its latent and its prompts, and a list that grows with every call of the network."""
    family, calls = MODELS[name], []
    model = family.model().clone()

    def counted(executor: Any, *args: Any, **options: Any) -> Any:
        calls.append(1)
        return executor(*args, **options)

    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "test", counted)
    prompts = {key: family.conditioning(seed) for seed, key in enumerate(("source", "target", "negative"))}
    return model, family.latent(), prompts, calls


@cache
def inverted(name: str, invert: str) -> Any:
    model, latent, prompts, _ = made(name)
    words = {key: prompts[key] for key in ("source", "negative")}
    return NODES[invert].execute(model, latent, **words, **defaults(NODES[invert]), steps=STEPS).result[0]


@pytest.mark.parametrize("edit", EDIT)
@pytest.mark.parametrize("invert", INVERT)
@pytest.mark.parametrize("name", MODELS)
def test_a_pair_at_its_defaults(name: str, invert: str, edit: str) -> None:
    model, latent, prompts, calls = made(name)
    record = inverted(name, invert)
    before, wanted = len(calls), OWN_PAIRS.get(edit)
    title = NODES[invert].define_schema().display_name
    try:
        output = NODES[edit].execute(model, record, **prompts, **defaults(NODES[edit]))
    except ValueError as error:
        assert wanted not in (None, title), f"{title} and its own edit: {error}"
        assert len(calls) == before, "the network was asked before it was said"
        assert "Invert the image with" in str(error) and f"Use {wanted} for that" in str(error)
        return
    edited, back = output.result
    assert wanted in (None, title) or f" of {wanted}, but this trajectory is of" in "".join(output.ui["text"])
    assert torch.isfinite(edited["samples"]).all() and torch.isfinite(back["samples"]).all()
    assert not torch.equal(edited["samples"], latent["samples"])


@pytest.mark.parametrize("method", ["EDICT", "BDIA", "O-BELM"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("name", MODELS)
def test_an_exact_edit_has_the_guidance_of_its_inversion(name: str, guidance: float, method: str) -> None:
    """The picture comes back, whatever the inversion's guidance was: the source is sampled under the same."""
    model, latent, prompts, _ = made(name)
    invert, edit = NODES["InversionExactInvert"], NODES["InversionExactEdit"]
    given = defaults(invert) | {"guidance": guidance, "method": method, "steps": STEPS}
    record = invert.execute(model, latent, prompts["source"], negative=prompts["negative"], **given).result[0]
    output = edit.execute(model, record, **prompts, **defaults(edit) | {"method": method})
    back = output.result[1]["samples"]
    assert float((back - latent["samples"]).norm() / latent["samples"].norm()) < 1e-3
    assert f"source guidance {guidance:g}" in output.ui["text"][0]
