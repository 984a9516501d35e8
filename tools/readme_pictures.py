"""README's pictures of edits, docs/before_after.jpg and docs/edits.jpg, and docs/bear.png, which its example edits, from what `latent-inversion demo` left.

latent-inversion demo
python tools/readme_pictures.py out/demo [FOLDER]
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from latent_inversion.pictures.contact import enlarged
from latent_inversion.pictures.drawing import INK, ORANGE, write
from latent_inversion.pictures.faces import face

SHOWN, SIDE, SEAM, TEXT, LINE = "shirt: yellow to purple", 880, 40, 38, 56
QUALITY = 88


def before_after(demo: Path) -> Image.Image:
    """One edit of the demo, large, each image over its prompt with the changed words coloured."""
    edit = next(edit for edit in json.loads((demo / "report.json").read_text())["edits"] if edit["name"] == SHOWN)
    image = Image.new("RGB", (2 * SIDE + SEAM, SIDE + 3 * LINE), "white")
    draw = ImageDraw.Draw(image)
    prompts = edit["source_prompt"], edit["target_prompt"]
    for place, (when, prompt) in enumerate(zip(("before", "after"), prompts, strict=True)):
        left = place * (SIDE + SEAM)
        image.paste(enlarged(np.asarray(Image.open(path_of(demo, when))), SIDE), (left, 0))
        x, y = left, SIDE + LINE // 3
        for word, other in zip(prompt.split(), prompts[1 - place].split(), strict=True):
            width = face(TEXT).getlength(word + " ")
            if x + width > left + SIDE:
                x, y = left, y + LINE
            write(draw, (x, y), word, INK if word == other else ORANGE, size=TEXT)
            x += width
    return image


def path_of(demo: Path, when: str) -> Path:
    return demo / f"{SHOWN.replace(': ', '_').replace(' ', '_')}_{when}.png"


def main(demo: Path, folder: Path) -> None:
    before_after(demo).save(folder / "before_after.jpg", quality=QUALITY, optimize=True)
    shutil.copyfile(path_of(demo, "before"), folder / "bear.png")
    Image.open(demo / "demo.png").save(folder / "edits.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs"))
