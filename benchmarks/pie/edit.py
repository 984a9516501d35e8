"""One picture of the benchmark edited by a method of this project, once for each setting of a sweep."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from latent_inversion.api.control import NO_CONTROL, Control, has_word, techniques
from latent_inversion.inversion_core.backends.diffusers.studio import Studio
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.quality.metrics import Counted
from latent_inversion.inversion_core.shapes import Latent
from latent_inversion.inversion_core.trajectory import NullText, Trajectory
from latent_inversion.pictures.errors import UserError
from latent_inversion.pictures.files import Pixels, mask_to_tensor, to_pixels, to_tensor

from .data import SIZE, Entry, decode

SEED = 1234
"""Of every picture, as in the published code."""
BLEND_WEIGHT = 2.0
"""What the published Prompt-to-Prompt run multiplies the second blended word's attention by."""
VARIED = {
    "start": "s is the share of the steps that are edited: of N steps the first edited one is round((1 - s) N), at most "
    "N - 1. With s = 1 the edit begins at the noisiest level, with less further down.",
    "attention": "1 - s is the share of the steps, from the noisiest on, in which Prompt-to-Prompt keeps the source's "
    "cross-attention, and in which it keeps its self-attention. s = 1 is no attention control, s = 0 is control in all steps.",
    "both": "s is both at once, `start` and `attention`.",
}
"""What a strength s means, for the methods that `special` does not name."""
CHORD = "s is the time of the noisier end of its one step, as a share of the grid."
FREE = "there is no inverted source: the steps before are left out, and the first one taken starts from the picture."


CROSS_END, SELF_END = 0.4, 0.6
"""The fractions of the steps under control in PIE-Bench's own runs (arXiv:2310.01506, app. B)."""
FLOW_CROSS_END, FLOW_SELF_END = 0.2, 0.2
"""The same for rectified flow (arXiv:2508.07519, published code)."""


@dataclass(frozen=True)
class Setting:
    """A point of a sweep; where nothing is varied, what the recipe says."""

    varied: str = ""
    strength: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.varied} {self.strength:g}" if self.varied else "as set"


@dataclass(frozen=True)
class Recipe:
    """What all edits of a run have in common; `side` is the size of the pictures that the model gets.

    `inversion` is the method's own if it is empty. `strength`, `cross` and `self_attention` hold unless they are varied.
    """

    method: str
    side: int
    guidance: float = 7.5
    source_guidance: float = 7.5
    steps: int = 50
    strength: float = 1.0
    inversion: str = ""
    attention: bool = True
    cross: float = CROSS_END
    self_attention: float = SELF_END
    use_mask: bool = False

    def at(self, setting: Setting) -> "Recipe":
        """The recipe with strength and attention windows as a point of a sweep has them."""
        moved, kept = setting.strength, 1 - setting.strength
        strength = moved if setting.varied in ("start", "both") else self.strength
        if setting.varied in ("attention", "both"):
            return replace(self, strength=strength, cross=kept, self_attention=kept)
        return replace(self, strength=strength)


