"""Two pictures of the toybox, and the truth of what one takes from the other."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ...toybox.world import HELD_OUT_SEEDS, Scene, caption, render
from ..kit.common import schema

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
            search_aliases=["test picture", "ground truth", "try-on", "style transfer"],
            inputs=[
                io.Int.Input(
                    "seed",
                    default=57,
                    min=0,
                    max=2**64 - 1,
                    control_after_generate=True,
                    tooltip="Seed of the portrait to change.",
                ),
                io.Int.Input(
                    "other_seed", default=33, min=0, max=2**64 - 1, tooltip="Seed of the portrait to take from."
                ),
                io.Combo.Input("change", options=[SHIRT, STYLE], default=SHIRT, tooltip="What to transfer."),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The portrait to change, 128 x 128."),
                io.String.Output(
                    "source_prompt", display_name="source prompt", tooltip="Caption of the portrait to change."
                ),
                io.Image.Output("other", display_name="other", tooltip="The other portrait."),
                io.String.Output("other_prompt", display_name="other prompt", tooltip="Caption of the other portrait."),
                io.String.Output("target_prompt", display_name="target prompt", tooltip="Caption of the edited image."),
                io.Image.Output("true_edit", display_name="true edit", tooltip="The true result of the edit."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, other_seed: int, change: str) -> io.NodeOutput:
        return io.NodeOutput(*paired(seed, other_seed, change))


def paired(seed: int, other_seed: int, change: str) -> tuple[Tensor, str, Tensor, str, str, Tensor]:
    """Two held-out scenes, and the first as it is changed. Raises ValueError if that would show nothing."""
    source, other = (Scene.from_seed(HELD_OUT_SEEDS + number) for number in (seed, other_seed))
    target = source.wearing(other) if change == SHIRT else source.replace(style=other.style)
    image, shown, edited = render([source, other, target]).movedim(1, -1)[:, None].clamp(0, 1)
    if torch.equal(image, edited):
        raise ValueError(
            f"The portrait of seed {seed} would not show it: {caption(source)}; {caption(other)}. Choose another seed."
        )
    return image, caption(source), shown, caption(other), caption(target), edited
