"""Virtual try-on against the truth: the shirt of one held-out toybox picture on the animal of another.

    python benchmarks/try_on.py --cases 60 --out out/try_on

Ours is `latent-inversion try-on` with its defaults, which finds both shirts by the words of the descriptions; beside it
the same with the shirts' true masks. It is held against plain DDIM
inversion and image-to-image at every noise level, which are told the shirt's colour and pattern in words.
The pictures differ in place, light, style and animal; the true picture has the garment's tint and the phase of its
pattern, which no words tell, in the light of the person's picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from torch import Tensor
from truth.baselines import UPPER_LEVELS
from truth.run import OURS, Method, baselines, options, pairs, run

from latent_inversion.command_line.batch import Making
from latent_inversion.command_line.cases import World
from latent_inversion.command_line.try_on import Clothes, try_on
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.toybox.hosts.studios import TOYBOX_GUIDANCE
from latent_inversion.toybox.world import HELD_OUT_SEEDS, Edit, Scene, caption, render
from latent_inversion.toybox.world.draw import SHIRT, layers

FIRST_SEED = HELD_OUT_SEEDS + 3 * 2**20
"""Away from the scenes on which the defaults were chosen."""


@dataclass(frozen=True)
class TryOn(Edit):
    """A person, the truth, and the scene that shows the garment."""

    garment: Scene


def cases(count: int) -> list[TryOn]:
    """Pairs of held-out scenes that show colours, with shirts of another colour or pattern; the same list every time."""
    dressings = (
        TryOn(f"{shirt_words(person)} to {shirt_words(garment)}", person, person.wearing(garment), garment)
        for person, garment in pairs(FIRST_SEED)
        if shirt_words(person) != shirt_words(garment) and "sketch" not in (person.style, garment.style)
    )
    return list(islice(dressings, count))


def worn(world: World, given: Sequence[TryOn], *, steps: int, masks: bool = False) -> Picture:
    """The cases as the command makes them, with the shirts' true masks if so wished."""
    people, garments = ([clothes(getattr(case, side), masks) for case in given] for side in ("source", "garment"))
    made = try_on(world.studio, people, garments, making=Making(steps=steps))
    return world.studio.decode(made.edited.target)


def clothes(scene: Scene, masked: bool) -> Clothes:
    """A scene's picture, its caption, the words of that for the shirt, and where the shirt is if that is told."""
    return Clothes(render([scene]), shirt(scene) if masked else None, caption(scene), f"{shirt_words(scene)} shirt")


def shirt_words(scene: Scene) -> str:
    return f"{scene.pattern} {scene.shirt}"


def shirt(scene: Scene) -> Tensor:
    """Where the scene's shirt is seen."""
    return (layers([scene]) == SHIRT)[:, None].float()


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "", out="out/try_on", guidance=TOYBOX_GUIDANCE)
    ours = partial(worn, steps=chosen.steps)
    methods: dict[str, Method] = {
        OURS: ours,
        "ours, masks given": partial(ours, masks=True),
        **baselines(steps=chosen.steps, guidance=chosen.guidance, levels=UPPER_LEVELS),
    }
    run(chosen, cases(chosen.cases), methods, ours=OURS)


if __name__ == "__main__":
    main()
