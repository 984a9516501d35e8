"""Sockets that several nodes have, each with the one tooltip that says what belongs there."""

from comfy_api.latest import io

from ..sockets import AttentionEditSocket, TrajectorySocket
from .schema import output, socket


def model_input() -> io.Input:
    """The model, where a node works along a trajectory."""
    return socket(io.Model, "model").about("The model that made the trajectory, with the same LoRAs.")


def trajectory_input() -> io.Input:
    """The trajectory of an image."""
    return socket(TrajectorySocket, "trajectory").about("Trajectory of the image, from DDIM Invert.")


def source_and_target() -> list[io.Input]:
    """The prompts of an edit."""
    return [
        socket(io.Conditioning, "source").about("Prompt that describes the image."),
        socket(io.Conditioning, "target").about("Prompt that describes the edited image."),
    ]


def negative_input() -> io.Input:
    """The negative prompt of an edit."""
    return socket(io.Conditioning, "negative").about("Negative prompt, usually empty.")


def edits_input() -> io.Input:
    """Where a sampler takes attention edits."""
    return socket(AttentionEditSocket, "attention_edit", optional=True).about("Attention edit to apply.")


def mask_input() -> io.Input:
    """The region of an edit."""
    return socket(io.Mask, "mask", optional=True).about(
        "Region that may change, at the size of the image. Replaces a mask from Inversion Encode."
    )


def another_edit() -> io.Input:
    """Where a node takes the attention edits that its own joins."""
    return socket(AttentionEditSocket, "attention_edit", optional=True).about(
        "Another attention edit to apply together with this one."
    )


def all_edits() -> io.Output:
    """Where a node gives its attention edit, and those that came in."""
    return output(AttentionEditSocket, "edit", "attention edit").about(
        "Attention edit, for a sampler or another attention edit."
    )
