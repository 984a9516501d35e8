"""`latent-inversion look`: where in a picture each word of its description draws attention, and masks of the words."""

import argparse
import re
import unicodedata
from pathlib import Path

import numpy as np

from .. import help as texts
from .. import values
from ..options import add_inversion, add_picture_and_model
from ..outputs import check_folder, named_after


def add_look(commands: argparse._SubParsersAction) -> None:
    """The command and what it takes."""
    look = commands.add_parser(
        "look",
        help="where in the image each word draws attention; masks of words",
        description=texts.LOOK,
        epilog=texts.LOOK_EXAMPLES,
    )
    add_picture_and_model(look)
    look.add_argument("--prompt", metavar="TEXT", required=True, help="what the image shows")
    look.add_argument(
        "--words", nargs="+", metavar="WORD", default=[], help="words or phrases of the prompt (default: every word)"
    )
    look.add_argument(
        "--threshold",
        type=values.share,
        metavar="SHARE",
        help="how much of a word's strongest value counts as the region of that word (default: 0.4)",
    )
    look.add_argument(
        "--softness",
        type=values.share,
        metavar="SHARE",
        default=0.0,
        help="width of the soft edge of the masks, in the units of --threshold (default: black and white)",
    )
    look.add_argument(
        "--alone",
        action="store_true",
        help="show each word's own attention, instead of how much more attention it draws than the other words",
    )
    add_inversion(look)
    look.add_argument(
        "--trajectory",
        type=Path,
        metavar="FILE",
        help="a file of `latent-inversion invert`, instead of inverting again",
    )
    look.add_argument(
        "--out", type=Path, metavar="FOLDER", help="the folder to fill (default: IMAGE's name with .words)"
    )


def look_command(options: argparse.Namespace) -> None:
    """Write words.png, every word's map over the picture, and one mask a word, white where its region is."""
    from ...inversion_core.applications.attention_view import word_attention
    from ...inversion_core.attention import regions
    from ...inversion_core.attention.maps import clearest
    from ...inversion_core.prompts.reading import label
    from ...pictures.files import write_picture
    from ...pictures.sheet import Cell, heat, sheet
    from ..progress import bar
    from ..reading import tell
    from ..workspace import open_job, trajectory_of

    out = options.out or named_after(options.picture, ".words")
    check_folder(out, options, r"words\.png|\d\d+-.*\.png")
    job = open_job(options)
    tokens = job.studio.prompt_tokens(options.prompt)
    words = options.words or regions.distinct_words(tokens)
    numbers = [regions.numbers_of(tokens, word) for word in words]
    trajectory = trajectory_of(job, options, options.prompt)
    with bar(shown=not options.quiet) as on_step:
        cond = job.studio.cond(options.prompt)
        where = clearest(job.studio.denoiser.blocks)
        raw = word_attention(trajectory, job.studio.denoiser, cond, tokens, where=where, on_step=on_step)
    (height, width), multiple = job.size, job.studio.multiple
    shown, covered = regions.visible(raw, (height + -height % multiple, width + -width % multiple), job.size)
    maps = (regions.alone if options.alone else regions.against_others)(shown, numbers)
    threshold = regions.THRESHOLD if options.threshold is None else options.threshold
    masks = regions.word_masks(maps, covered, threshold=threshold, softness=options.softness)[0, :, :height, :width]
    wide = regions.enlarged(maps, covered)[0, :, :height, :width]
    labels = [label(tokens, word) for word in words]
    cells = [
        Cell("the picture", job.pixels),
        *(Cell(w, heat(job.pixels, m)) for w, m in zip(labels, wide, strict=True)),
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
