"""Clips with models of pictures: frames are the rows of a batch, inverted in parts and edited together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...inversion_core.applications.video import WAYS, made
from ...inversion_core.backends.comfy.identity import identity_of
from ...inversion_core.inversions import INVERSIONS, invert
from ...inversion_core.loops.chunked import Chunked, chunks_of
from ...inversion_core.loops.clip import SPACING, TOGETHER, WINDOW, Window, edit_clip, windows
from ...inversion_core.loops.edit import Edit, Edited, Target
from ...inversion_core.trajectory import Provenance, Trajectory
from ..attention.attention_edits import Plans
from ..attention.bank_memory import Tell, memory_of, unheard
from ..inverting.invert_latent import inverted
from ..kit.checks import require_painted
from ..kit.common import check_model
from ..kit.inputs import model_input, negative_input, source_and_target
from ..kit.latents import taken
from ..kit.outputs import outcome
from ..kit.schema import Entry, choice, integer, number, output, scheduler_input, schema, socket, steps_input
from ..run.along import along
from ..run.guidance import suited
from ..run.progress import reporter
from ..sockets import AttentionEditSocket, LatentTrajectory, TrajectorySocket
from .clips import check_frames, check_way, mistaken_windows, of_frames, of_window

FRAMES = 999


def frame_count(name: str, default: int) -> Entry:
    """A whole number of frames."""
    return integer(name, default, 1, FRAMES)


class InversionVideoEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionVideoEdit",
            display_name="Video Edit",
            category="inversion/video",
            description="Edits all frames of a clip with an image model and keeps them consistent: key frames are edited together "
            "as one image, and the changes in them follow the motion. Long clips are edited in windows. For video models, whose "
            "latents hold the frames, use Inversion Edit Sampler.",
            search_aliases=["tokenflow", "cross-frame attention", "video to video", "pix2video", "edit video"],
            inputs=[
                model_input(),
                socket(TrajectorySocket, "trajectory").about(
                    "Trajectory of the clip, from Video Invert or DDIM Invert."
                ),
                *source_and_target(),
                negative_input(),
                number("guidance", 7.5, 1.0, 30.0, step=0.1).about(
                    "Guidance scale. Higher follows the target prompt more closely."
                ),
                choice("way", WAYS, default="token flow").about(
                    " ".join(f"{name}: {way.about}." for name, way in WAYS.items())
                    + " All but the last need a UNet (Stable Diffusion 1, 2, XL)."
                ),
                frame_count("spacing", SPACING).about("Frames from one key frame to the next. Higher is faster."),
                frame_count("window", WINDOW).about(
                    "Frames edited in one window. Memory grows with the window, not the clip."
                ),
                frame_count("together", TOGETHER).about(
                    "Number of frames per run of the network, beside the key frames."
                ),
                socket(AttentionEditSocket, "attention_edit", optional=True).about(
                    "Attention edit to apply in every frame."
                ),
                socket(io.Mask, "mask", optional=True).about(
                    "Region of the clip that may change: one mask, or one per frame."
                ),
            ],
            outputs=[
                output(io.Latent, "edited").about("The edited latents, for Inversion Decode."),
                output(io.Latent, "reconstructed").about("Latents of the reconstructed clip."),
            ],
        )

    @classmethod
    def validate_inputs(cls, spacing=None, window=None) -> bool | str:
        return mistaken_windows(spacing, window, FRAMES) or True

    @classmethod
    def execute(
        cls, model, trajectory, source, target, negative, attention_edit=None, mask=None, **settings
    ) -> io.NodeOutput:
        prompts = {"source": source, "target": target, "negative": negative}
        settings["guidance"], said = suited(model, prompts, settings["guidance"])
        plans, mask = attention_edit or Plans(), require_painted(mask)
        edited = edit_frames(model, trajectory, prompts, plans, mask, ClipSettings(**settings), said.append)
        return outcome(edited, trajectory, said)


@dataclass(frozen=True)
class ClipSettings:
    """The node's numbers and choices."""

    guidance: float
    way: str
    spacing: int
    window: int
    together: int


def edit_frames(
    model: Any,
    record: LatentTrajectory,
    prompts: dict[str, Any],
    plans: Plans,
    mask: Tensor | None,
    settings: ClipSettings,
    tell: Tell = unheard,
) -> Edited:
    """The edited clip. Raises ValueError if model, trajectory, prompts, masks or windows do not fit each other."""
    trajectory = record.trajectory
    check_model(record, model, prompts["source"])
    check_frames(trajectory.shape, prompts)
    check_way(model, settings.way)
    plans.ready(model, record, mask)
    plan = windows(trajectory.shape[0], spacing=settings.spacing, most=settings.window)

    def body(denoiser: Any, prepared: Any) -> Edited:
        source, target = (prepared(name, "negative", settings.guidance) for name in ("source", "target"))

        def techniques(window: Window) -> Sequence[Any]:
            return plans.ready(model, of_window(record, window), of_frames(mask, window))(prepared)

        make = made(settings.way, techniques, together=settings.together)
        edit = Edit(trajectory, denoiser, source, [Target(target)])
        return edit_clip(edit, plan, make, memory_of(plans, tell), reporter(model))

    return along(record, model, prompts | plans.prompts, body)


class InversionVideoInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionVideoInvert",
            display_name="Video Invert",
            category="inversion/video",
            description="Inverts all frames of a clip with an image model by DDIM inversion at guidance 1, a few at a time. Give "
            "the frames as a batch of images to Inversion Encode.",
            search_aliases=["video inversion", "ddim inversion"],
            inputs=[
                socket(io.Model, "model").about("The image model that inverts. Edit with the same model and LoRAs."),
                socket(io.Latent, "latent").about("Latents of the frames, from Inversion Encode."),
                socket(io.Conditioning, "source").about("Prompt that describes the clip as it is."),
                steps_input(50).about("Number of steps of the trajectory."),
                scheduler_input("ddim_uniform"),
                frame_count("together", TOGETHER).about("Number of frames per run of the network."),
            ],
            outputs=[
                output(TrajectorySocket, "trajectory").about("Trajectory for Video Edit."),
            ],
        )

    @classmethod
    def execute(cls, model, latent, source, steps, scheduler, together) -> io.NodeOutput:
        return io.NodeOutput(invert_frames(model, latent, source, steps, scheduler, together))


def invert_frames(
    model: Any, latent: dict[str, Any], source: Any, steps: int, scheduler: str, together: int
) -> LatentTrajectory:
    """The trajectory of a clip. Raises ValueError if grid, latent or prompt do not fit."""
    check_frames(tuple(taken(model, latent)[1].shape), {"source": source})
    provenance = Provenance(model=identity_of(model, source), method="ddim")

    def body(denoiser: Any, x: Tensor, sigmas: Tensor, prepared: Any) -> Trajectory:
        chunked = Chunked(denoiser, chunks_of((), len(x), together))
        options = {"provenance": provenance, "on_step": reporter(model)}
        return invert(INVERSIONS["ddim"], chunked, x, sigmas, prepared("source"), **options)

    return inverted(model, latent, {"source": source}, scheduler, steps, body)
