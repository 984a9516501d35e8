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
            description="The tiny diffusion models that come with this pack: they know portraits of animals, 128 x 128, and "
            "run in seconds on a CPU. KSampler, VAE and LoRA nodes take them like any other.",
            search_aliases=["load checkpoint", "toybox model"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[UNET, FLOW],
                    default=UNET,
                    optional=True,
                    tooltip="Which denoiser: laid out and noised like Stable Diffusion 1, or like Stable Diffusion 3. Text "
                    "encoder and autoencoder are the same.",
                ),
            ],
            outputs=[
                io.Model.Output("denoiser", display_name="model", tooltip="The denoiser."),
                io.Clip.Output("clip", display_name="clip", tooltip="The text encoder; it knows the toybox's words."),
                io.Vae.Output("vae", display_name="vae", tooltip="The autoencoder, 8 x smaller, 16 channels."),
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
            description="Draws a portrait that no model has seen, and the true picture of an edit of it.",
            search_aliases=["test picture", "ground truth"],
            inputs=[
                io.Int.Input(
                    "seed", default=23, min=0, max=2**64 - 1, control_after_generate=True, tooltip="Which portrait."
                ),
                io.Combo.Input(
                    "change", options=EDITS, default="time: night", tooltip="What the edited picture shows instead."
                ),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The portrait, 128 x 128."),
                io.String.Output("source_prompt", display_name="source prompt", tooltip="Its caption."),
                io.String.Output(
                    "target_prompt", display_name="target prompt", tooltip="The edited picture's caption."
                ),
                io.Image.Output("true_edit", display_name="true edit", tooltip="What the edit has to look like."),
                io.Mask.Output("mask", display_name="mask", tooltip="Where the two pictures differ."),
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
