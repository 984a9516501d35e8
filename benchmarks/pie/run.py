"""The benchmark's run: edit, measure, keep a row, go on; then the tables."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torchmetrics
import transformers
from tqdm import tqdm

from latent_inversion.api.models import load_studio, pick_device
from latent_inversion.inversion_core.backends.diffusers.studio import Studio
from latent_inversion.inversion_core.methods import EDITORS
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.pictures.errors import UserError
from latent_inversion.pictures.files import Pixels, paste_edit, write_picture

from .data import Data, Entry, decode, read_data, with_border
from .edit import (
    CROSS_END,
    FLOW_CROSS_END,
    FLOW_SELF_END,
    SELF_END,
    Recipe,
    Setting,
    Work,
    check_inversion,
    meaning,
    prepare,
)
from .metrics import Reference, plain, source_score
from .networks import Networks, load_networks
from .options import parser, settings_of
from .results import Results, Row, open_results
from .summary import markdown, name_of, summarise


def main(description: str, arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if it worked, 2 if the request was at fault, 130 after Ctrl-C."""
    try:
        run(parser(description).parse_args(arguments))
    except KeyboardInterrupt:
        print("pie_bench: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except ValueError as error:  # of this package and of the core: sentences for the user
        print(f"pie_bench: {error}", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Do what is not done yet of the pictures and settings chosen, and print the tables of all of them."""
    data = read_data(options.data)
    entries = data.chosen(options.categories, options.limit)
    device = pick_device(options.device)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    networks = load_networks(dino=options.dino, lpips=options.lpips, clip=options.clip, device=device)
    studio = load_studio(options.model, device=options.device, dtype=options.dtype)
    recipe = recipe_of(options, studio)
    settings = settings_of(options, attention=recipe.attention)
    told = settings_told(options, recipe, data, studio, networks)
    results = open_results(options.out / "results.jsonl", told, _say)
    for entry in tqdm(entries, "pictures", disable=None):
        todo = [setting for setting in settings if (entry.key, setting.name) not in results.rows]
        if todo:
            try:
                edit_and_measure(studio, recipe, networks, entry, data.picture(entry), todo, results)
            except ValueError as error:
                raise UserError(f"Entry '{entry.key}': {error}") from error
    rows = [results.rows[entry.key, setting.name] for setting in settings for entry in entries]
    summary = report(rows, recipe, networks, options) | {"settings": told}
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n")


def edit_and_measure(
    studio: Studio,
    recipe: Recipe,
    networks: Networks,
    entry: Entry,
    pixels: Pixels,
    todo: Sequence[Setting],
    results: Results,
) -> None:
    """The rows of one picture; each is kept, and its picture written, as soon as it is done."""
    mask = with_border(decode(entry.runs))
    reference = Reference(pixels, mask, entry.target, networks)
    work = prepare(studio, recipe, entry, pixels)
    same = {
        "ceiling": plain(reference.measure(work.ceiling)),
        "clip_source": plain(source_score(networks, pixels, entry.source)),
    }
    for setting in todo:
        results.add(row_of(work, setting, reference, results.path.parent) | same)


def row_of(work: Work, setting: Setting, reference: Reference, out: Path) -> Row:
    """Edit a picture, write it, and measure it as it is and with the source pasted back outside the mask."""
    edited, told = work.edit(setting)
    entry = work.entry
    path = Path(setting.name.replace(" ", "-")) / "annotation_images" / Path(entry.image_path).with_suffix(".png")
    write_picture(out / path, edited)
    return {
        "key": entry.key,
        "setting": setting.name,
        "category": entry.category,
        "picture": path.as_posix(),
        **told,
        "background_share": reference.share,
        "edited": plain(reference.measure(edited)),
        "pasted": plain(reference.measure(paste_edit(reference.pixels, edited, reference.mask.astype("float32")))),
    }


def recipe_of(options: argparse.Namespace, studio: Studio) -> Recipe:
    """What the edits have in common: what was asked for, else what the method was published with or is usual."""
    usual = EDITORS[options.method].settings_on(studio.denoiser)
    cross, own = (FLOW_CROSS_END, FLOW_SELF_END) if studio.denoiser.path is RF else (CROSS_END, SELF_END)
    recipe = Recipe(
        method=options.method,
        side=options.side or studio.trained_size,
        guidance=usual.guidance if options.guidance is None else options.guidance,
        source_guidance=usual.source_guidance if options.source_guidance is None else options.source_guidance,
        steps=options.steps or usual.steps,
        strength=usual.strength,
        inversion=options.inversion or "",
        attention=options.attention == "p2p" if options.attention else controlled(options.method, studio),
        cross=cross if options.cross is None else options.cross,
        self_attention=own if options.self_attention is None else options.self_attention,
        use_mask=options.use_mask,
    )
    check_inversion(recipe)
    return recipe


def controlled(method: str, studio: Studio) -> bool:
    """Whether Prompt-to-Prompt is used unless asked otherwise: along DDIM inversion of a UNet, where it was published."""
    return EDITORS[method].inversion == "ddim" and studio.denoiser.path.name == VE.name


def settings_told(
    options: argparse.Namespace, recipe: Recipe, data: Data, studio: Studio, networks: Networks
) -> dict[str, Any]:
    """All that a row depends on beside its picture and its point of the sweep: rows of one file have these in common."""
    used = {
        "torch": torch.__version__,
        "torchmetrics": torchmetrics.__version__,
        "transformers": transformers.__version__,
    }
    return {
        "data": data.digest,
        "model": studio.denoiser.fingerprint,
        **vars(recipe),
        "device": pick_device(options.device).type,
        "dtype": options.dtype,
        "networks": networks.names,
        "versions": used,
    }


def report(rows: Sequence[Row], recipe: Recipe, networks: Networks, options: argparse.Namespace) -> dict[str, Any]:
    """Print the tables and what is absent, and return all of it."""
    records, varied = summarise(rows), ""
    parts = [
        recipe.method,
        recipe.inversion and f"along {recipe.inversion}",
        "with Prompt-to-Prompt" * recipe.attention,
    ]
    parts += ["with the benchmark's mask" if recipe.use_mask else "without any mask"]
    title = f"{' '.join(filter(None, parts))}, {recipe.steps} steps, guidance {recipe.guidance:g}"
    shown = f"the first {options.limit} pictures" if options.limit else "all pictures"
    print(f"{title}: {shown} of the categories {name_of(options.categories)}\n\n{markdown(records)}\n")
    if options.strength:
        varied = meaning(recipe.method, options.vary)
        print(f"strength s, {options.vary}: {varied}")
    for how in networks.absent.values():
        print(f"absent: {how}")
    return {"title": title, "pictures": shown, "strength": varied, "absent": networks.absent, "means": records}


def _say(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
