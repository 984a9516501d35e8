"""Edit one image by words: python edit_an_image.py photo.png "a photo of a cat" "a photo of a dog" [MODEL]

MODEL is the folder of a Stable Diffusion or Flux model in diffusers' format. Without it the toybox is used, which knows
only its own drawn world; without arguments, one of its images is edited.
"""

import sys

from PIL import Image

import latent_inversion as li
from latent_inversion.toybox.world import held_out_edits, render


def toybox_image() -> tuple[Image.Image, str, str]:
    """An image of the toybox's world, and the prompts of an edit of it."""
    edit = next(edit for edit in held_out_edits(160) if edit.name == "accessory: none to glasses")
    levels = (render([edit.source])[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(levels), edit.source_caption, edit.target_caption


def main(arguments: list[str]) -> None:
    image, source, target = arguments[:3] if arguments else toybox_image()
    model = li.load(arguments[3] if len(arguments) > 3 else "toybox")
    inversion = model.invert(image, source)
    result = inversion.edit(target)
    result.image.save("edited.png")
    result.sheet.save("sheet.png")
    print(f"edited.png and sheet.png: {result}")


if __name__ == "__main__":
    main(sys.argv[1:])
