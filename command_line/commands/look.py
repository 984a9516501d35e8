"""`latent-inversion look`: where in a picture each word of its description draws attention, and masks of the words."""

import argparse
import re
import unicodedata

import numpy as np

from ...inversion_core.applications.attention_view import word_attention
from ...inversion_core.attention import regions
from ...inversion_core.attention.maps import clearest
from ...inversion_core.prompts.reading import label
from ...pictures.files import write_picture
from ...pictures.sheet import Cell, heat, sheet
from .. import values
from ..options import add_inversion, add_output, add_picture_and_model, add_trajectory
from ..outputs import check_folder, named_after
from ..progress import bar
from ..reading import tell
from ..workspace import open_workspace, trajectory_of

DESCRIPTION = """\
Show where in an image each word of the prompt draws attention: the image is inverted, and attention is read along
the trajectory. Leaves words.png, every word's map over the image, and one mask per word for `edit --mask` or any other
program, white in the region of the word.
"""
EXAMPLES = """\
examples:
  latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa"
  a mask of the cat, then another animal inside it:
    latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa" --words cat --softness 0.3 --out masks
    latent-inversion edit cat.jpg --model DIR --source "a cat on a sofa" --target "a dog on a sofa" --mask masks/01-cat.png
"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description, command.epilog = DESCRIPTION, EXAMPLES
    add_picture_and_model(command)
    command.add_argument("--prompt", metavar="TEXT", required=True, help="what the image shows")
    command.add_argument(
        "--words", nargs="+", metavar="WORD", default=[], help="words or phrases of the prompt (default: every word)"
    )
    command.add_argument(
        "--threshold",
        **values.SHARE,
        default=regions.THRESHOLD,
        help="how much of a word's strongest value counts as the region of that word (default: %(default)s)",
    )
    command.add_argument(
        "--softness",
        **values.SHARE,
        default=0.0,
        help="width of the soft edge of the masks, in the units of --threshold (default: black and white)",
    )
    command.add_argument(
        "--alone",
        action="store_true",
        help="show each word's own attention, instead of how much more attention it draws than the other words",
    )
    add_inversion(command)
    add_trajectory(command)
    add_output(command, "the folder to fill (default: IMAGE's name with .words)", "FOLDER")


def run(options: argparse.Namespace) -> None:
    """Write words.png, every word's map over the picture, and one mask a word, white where its region is."""
    out = options.out or named_after(options.picture, ".words")
    check_folder(out, options, r"words\.png|\d\d+-.*\.png")
    workspace = open_workspace(options)
    studio = workspace.studio
    tokens = studio.prompt_tokens(options.prompt)
    words = options.words or regions.distinct_words(tokens)
    numbers = [regions.numbers_of(tokens, word) for word in words]
    trajectory = trajectory_of(workspace, options, options.prompt)
    with bar(shown=not options.quiet) as on_step:
        cond = studio.cond(options.prompt)
        where = clearest(studio.denoiser.blocks)
        raw = word_attention(trajectory, studio.denoiser, cond, tokens, where=where, on_step=on_step)
    (height, width), multiple = workspace.size, studio.multiple
    shown, covered = regions.visible(raw, (height + -height % multiple, width + -width % multiple), workspace.size)
    maps = (regions.alone if options.alone else regions.against_others)(shown, numbers)
    masks = regions.word_masks(maps, covered, threshold=options.threshold, softness=options.softness)[
        0, :, :height, :width
    ]
    wide = regions.enlarged(maps, covered)[0, :, :height, :width]
    labels = [label(tokens, word) for word in words]
    cells = [
        Cell("the image", workspace.pixels),
        *(Cell(w, heat(workspace.pixels, m)) for w, m in zip(labels, wide, strict=True)),
    ]
    write_picture(out / "words.png", sheet("Where each word draws attention", [options.prompt], cells))
    for number, (word, shown_as, mask) in enumerate(zip(words, labels, masks, strict=True), 1):
        name = f"{number:02d}-{_file_name(word)}.png"
        write_picture(out / name, np.rint(255 * mask.numpy()).astype(np.uint8))
        print(f"{name:<24} {shown_as}: {float(mask.mean()):.0%} of the image")
    tell(tokens, words)
    print(f"maps: {out / 'words.png'}")


def _file_name(word: str) -> str:
    """The letters and figures of a word, of any script, composed as file systems write them; at most 60 bytes."""
    plain = re.sub(r"[^\w\u0300-\u036f\u0900-\u0fff]+", "-", unicodedata.normalize("NFC", word.lower())).strip("-")
    return plain.encode()[:60].decode(errors="ignore")
