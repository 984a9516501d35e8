"""README's images of edits: docs/before_after.jpg, docs/edits.jpg, and docs/bear.png, which its example edits.

latent-inversion demo
python tools/readme_pictures.py out/demo [FOLDER]
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

import latent_inversion as li
from latent_inversion.command_line.commands.demo import GUIDANCE, METHOD, MODEL, STRENGTH
from latent_inversion.pictures.contact import enlarged
from latent_inversion.pictures.drawing import INK, ORANGE, write
from latent_inversion.pictures.faces import face
from latent_inversion.pictures.files import Pixels, to_pixels, write_picture
from latent_inversion.toybox.world import caption, held_out_scenes, render

SCENE, WORDS = 23, ("yellow", "blue")
"""The held-out scene and the change of the first template."""
SIDE, SEAM, TEXT, LINE, QUALITY = 880, 40, 38, 56, 88


def before_after(images: tuple[Pixels, Pixels], prompts: tuple[str, str]) -> Image.Image:
    """Two images, large, each over its prompt with the changed words coloured."""
    sheet = Image.new("RGB", (2 * SIDE + SEAM, SIDE + 5 * LINE // 2), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (pixels, prompt) in enumerate(zip(images, prompts, strict=True)):
        left = place * (SIDE + SEAM)
        sheet.paste(enlarged(pixels, SIDE), (left, 0))
        x, y = left, SIDE + LINE // 3
        for word, other in zip(prompt.split(), prompts[1 - place].split(), strict=True):
            width = int(face(TEXT).getlength(word + " "))
            if x + width > left + SIDE:
                x, y = left, y + LINE
            write(draw, (x, y), word, INK if word == other else ORANGE, size=TEXT)
            x += width
    return sheet


def main(demo: Path, folder: Path) -> None:
    (scene,) = held_out_scenes(1, first=SCENE)
    before, prompt = to_pixels(render([scene])), caption(scene)
    target = prompt.replace(*WORDS)
    image = li.load(MODEL).invert(before, prompt, inversion=None)
    after = image.edit(target, method=METHOD, guidance=GUIDANCE, strength=STRENGTH, steps=20, find_region=True)
    write_picture(folder / "bear.png", before)
    hero = before_after((before, after.pixels), (prompt, target))
    hero.save(folder / "before_after.jpg", quality=QUALITY, optimize=True)
    Image.open(demo / "demo.png").save(folder / "edits.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs"))
