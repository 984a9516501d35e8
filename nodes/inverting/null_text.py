"""Null-Text Optimize: unconditional embeddings that keep guided sampling on a trajectory."""

from typing import Any

from comfy_api.latest import io

from ...inversion_core.methods import null_text as published
from ...inversion_core.methods.null_text import optimize_null_text
from ...inversion_core.trajectory import NullText, Provenance
from ..kit.common import check_model, check_unconditional
from ..kit.schema import integer, number, output, schema, socket
from ..run.along import along
from ..run.progress import reporter
from ..sockets import LatentTrajectory, NullTextResult, NullTextSocket, TrajectorySocket


class InversionNullTextOptimize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionNullTextOptimize",
            display_name="Null-Text Optimize",
            category="inversion/invert",
            description="Finds, for every step, the unconditional embedding with which guided sampling follows the trajectory back "
            "to the image (null-text inversion). Needs gradients: about three times the memory of sampling.",
            search_aliases=["null text inversion", "null-text"],
            inputs=[
                socket(io.Model, "model").about("The model that made the trajectory."),
                socket(TrajectorySocket, "trajectory").about("Trajectory from DDIM Invert, guidance 1, method ddim."),
                socket(io.Conditioning, "source").about("Prompt that the image was inverted with."),
                socket(io.Conditioning, "empty").about(
                    "Prompt to start from, usually empty. The result becomes the negative prompt."
                ),
                number("guidance", published.GUIDANCE, 1.1, 30.0, step=0.1).about(
                    "Guidance scale that the edit will use. The result fits this guidance only."
                ),
                integer("inner_steps", published.INNER_STEPS, 0, 500).about(
                    "Maximum number of gradient steps for each noise level. The published value is 10."
                ),
                io.Float.Input(
                    "early_stop",
                    default=published.EARLY_STOP,
                    min=0.0,
                    max=1.0,
                    step=1e-6,
                    round=1e-9,
                    tooltip="A noise level is finished when the loss falls below this value; the limit grows by twice this value "
                    "from level to level. The published value is 1e-5.",
                ),
            ],
            outputs=[
                output(NullTextSocket, "null_text").about("Null text for Inversion Edit Sampler."),
                output(io.String, "report").about("The losses before and after, one noise level per line."),
            ],
        )

    @classmethod
    def execute(cls, model, trajectory, source, empty, guidance, inner_steps, early_stop) -> io.NodeOutput:
        result = optimize(model, trajectory, source, empty, guidance, inner_steps, early_stop)
        return io.NodeOutput(NullTextResult(result), report(result))


def optimize(
    model: Any,
    record: LatentTrajectory,
    source: Any,
    empty: Any,
    guidance: float,
    inner_steps: int,
    early_stop: float,
) -> NullText:
    """Null-text over a trajectory. Raises ValueError if model, trajectory or prompts do not fit."""
    check_unconditional(model, "Null-text optimisation")
    trajectory = record.trajectory
    provenance = Provenance(model=check_model(record, model, source), method="null-text")

    def body(denoiser: Any, prompts: Any) -> NullText:
        return optimize_null_text(
            trajectory,
            denoiser,
            prompts("source", "empty", guidance),
            inner_steps=inner_steps,
            early_stop=early_stop,
            provenance=provenance,
            on_step=reporter(model),
        )

    return along(record, model, {"source": source, "empty": empty}, body, gradients=True)


def report(result: NullText) -> str:
    """What the optimisation reached, in words and level by level."""
    before, after = sum(result.first), sum(result.last)
    lines = [
        f"Null-text optimisation over {len(result.embeddings)} noise levels at guidance {result.provenance.guidance:g}: loss "
        f"{before:.3g} -> {after:.3g} in {result.evaluations} evaluations.",
        "The losses are summed over the noise levels; each loss starts from where the levels before it ended.",
        "",
        "sigma      loss before   after",
    ]
    rows = zip(result.sigmas.tolist(), result.first, result.last, strict=False)
    return "\n".join(lines + [f"{sigma:9.4f}  {first:11.3e}   {last:.3e}" for sigma, first, last in rows])
