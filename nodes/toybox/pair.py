"""Two pictures of the toybox, and the truth of what one takes from the other."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ...toybox.world import HELD_OUT_SEEDS, Scene, caption, render
from ..kit.schema import choice, output, schema, seed_input

SHIRT, STYLE = "wears the other's shirt", "in the other's style"


class InversionToyboxPair(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionToyboxPair",
            display_name="Toybox Pair",
            category="inversion/toybox",
            description="Draws two portraits that no model has seen, and the true result of giving the first portrait the shirt or "
            "the style of the second.",
            search_aliases=["toybox image", "ground truth"],
            inputs=[
                seed_input(57, changes=True).about("Seed of the portrait to change."),
                seed_input(33, name="other_seed").about("Seed of the portrait to take from."),
                choice("change", [SHIRT, STYLE]).about("What to transfer."),
            ],
            outputs=[
                output(io.Image, "image").about("The portrait to change, 128 x 128."),
                output(io.String, "source_prompt").about("Caption of the portrait to change."),
                output(io.Image, "other").about("The other portrait."),
                output(io.String, "other_prompt").about("Caption of the other portrait."),
                output(io.String, "target_prompt").about("Caption of the edited image."),
                output(io.Image, "true_edit").about("The true result of the edit."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, other_seed: int, change: str) -> io.NodeOutput:
        return io.NodeOutput(*draw_pair(seed, other_seed, change))


def draw_pair(seed: int, other_seed: int, change: str) -> tuple[Tensor, str, Tensor, str, str, Tensor]:
    """Two held-out scenes, and the first as it is changed. Raises ValueError if that would show nothing."""
    source, other = (Scene.from_seed(HELD_OUT_SEEDS + number) for number in (seed, other_seed))
    target = source.wearing(other) if change == SHIRT else source.replace(style=other.style)
    image, shown, edited = render([source, other, target]).movedim(1, -1)[:, None].clamp(0, 1)
    if torch.equal(image, edited):
        raise ValueError(
            f"The portrait of seed {seed} would not show it: {caption(source)}; {caption(other)}. Choose another seed."
        )
    return image, caption(source), shown, caption(other), caption(target), edited
