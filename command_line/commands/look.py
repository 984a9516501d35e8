"""`latent-inversion look`: where in a picture each word of its description draws attention, and masks of the words."""

import argparse
import re
import unicodedata

import numpy as np

from ...api.progress import bar
from ...inversion_core.applications.attention_view import word_attention
from ...inversion_core.attention import regions
from ...inversion_core.attention.maps import clearest
from ...inversion_core.prompts.reading import label
from ...pictures.files import write_picture
from ...pictures.sheet import Cell, heat, sheet
from ..notes import tell
from ..outputs import check_folder, named_after, pasted
from ..workspace import inverted, open_workspace


def run(options: argparse.Namespace) -> None:
    """Write words.png, every word's map over the picture, and one mask a word, white where its region is."""
    out = options.out or named_after(options.picture, ".words")
    check_folder(out, options, r"words\.png|\d\d+-.*\.png")
    workspace = open_workspace(options)
    studio = workspace.studio
    tokens = studio.prompt_tokens(options.prompt)
    words = options.words or regions.distinct_words(tokens)
    numbers = [regions.numbers_of(tokens, word) for word in words]
    trajectory = inverted(workspace, options, options.prompt).required()
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
    maps_at = pasted(out / "words.png")
    write_picture(out / "words.png", sheet("Where each word draws attention", [options.prompt], cells))
    for number, (word, shown_as, mask) in enumerate(zip(words, labels, masks, strict=True), 1):
        name = f"{number:02d}-{_file_name(word)}.png"
        write_picture(out / name, np.rint(255 * mask.numpy()).astype(np.uint8))
        print(f"{name:<24} {shown_as}: {float(mask.mean()):.0%} of the image")
    tell(tokens, words)
    print(f"maps: {maps_at}")


def _file_name(word: str) -> str:
    """The letters and figures of a word, of any script, composed as file systems write them; at most 60 bytes."""
    plain = re.sub(r"[^\w\u0300-\u036f\u0900-\u0fff]+", "-", unicodedata.normalize("NFC", word.lower())).strip("-")
    return plain.encode()[:60].decode(errors="ignore")
