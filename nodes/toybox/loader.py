"""The toybox in ComfyUI: its models, and pictures of which the true edit is known."""

import logging

import torch
from comfy_api.latest import io
from torch import Tensor

from ...toybox.world import ATTRIBUTES, HELD_OUT_SEEDS, Scene, caption, edit_mask, render, video_scenes
from ..kit.schema import choice, output, schema, seed_input
from ..run.progress import say

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
                choice("model", [UNET, FLOW], optional=True).about(
                    "Which diffusion model to load: one built and noised like Stable Diffusion 1, or one like Stable "
                    "Diffusion 3. Text encoder and VAE are shared."
                ),
            ],
            outputs=[
                output(io.Model, "denoiser", "model").about("The diffusion model."),
                output(io.Clip, "clip").about("Text encoder that knows the words of the toybox."),
                output(io.Vae, "vae").about("The VAE: latents 8 x smaller, with 16 channels."),
            ],
        )

    @classmethod
    def execute(cls, model: str = UNET) -> io.NodeOutput:
        from ...toybox.hosts.comfy_loader import load_comfy

        return io.NodeOutput(*load_comfy("flow" if model == FLOW else "unet", tell))


def tell(text: str) -> None:
    """Says on the node that runs, and in the log, what the toybox was not made for."""
    logging.warning(text)
    say(text)


class InversionToyboxScene(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionToyboxScene",
            display_name="Toybox Scene",
            category="inversion/toybox",
            description="Draws a portrait that no model has seen, and the true result of an edit of that portrait.",
            search_aliases=["toybox image", "ground truth"],
            inputs=edit_inputs("image"),
            outputs=[
                output(io.Image, "image").about("The portrait, 128 x 128."),
                *edit_outputs("image"),
                output(io.Mask, "mask").about("Region where original and true edit differ."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, change: str) -> io.NodeOutput:
        return io.NodeOutput(*draw_edit(seed, change))


def edit_inputs(drawing: str) -> list[io.Input]:
    """Which portrait, and how its edit differs."""
    return [
        seed_input(23, changes=True).about("Portrait seed."),
        choice("change", EDITS, default="time: night").about(f"What the edited {drawing} shows instead."),
    ]


def edit_outputs(drawing: str) -> list[io.Output]:
    """The captions, and the truth."""
    return [
        output(io.String, "source_prompt").about(f"Caption of the {drawing}."),
        output(io.String, "target_prompt").about(f"Caption of the edited {drawing}."),
        output(io.Image, "true_edit").about("The true result of the edit."),
    ]


def draw_edit(seed: int, change: str, frames: int = 1) -> tuple[Tensor, str, str, Tensor, Tensor]:
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
