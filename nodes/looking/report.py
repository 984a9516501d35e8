"""Inversion Report: how true a reconstruction is, what limits it, and what to try."""

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ...inversion_core.quality.verdict import Verdict
from ..inverting.decode import pictures_of
from ..kit.checks import NOT_CONNECTED
from ..kit.schema import output, schema, socket
from ..sockets import LatentTrajectory, TrajectorySocket
from .report_compare import half_a_pair, other_inputs, others_of, side_by_side
from .report_figures import Figures, advice, figures_of, table
from .report_sheet import curves_page, sheet
from .report_verdict import sentence, verdicts


class InversionReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionReport",
            display_name="Inversion Report",
            category="inversion/invert",
            description="Compares an image with its reconstruction and says in words what is wrong and what to try. With the edited "
            "image, also says what the edit did. Several reconstructions are shown side by side.",
            search_aliases=["psnr", "ssim", "compare images", "drift"],
            is_output_node=True,
            inputs=[
                socket(io.Image, "original").about("The image that was inverted."),
                socket(io.Image, "reconstruction").about("The reconstructed image, from Inversion Decode."),
                socket(TrajectorySocket, "trajectory").about("Trajectory of the image."),
                socket(io.Vae, "vae", optional=True).about(
                    "VAE that measures the ceiling: what encoding and decoding lose, which no inversion wins back."
                ),
                socket(io.Latent, "reconstructed", optional=True).about(
                    "Reconstructed latent of Inversion Edit Sampler. Adds the drift at each noise level."
                ),
                socket(io.Image, "edited", optional=True).about(
                    "The edited image, shown beside the others; the report says what the edit did."
                ),
                *other_inputs(),
            ],
            outputs=[
                output(io.Image, "sheet").about("Original, reconstruction, edit, difference and curves."),
                output(io.String, "figures").about("The figures and the advice as text."),
                output(io.Image, "comparison").about("All connected reconstructions side by side."),
                output(io.Image, "curves").about(
                    "The drift of the replay and the histogram of the inverted noise, as a separate image."
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        reconstruction_2=NOT_CONNECTED,
        trajectory_2=NOT_CONNECTED,
        reconstruction_3=NOT_CONNECTED,
        trajectory_3=NOT_CONNECTED,
        reconstruction_4=NOT_CONNECTED,
        trajectory_4=NOT_CONNECTED,
    ) -> bool | str:
        pictures = reconstruction_2, reconstruction_3, reconstruction_4
        records = trajectory_2, trajectory_3, trajectory_4
        return (
            half_a_pair([one is not NOT_CONNECTED for one in both] for both in zip(pictures, records, strict=True))
            or True
        )

    @classmethod
    def execute(
        cls, original, reconstruction, trajectory, vae=None, reconstructed=None, edited=None, **more
    ) -> io.NodeOutput:
        strayed = (reconstructed or {}).get("inversion_drift", ())
        figures = figures_of(original, reconstruction, trajectory, ceiling_of(vae, trajectory), strayed)
        edit = None if edited is None else edit_verdict(original, reconstruction, edited, trajectory.mask)
        text = words(figures, edit, vae.about_image(original) if hasattr(vae, "about_image") else "")
        picture = sheet(original, reconstruction, edited, trajectory.trajectory, figures, text)
        others = others_of(more)
        page = side_by_side(original, figures, reconstruction, others)
        shown = ui.PreviewImage(page if others else picture, cls=cls).as_dict()
        curves = curves_page(trajectory.trajectory, figures)
        return io.NodeOutput(picture, text, page, curves, ui={**shown, "text": [text]})


def words(figures: Figures, edit: Verdict | None = None, foreign: str = "") -> str:
    """The table, what came out of the edit, and what is wrong and what to try: what the model says of a `foreign` image alone."""
    share = [] if edit is None else [f"changed by the edit  {100 * edit.changed:.1f} %"]
    came_out = [] if edit is None else [sentence(edit)]
    return "\n".join([*table(figures), *share, "", *([foreign] if foreign else [*came_out, *advice(figures)])])


def edit_verdict(original: Tensor, reconstruction: Tensor, edited: Tensor, mask: Tensor | None) -> Verdict:
    """The verdict on the first picture of the batch, where the trajectory's mask allows an edit.

    Raises ValueError if the edit is of another size.
    """
    if edited.shape[1:3] != original.shape[1:3]:
        (a, b) = (f"{one.shape[2]} x {one.shape[1]}" for one in (original, edited))
        raise ValueError(f"The original is {a}, but the edited image is {b}. Use Inversion Decode.")
    region = None if mask is None else mask[:1, 0, : original.shape[1], : original.shape[2]]
    return verdicts(original[:1], edited[:1], reconstruction[:1], region)[0]


def ceiling_of(vae: Any, record: LatentTrajectory) -> Tensor | None:
    """The autoencoder's own picture of the original, in its size."""
    if vae is None:
        return None
    return pictures_of(vae, record.latent(record.trajectory.xs[-1]))