@dataclass(frozen=True)
class Work:
    """A picture's clean latent at the model's size, to be edited once for each setting."""

    studio: Studio
    recipe: Recipe
    entry: Entry
    x0: Latent

    @property
    def ceiling(self) -> Pixels:
        """The source through the autoencoder, and through the resizing if there is one, unedited."""
        return self._picture(self.x0)

    @cached_property
    def job(self) -> EditJob:
        """The edit as the recipe has it, without attention control."""
        cond, recipe = self.studio.cond, self.recipe
        source, target = cond(self.entry.source, recipe.source_guidance), cond(self.entry.target, recipe.guidance)
        sigmas = self.studio.grid(recipe.steps, self.x0)
        return EditJob(self.studio.denoiser, self.x0, sigmas, source, target, strength=recipe.strength, seed=SEED)

    @cached_property
    def prepared(self) -> tuple[Trajectory | None, NullText | None, int]:
        """What all settings share: the trajectory of methods that have one, null-text's optimisation, their evaluations."""
        counted, own, null_text = Counted(self.studio.denoiser), self.recipe.inversion, None
        job = replace(self.job, denoiser=counted)
        if own:
            cond = self.studio.cond(self.entry.source)
            trajectory: Trajectory | None = invert(
                INVERSIONS[own], counted, self.x0, job.sigmas, cond, generator=job.generator
            )
        else:
            trajectory = EDITORS[self.recipe.method].invert(job)
        if trajectory is not None and self.recipe.method == "null-text":
            null_text = optimize_null_text(trajectory, counted, job.source)
        return trajectory, null_text, counted.count.evaluations

    def edit(self, setting: Setting) -> tuple[Pixels, dict[str, Any]]:
        """The edited picture [512, 512, 3], and what the row says of how it was made."""
        recipe = self.recipe.at(setting)
        control = control_of(self.studio, recipe, self.entry)
        used = techniques(self.studio, self.job.sigmas, self.entry.source, self.entry.target, control)
        trajectory, null_text, spent = self.prepared
        counted = Counted(self.studio.denoiser)
        job = replace(self.job, denoiser=counted, strength=recipe.strength, techniques=tuple(used), null_text=null_text)
        edited = EDITORS[recipe.method].edit(job, trajectory)
        told = {
            "strength": recipe.strength,
            "cross": control.cross,
            "self_attention": control.self_attention,
            "evaluations": spent + counted.count.evaluations,
            "blended": list(control.words),
            "mask_used": recipe.use_mask,
            "resized": None if recipe.side == SIZE else [SIZE, recipe.side],
        }
        return self._picture(edited.target), told

    def _picture(self, x0: Latent) -> Pixels:
        return fitted(to_pixels(self.studio.decode(x0), (self.recipe.side, self.recipe.side)), SIZE)


def prepare(studio: Studio, recipe: Recipe, entry: Entry, pixels: Pixels) -> Work:
    """A picture brought to the model's size and encoded."""
    small = to_tensor(fitted(pixels, recipe.side), studio.multiple)
    return Work(studio, recipe, entry, studio.encode_picture(small))


def control_of(studio: Studio, recipe: Recipe, entry: Entry) -> Control:
    """Prompt-to-Prompt as in the published run: refine, and local blend and a weight for blended words if there are any."""
    mask, chosen = None, NO_CONTROL
    if recipe.use_mask:
        wide = Image.fromarray(decode(entry.runs).astype(np.float32))
        mask = mask_to_tensor(
            np.asarray(wide.resize((recipe.side, recipe.side), Image.Resampling.BOX)), studio.multiple
        )
    if recipe.attention:
        weighted = [word for word in entry.blend[1:] if has_word(studio.prompt_tokens(entry.target), word)]
        chosen = Control(
            cross=recipe.cross,
            self_attention=recipe.self_attention,
            words=known_words(studio, entry),
            weights=dict.fromkeys(weighted, BLEND_WEIGHT) if recipe.cross else {},
        )
    return replace(chosen, mask=mask)


def special(method: str) -> str:
    """What is particular about the method's start; nothing for most."""
    if method == "ChordEdit":
        return CHORD
    return FREE if EDITORS[method].inversion is None else ""


def meaning(method: str, varied: str) -> str:
    """What a strength means for the method, in full."""
    return " ".join(part for part in (VARIED[varied], special(method) if varied != "attention" else "") if part)


def check_inversion(recipe: Recipe) -> None:
    """Raises UserError if the recipe names an inversion for a method that has one of its own, or none."""
    own = EDITORS[recipe.method].inversion
    if recipe.inversion and own != "ddim":
        raise UserError(
            f"--inversion is for methods that start from DDIM inversion; {recipe.method} starts from {own}."
        )


def fitted(pixels: Pixels, side: int) -> Pixels:
    """The picture at side x side pixels."""
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


def known_words(studio: Studio, entry: Entry) -> list[str]:
    """The blended words that are in either prompt; the published code passes over others, too."""
    prompts = (entry.source, entry.target)
    return [
        word
        for word in dict.fromkeys(entry.blend)
        if any(has_word(studio.prompt_tokens(text), word) for text in prompts)
    ]
