"""The toybox in ComfyUI: its models, and pictures of which the true edit is known."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ...toybox.world import ATTRIBUTES, HELD_OUT_SEEDS, Scene, caption, edit_mask, render, video_scenes
from ..kit.common import schema

UNET, FLOW = "UNet (v-prediction)", "DiT (rectified flow)"
EDITS = [f"{name}: {value}" for name, values in ATTRIBUTES.items() for value in values]


class InversionToyboxLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionToyboxLoader",
            display_name="Toybox Loader",
            category="inversion/toybox",
            description="Loads the tiny diffusion models that come with this pack. They draw portraits of animals at 128 x 128 and "
            "run in seconds on a CPU. KSampler, VAE and LoRA nodes take them like any other model.",
            search_aliases=["load checkpoint", "toybox model"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[UNET, FLOW],
                    default=UNET,
                    optional=True,
                    tooltip="Which diffusion model to load: one built and noised like Stable Diffusion 1, or one like Stable "
                    "Diffusion 3. Text encoder and VAE are shared.",
                ),
            ],
            outputs=[
                io.Model.Output("denoiser", display_name="model", tooltip="The diffusion model."),
                io.Clip.Output("clip", display_name="clip", tooltip="Text encoder that knows the words of the toybox."),
                io.Vae.Output("vae", display_name="vae", tooltip="The VAE: latents 8 x smaller, with 16 channels."),
            ],
        )

    @classmethod
    def execute(cls, model: str = UNET) -> io.NodeOutput:
        from ...toybox.hosts.comfy_loader import load_comfy

        return io.NodeOutput(*load_comfy("flow" if model == FLOW else "unet"))


class InversionToyboxScene(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionToyboxScene",
            display_name="Toybox Scene",
            category="inversion/toybox",
            description="Draws a portrait that no model has seen, and the true result of an edit of that portrait.",
            search_aliases=["test picture", "ground truth"],
            inputs=[
                io.Int.Input(
                    "seed", default=23, min=0, max=2**64 - 1, control_after_generate=True, tooltip="Portrait seed."
                ),
                io.Combo.Input(
                    "change", options=EDITS, default="time: night", tooltip="What the edited image shows instead."
                ),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The portrait, 128 x 128."),
                io.String.Output("source_prompt", display_name="source prompt", tooltip="Caption of the image."),
                io.String.Output("target_prompt", display_name="target prompt", tooltip="Caption of the edited image."),
                io.Image.Output("true_edit", display_name="true edit", tooltip="The true result of the edit."),
                io.Mask.Output("mask", display_name="mask", tooltip="Region where original and true edit differ."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, change: str) -> io.NodeOutput:
        return io.NodeOutput(*drawn(seed, change))


def drawn(seed: int, change: str, frames: int = 1) -> tuple[Tensor, str, str, Tensor, Tensor]:
    """A held-out scene, moving if it has several frames, and its edit. Raises ValueError if the scene is already so, or does not show the change."""
    name, value = change.split(": ")
    source = Scene.from_seed(HELD_OUT_SEEDS + seed)
    if getattr(source, name) == value:
        raise ValueError(f"The portrait of seed {seed} already shows {change}. Choose another change or another seed.")
    target = source.replace(**{name: value})
    scenes = [video_scenes(scene, frames) for scene in (source, target)]
    images, edited = (render(clip).movedim(1, -1).clamp(0, 1) for clip in scenes)
    if torch.equal(images, edited):
        raise ValueError(
            f"The portrait of seed {seed} would not show {change}: {caption(source)}. Choose another seed."
        )
    masks = torch.stack([edit_mask(before, after) for before, after in zip(*scenes, strict=True)]).float()
    return images, caption(source), caption(target), edited, masks
