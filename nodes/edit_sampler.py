"""Inversion Edit Sampler: source and target side by side along a trajectory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..inversion_core.backends.comfy import run
from ..inversion_core.edit import Edited, Target, unanchored
from ..inversion_core.memory import edit_within
from ..inversion_core.methods import direct, with_null_text
from ..inversion_core.metrics import drift
from ..inversion_core.storage import require_same_model
from ..inversion_core.trajectory import NullText, Trajectory
from .common import check_model, check_unconditional, fraction, reporter, schema
from .hints import framed
from .memory import memory_of, shown
from .plans import Plans
from .sockets import AttentionEditSocket, LatentTrajectory, NullTextSocket, TrajectorySocket

ANCHORS = {"direct": direct, "none": unanchored}
NEGATIVE, SOURCE = "negative prompt", "source prompt"


class InversionEditSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionEditSampler",
            display_name="Inversion Edit Sampler",
            category="inversion/edit",
            description="Samples the target prompt along the trajectory of a picture, beside the source that lends it "
            "its attention. With the source prompt as target it re-creates the picture.",
            search_aliases=["prompt to prompt", "direct inversion", "negative prompt inversion", "edit image"],
            inputs=[
                io.Model.Input("model", tooltip="The model that made the trajectory, with the same LoRAs."),
                TrajectorySocket.Input("trajectory", tooltip="The picture's trajectory, from DDIM Invert."),
                io.Conditioning.Input("source", tooltip="The prompt that the picture was inverted with."),
                io.Conditioning.Input("target", tooltip="The prompt of the edited picture."),
                io.Conditioning.Input("negative", tooltip="The negative prompt, usually empty."),
                io.Float.Input(
                    "guidance",
                    default=7.5,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Classifier-free guidance of both. 1 for models that take guidance with the prompt (Flux dev, "
                    "HunyuanVideo): set it there with FluxGuidance.",
                ),
                io.Combo.Input(
                    "anchor",
                    options=list(ANCHORS),
                    default="direct",
                    tooltip="direct: the source is the stored trajectory itself, exact at any guidance. none: the source "
                    "is sampled too, and drifts under guidance unless null text or the source prompt holds it.",
                ),
                io.Combo.Input(
                    "unconditional",
                    options=[NEGATIVE, SOURCE],
                    default=NEGATIVE,
                    tooltip="What guidance leads away from. 'source prompt' is negative-prompt inversion: it holds an "
                    "unanchored source without any optimisation.",
                ),
                fraction(
                    "start",
                    0.0,
                    "Fraction of the steps to leave out at the noisy end; more stays closer to the picture.",
                ),
                NullTextSocket.Input(
                    "null_text", optional=True, tooltip="From Null-Text Optimize at the same guidance."
                ),
                AttentionEditSocket.Input("attention_edit", optional=True, tooltip="From Attention Edit."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the picture may change, in its size; instead of a mask given to Inversion Encode.",
                ),
            ],
            outputs=[
                io.Latent.Output("edited", display_name="edited", tooltip="The edited picture, for Inversion Decode."),
                io.Latent.Output(
                    "reconstructed",
                    display_name="reconstructed",
                    tooltip="The source's own end: the picture re-created. It carries the drift for Inversion Report.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, model, trajectory, source, target, negative, null_text=None, attention_edit=None, mask=None, **settings
    ) -> io.NodeOutput:
        setup = Setup(trajectory, null_text and null_text.null_text, attention_edit, mask, **settings)
        words, said = {"source": source, "target": target, "negative": negative}, []
        edited = sample(model, setup, words, said.append)
        strayed = {"inversion_drift": drift(edited.source, trajectory.trajectory)}
        back = trajectory.latent(edited.source[-1]) | strayed
        return io.NodeOutput(trajectory.latent(edited.target), back, ui=shown(said))


@dataclass(frozen=True)
class Setup:
    """The node's inputs beside model and prompts."""

    record: LatentTrajectory
    null_text: NullText | None
    plans: Plans | None
    mask: Tensor | None
    guidance: float
    anchor: str
    unconditional: str
    start: float


def sample(
    model: Any, setup: Setup, prompts: dict[str, Any], tell: Callable[[str], None] = lambda words: None
) -> Edited:
    """The edit; `tell` hears what memory its attention takes. Raises BankTooLarge if that is not there, ValueError if model, trajectory, null text or masks do not fit each other."""
    trajectory = setup.record.trajectory
    fingerprint = check_model(setup.record, model)
    if setup.null_text is not None:
        check_null_text(setup.null_text, trajectory, fingerprint, setup)
    if setup.unconditional == SOURCE:
        check_unconditional(model, "The source prompt as unconditional (negative-prompt inversion)")
    plans = setup.plans or Plans()
    techniques = plans.ready(model, setup.record, setup.mask)
    start = min(round(setup.start * trajectory.steps), trajectory.steps - 1)

    def body(denoiser: Any, x: Tensor, prepared: Any) -> Edited:
        host = denoiser if setup.null_text is None else with_null_text(denoiser, setup.null_text)
        away = "source" if setup.unconditional == SOURCE else "negative"
        source, target = (prepared(name, away, setup.guidance) for name in ("source", "target"))
        options = {"anchor": ANCHORS[setup.anchor], "start": start, "on_step": reporter(model)}
        targets = [Target(target, techniques(prepared))]
        return edit_within(memory_of(plans, tell), trajectory, host, source, targets, **options)[0]

    prompts = framed(prompts | plans.prompts, setup.record.frame)
    return run(model, prompts, setup.record.samples(trajectory.xs[-1]), trajectory.sigmas, body)


def check_null_text(null_text: NullText, trajectory: Trajectory, fingerprint: str, setup: Setup) -> None:
    """Raises ValueError if a null-text result was made for another model, grid, batch or guidance."""
    require_same_model(null_text.provenance, fingerprint, "null-text result")
    if not torch.equal(null_text.sigmas, trajectory.sigmas):
        raise ValueError(
            f"The null-text result was made on {len(null_text.embeddings)} steps from sigma {null_text.sigmas[0]:.4g}, the "
            f"trajectory has {trajectory.steps} from {trajectory.sigmas[0]:.4g}. Optimise it on this trajectory."
        )
    rows, batch = len(null_text.embeddings[0]), trajectory.shape[0]
    if rows not in (1, batch):
        raise ValueError(f"The null-text result is for {rows} pictures, the trajectory has {batch}.")
    if null_text.provenance.guidance != setup.guidance:
        raise ValueError(
            f"The null-text result serves guidance {null_text.provenance.guidance:g}, but guidance is {setup.guidance:g}. "
            "Use the same, or optimise again."
        )
    if setup.unconditional == SOURCE:
        raise ValueError(
            "Null text replaces the negative prompt: set unconditional to 'negative prompt', or leave it out."
        )
