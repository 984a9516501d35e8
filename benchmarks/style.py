"""Style transfer against the truth: held-out toybox pictures in the style of another held-out picture, and by words.

    python benchmarks/style.py --cases 60 --out out/style

Ours is `latent-inversion style --style-picture` with its defaults. Nobody tells it the style: it reads the word off the
style picture, among photo, painting and sketch. Beside it: the same told the word; and the style taken by attention
alone, with StyleAligned and with StyleID, without a word. It is held against plain DDIM inversion and image-to-image at
every noise level, which are told the word, and against plain DDIM inversion without it.
The whole picture changes, so what lies outside of the change is only what the renderer happens to draw alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from truth.baselines import UPPER_LEVELS, ddim
from truth.run import OURS, Method, baselines, options, pairs, run

from latent_inversion.command_line.batch import Making
from latent_inversion.command_line.cases import World
from latent_inversion.command_line.style import BLANK, Look, Styling, Wish, transferred
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.toybox.hosts.studios import TOYBOX_GUIDANCE
from latent_inversion.toybox.world import HELD_OUT_SEEDS, Edit, Scene, caption, render

FIRST_SEED = HELD_OUT_SEEDS + 4 * 2**20
"""Away from the scenes on which the defaults were chosen."""


@dataclass(frozen=True)
class Restyling(Edit):
    """A picture, the truth, and the scene that shows the style."""

    look: Scene


def cases(count: int) -> list[Restyling]:
    """Held-out scenes that show colours, each with another scene in another style; the same list every time."""
    restylings = (
        Restyling(f"{scene.style} to {look.style}", scene, scene.replace(style=look.style), look)
        for scene, look in pairs(FIRST_SEED)
        if scene.style not in ("sketch", look.style)
    )
    return list(islice(restylings, count))


def blank(scene: Scene, word: str = BLANK) -> str:
    """The scene's caption with another word in place of its style."""
    return caption(scene).replace(f"a {scene.style} of", f"a {word} of")


def wish(case: Restyling, word: str) -> Wish:
    return Wish(render([case.source]), case.source_caption, blank(case.source, word))


def look(case: Restyling, word: str = BLANK) -> Look:
    return Look(render([case.look]), blank(case.look, word))


def read(world: World, given: Sequence[Restyling], *, steps: int) -> Picture:
    """The command's default: the style's word is read off its picture."""
    made = transferred(world.studio, [wish(c, BLANK) for c in given], [look(c) for c in given], making=Making(steps))
    return world.studio.decode(made.edited.target)


def told(world: World, given: Sequence[Restyling], *, steps: int) -> Picture:
    """The command with the style's word in the target."""
    made = transferred(world.studio, [wish(c, c.look.style) for c in given], making=Making(steps))
    return world.studio.decode(made.edited.target)


def attended(world: World, given: Sequence[Restyling], *, steps: int, method: str) -> Picture:
    """The style by attention alone: neither picture's prompt for it names a style."""
    styling = Styling(method=method)
    wishes, looks = ([f(c, "picture") for c in given] for f in (wish, look))
    made = transferred(world.studio, wishes, looks, styling=styling, making=Making(steps))
    return world.studio.decode(made.edited.target)


def unnamed(world: World, given: Sequence[Restyling], *, steps: int, guidance: float) -> Picture:
    """Plain DDIM inversion that is not told the style."""
    return ddim(world, given, [blank(c.source, "picture") for c in given], steps=steps, guidance=guidance)


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "", out="out/style", guidance=TOYBOX_GUIDANCE)
    steps, guidance = chosen.steps, chosen.guidance
    methods: dict[str, Method] = {
        OURS: partial(read, steps=steps),
        "ours, told the word": partial(told, steps=steps),
        **{f"{name} alone": partial(attended, steps=steps, method=name) for name in ("StyleAligned", "StyleID")},
        **baselines(steps=steps, guidance=guidance, levels=UPPER_LEVELS),
        "plain DDIM, no word": partial(unnamed, steps=steps, guidance=guidance),
    }
    run(chosen, cases(chosen.cases), methods, ours=OURS)


if __name__ == "__main__":
    main()
