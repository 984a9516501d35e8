"""Edit Mask: where two prompts disagree about a picture, as a MASK."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from comfy_api.latest import io
from torch import Tensor
from torch.nn.functional import interpolate

from ...inversion_core.applications.diff_edit import GROWN, LEVEL, NOISINGS, THRESHOLD, diff_edit_mask, widened
from ...inversion_core.methods.uni_edit import uni_edit_mask
from ...inversion_core.progress import OnStep
from ...inversion_core.trajectory import Trajectory
from ..kit.common import check_model
from ..kit.inputs import source_and_target, trajectory_input
from ..kit.noise import seeded
from ..kit.schema import choice, fraction, integer, output, schema, seed_input, socket
from ..run.along import along
from ..run.progress import reporter
from ..sockets import Frame, LatentTrajectory

PIXELS = 8
"""Pixels to a place of the latent, of a picture whose size is not known."""


class InversionEditMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionEditMask",
            display_name="Edit Mask",
            category="inversion/edit",
            description="Finds the region that an edit should change: where the source prompt and the target prompt make the model "
            "predict different images.",
            search_aliases=["diffedit", "uni-edit mask", "automatic mask"],
            inputs=[
                socket(io.Model, "model").about("The model that made the trajectory."),
                trajectory_input(),
                *source_and_target(),
                choice("method", MAKERS, default="DiffEdit").about(
                    "DiffEdit: adds fresh noise to the image several times and compares the predictions of both prompts. "
                    "Uni-Edit: compares the predictions along the trajectory, without added noise."
                ),
                fraction("level", LEVEL).about(
                    "Fraction of the steps, counted from the noisiest: DiffEdit adds noise up to here, Uni-Edit compares from here "
                    "on. Lower finds coarser differences."
                ),
                fraction("threshold", THRESHOLD).about(
                    "Difference that counts as changed. Lower gives a larger region. At 0, Uni-Edit's mask stays soft."
                ),
                integer("grow", GROWN, 0, 64).about(
                    "Widens the region by this many latent pixels (8 image pixels in most models)."
                ),
                seed_input(changes=True).about("Seed for the noise of DiffEdit."),
            ],
            outputs=[
                output(io.Mask, "mask").about(
                    "The region, at the size of the image: for KV-Edit, KV Injection, MasaCtrl, Attention Edit and the samplers."
                ),
            ],
        )

    @classmethod
    def execute(cls, model, trajectory, source, target, method, level, threshold, grow, seed) -> io.NodeOutput:
        check_model(trajectory, model, source)
        wanted = Wanted(trajectory.trajectory, level, threshold, seed)
        mask = mask_of(model, trajectory, {"source": source, "target": target}, MAKERS[method], wanted)
        if not bool(mask.any()):
            raise ValueError(
                "The prompts 'source' and 'target' make no difference to this image. Describe the change in 'target', or lower the threshold."
            )
        return io.NodeOutput(of_picture(widened(mask, grow), trajectory.frame))


@dataclass(frozen=True)
class Wanted:
    """A mask's picture and settings."""

    trajectory: Trajectory
    level: float
    threshold: float
    seed: int

    @property
    def first(self) -> int:
        """The step at which predictions are first compared."""
        return min(round(self.level * self.trajectory.steps), self.trajectory.steps - 1)


def _diff_edit(denoiser: Any, prepared: Any, wanted: Wanted, on_step: OnStep) -> Tensor:
    x0, sigma = wanted.trajectory.xs[-1], wanted.trajectory.sigmas[wanted.first]
    options = {"noisings": NOISINGS, "threshold": wanted.threshold, "generator": seeded(wanted.seed)}
    return diff_edit_mask(denoiser, x0, sigma, prepared("source"), prepared("target"), **options, on_step=on_step)


def _uni_edit(denoiser: Any, prepared: Any, wanted: Wanted, on_step: OnStep) -> Tensor:
    of, first = wanted.trajectory, wanted.first
    states = list(zip(of.xs[first:-1], of.sigmas[first:-1], strict=True))
    mask = uni_edit_mask(denoiser, states, prepared("source"), prepared("target"), on_step=on_step)
    return (mask >= wanted.threshold).to(mask) if wanted.threshold else mask


MAKERS: dict[str, Callable[[Any, Any, Wanted, OnStep], Tensor]] = {"DiffEdit": _diff_edit, "Uni-Edit": _uni_edit}


def mask_of(
    model: Any, record: LatentTrajectory, prompts: dict[str, Any], make: Callable[..., Tensor], wanted: Wanted
) -> Tensor:
    """The mask in the latent's size, on the CPU."""

    def body(denoiser: Any, prepared: Any) -> Tensor:
        return make(denoiser, prepared, wanted, reporter(model)).cpu()

    return along(record, model, prompts, body, seed=wanted.seed)


def of_picture(mask: Tensor, frame: Frame | None) -> Tensor:
    """A MASK in the picture's size, of one in the latent's."""
    if frame is None:
        return interpolate(mask, scale_factor=PIXELS)[:, 0]
    return interpolate(mask, (frame.padded_height, frame.padded_width))[:, 0, : frame.height, : frame.width]
