"""Virtual try-on with the models that the commands know: from two pictures and their words to one picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..inversion_core.applications.registration import registered
from ..inversion_core.applications.try_on import DEFAULT, NARROW, WIDE, Fit, clothing_region, dressed
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.loops.edit import Edited
from ..inversion_core.prompts.script import occurrences
from ..inversion_core.shapes import Picture
from ..inversion_core.techniques.garment import Worn
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import Cond
from ..pictures.errors import UserError
from .batch import Making


@dataclass(frozen=True)
class Clothes:
    """A picture of which clothing matters: `words` describe it, `clothing` is the phrase of them that names the clothing.

    `mask` [1, 1, height, width] says where it is; without one the phrase's attention does.
    """

    picture: Picture
    mask: Tensor | None = None
    words: str = ""
    clothing: str = ""


@dataclass(frozen=True)
class Dressed:
    """The edited latents, and what was found on the way: the regions, and the garments brought to their places there."""

    edited: Edited
    region: Tensor
    placed: Picture
    placed_masks: Tensor


def try_on(
    studio: Studio,
    people: Sequence[Clothes],
    garments: Sequence[Clothes],
    *,
    targets: Sequence[str] | None = None,
    fit: Fit = DEFAULT,
    making: Making | None = None,
) -> Dressed:
    """Each person, of pictures of one size, in its garment, all in one batch.

    `targets` describe the results; by default a person's words with the garment's phrase for the clothing's. Raises UserError
    if there is neither a mask nor a phrase for one of the pictures.
    """
    making = making or Making()
    trajectory = inverted(studio, people, making)
    regions = regions_of(studio, people, making, trajectory)
    masks = [regions_of(studio, [garment], making) for garment in garments]
    placed = in_place(regions, garments, masks)
    masks = [(mask >= NARROW).float() for mask in (one.mask for one in placed) if mask is not None]
    theirs = inverted(studio, placed, making)
    words = [garment.words for garment in garments]
    region = (regions >= WIDE).float()
    worn = Worn(theirs, Cond(studio.encode_prompts(words)), torch.cat(masks), region)
    wanted = targets or [target_words(*pair) for pair in zip(people, garments, strict=True)]
    sources, techniques = [person.words for person in people], dressed(worn, trajectory.sigmas, fit)
    edited = making.edited(studio, trajectory, sources, wanted, techniques)
    return Dressed(edited, region, torch.cat([p.picture for p in placed]), worn.mask)


def inverted(studio: Studio, shown: Sequence[Clothes], making: Making) -> Trajectory:
    """The trajectory of pictures of one size, each under its own words."""
    return making.inverted(studio, [one.picture for one in shown], [one.words for one in shown])


def in_place(regions: Tensor, garments: Sequence[Clothes], masks: Sequence[Tensor]) -> list[Clothes]:
    """The garments moved and scaled to where they are worn, in pictures of the regions' size."""
    size, placed = (regions.shape[-2], regions.shape[-1]), []
    for region, garment, mask in zip(regions.split(1), garments, masks, strict=True):
        placement = registered(region, mask)
        picture, moved = placement.of(garment.picture, size).clamp(0, 1), placement.of(mask, size).clamp(0, 1)
        placed.append(replace(garment, picture=picture, mask=moved))
    return placed


def regions_of(
    studio: Studio, shown: Sequence[Clothes], making: Making, trajectory: Trajectory | None = None
) -> Tensor:
    """Each mask that was given, or where the phrase's attention lies along the trajectory. Raises UserError if there is neither."""
    unknown = [row for row, one in enumerate(shown) if one.mask is None]
    if any(not shown[row].clothing for row in unknown):
        raise UserError("The place of the clothing is missing. Give a mask, or the words that name the clothing.")
    found = {row: one.mask for row, one in enumerate(shown) if one.mask is not None}
    if unknown and trajectory is None:
        trajectory = inverted(studio, shown, making)
    for row in unknown:
        assert trajectory is not None
        own = replace(trajectory, xs=tuple(x[row : row + 1] for x in trajectory.xs))
        found[row] = _read(studio, shown[row], own)
    return torch.cat([found[row] for row in range(len(shown))])


def _read(studio: Studio, shown: Clothes, trajectory: Trajectory) -> Tensor:
    tokens = studio.prompt_tokens(shown.words)
    size = (shown.picture.shape[-2], shown.picture.shape[-1])
    try:
        return clothing_region(trajectory, studio.denoiser, studio.cond(shown.words), tokens, shown.clothing, size)
    except ValueError as error:
        raise UserError(f"{error} Give a mask, or words of the prompt.") from error


def target_words(person: Clothes, garment: Clothes) -> str:
    """The person's words with the garment's phrase in place of the clothing's; as they are if one is not named."""
    words = person.words
    for start, end in reversed(occurrences(words, person.clothing) if garment.clothing else ()):
        words = words[:start] + garment.clothing + words[end:]
    return words
