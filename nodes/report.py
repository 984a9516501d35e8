"""Inversion Report: how true a reconstruction is, what limits it, and what to try."""

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from .common import frame_of, schema
from .report_compare import other_inputs, others_of, side_by_side
from .report_figures import Figures, advice, figures_of, table
from .report_sheet import sheet
from .sockets import LatentTrajectory, TrajectorySocket


class InversionReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionReport",
            display_name="Inversion Report",
            category="inversion/invert",
            description="Compares a picture with its reconstruction and says in words what is wrong and what to try; several "
            "reconstructions are laid side by side.",
            search_aliases=["psnr", "ssim", "compare images", "drift"],
            is_output_node=True,
            inputs=[
                io.Image.Input("original", tooltip="The picture that was inverted."),
                io.Image.Input("reconstruction", tooltip="The same, re-created, from Inversion Decode."),
                TrajectorySocket.Input("trajectory", tooltip="The picture's trajectory."),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="Measures the ceiling: what encoding and decoding alone lose, which no inversion can win back.",
                ),
                io.Latent.Input(
                    "reconstructed",
                    optional=True,
                    tooltip="The reconstructed latent of Inversion Edit Sampler: it adds the drift, level by level.",
                ),
                *other_inputs(),
            ],
            outputs=[
                io.Image.Output(
                    "sheet", display_name="sheet", tooltip="Original, reconstruction, difference and curves."
                ),
                io.String.Output("figures", display_name="figures", tooltip="The figures and the advice as text."),
                io.Image.Output(
                    "comparison", display_name="comparison", tooltip="All connected reconstructions side by side."
                ),
            ],
        )

    @classmethod
    def execute(cls, original, reconstruction, trajectory, vae=None, reconstructed=None, **more) -> io.NodeOutput:
        strayed = (reconstructed or {}).get("inversion_drift", ())
        figures = figures_of(original, reconstruction, trajectory, ceiling_of(vae, trajectory), strayed)
        text = words(figures)
        picture = sheet(original, reconstruction, trajectory.trajectory, figures, text)
        others = others_of(more)
        page = side_by_side(original, figures, reconstruction, others)
        shown = ui.PreviewImage(page if others else picture, cls=cls).as_dict()
        return io.NodeOutput(picture, text, page, ui={**shown, "text": [text]})


def words(figures: Figures) -> str:
    """The table, and what is wrong and what to try."""
    return "\n".join([*table(figures), "", *advice(figures)])


def ceiling_of(vae: Any, record: LatentTrajectory) -> Tensor | None:
    """The autoencoder's own picture of the original, in its size."""
    if vae is None:
        return None
    latent: dict[str, Any] = record.latent(record.trajectory.xs[-1])
    pixels = vae.decode(latent["samples"]).cpu()
    pixels = pixels.reshape(-1, *pixels.shape[-3:])
    frame = frame_of(latent)
    return pixels if frame is None else pixels[:, : frame.height, : frame.width]
