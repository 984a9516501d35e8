"""The options of the benchmark."""

import argparse
from pathlib import Path

from latent_inversion.api.models import DTYPES
from latent_inversion.command_line import values
from latent_inversion.inversion_core.inversions import INVERSIONS
from latent_inversion.inversion_core.methods import EDITORS
from latent_inversion.pictures.errors import UserError

from .data import CATEGORIES
from .edit import CROSS_END, FLOW_CROSS_END, FLOW_SELF_END, SELF_END, VARIED, Setting, special
from .networks import HOW

EPILOG = "\n".join(
    [
        "strength s, by --vary:",
        *(f"  {name}: {text}" for name, text in VARIED.items()),
        "`start` for methods that have no inversion and for others of their own kind:",
        *(f"  {name}: {text}" for name in EDITORS if (text := special(name))),
    ]
)


def parser(description: str) -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="pie_bench", description=description, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _pictures(top.add_argument_group("pictures"))
    _model(top.add_argument_group("model"))
    _edit(top.add_argument_group("edit"))
    _sweep(top.add_argument_group("sweep"))
    networks = top.add_argument_group("networks of the metrics, used if they are given")
    for name, how in HOW.items():
        networks.add_argument(f"--{name}", type=Path, metavar="PATH", help=how)
    return top


def settings_of(options: argparse.Namespace, *, attention: bool) -> list[Setting]:
    """The settings of the sweep. Raises UserError if attention is to be varied where it is not controlled."""
    if not options.strength:
        return [Setting()]
    if options.vary != "start" and not attention:
        raise UserError(f"--vary {options.vary} varies attention control, which is left out here (--attention).")
    return [Setting(options.vary, strength) for strength in dict.fromkeys(options.strength)]


def _pictures(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data",
        **values.FOLDER,
        default=Path("data"),
        help="the benchmark: annotation_images and mapping_file.json (default: %(default)s)",
    )
    group.add_argument(
        "--out",
        **values.FOLDER,
        default=Path("out/pie"),
        help="edited pictures, results.jsonl, summary.json; a run is continued where it stopped (default: %(default)s)",
    )
    group.add_argument(
        "--limit", type=values.whole(1, 100_000), metavar="NUMBER", help="only the first pictures of those categories"
    )
    group.add_argument(
        "--categories",
        type=int,
        nargs="+",
        choices=CATEGORIES,
        default=CATEGORIES,
        metavar="0-9",
        help="0 random, 1 change, 2 add, 3 delete an object, 4 content, 5 pose, 6 colour, 7 material, 8 background, 9 style",
    )


def _model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", default="toybox", help="toybox, toybox-flow, or a folder in diffusers' format (default: %(default)s)"
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, mps ... (default: %(default)s)")
    group.add_argument("--dtype", choices=("auto", *DTYPES), default="auto", help="precision of the network")
    group.add_argument(
        "--side",
        type=values.side,
        help="width and height of the pictures that the model gets; results are brought back to 512 (default: the model's own)",
    )


def _edit(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--method",
        choices=tuple(EDITORS),
        default="direct",
        metavar="METHOD",
        help=f"{', '.join(EDITORS)} (default: %(default)s)",
    )
    own = "(default: as published for the method and this kind of model, else what is usual)"
    group.add_argument("--guidance", type=float, metavar="W", help=f"of the target prompt {own}")
    group.add_argument("--source-guidance", type=float, metavar="W", help=f"of the source prompt {own}")
    group.add_argument("--steps", type=values.steps, metavar="N", help=f"of the whole grid {own}")
    group.add_argument(
        "--inversion",
        choices=tuple(INVERSIONS),
        metavar="INVERSION",
        help=f"for methods that start from DDIM inversion, another one instead: {', '.join(INVERSIONS)}",
    )
    group.add_argument(
        "--attention",
        choices=("p2p", "none"),
        help="p2p: Prompt-to-Prompt as in the published run, refine, local blend and a weight of 2 for blended words; "
        "none: no attention control (default: p2p for methods along DDIM inversion on UNets, else none)",
    )
    shares = f"(default: {CROSS_END} and {SELF_END}; {FLOW_CROSS_END} and {FLOW_SELF_END} on transformers)"
    group.add_argument("--cross", **values.SHARE, help=f"of the steps under control of the words {shares}")
    group.add_argument("--self", dest="self_attention", **values.SHARE, help="likewise, of the picture's shapes")
    group.add_argument(
        "--use-mask",
        action="store_true",
        help="let the edit see the benchmark's mask; without it the mask serves the metrics alone",
    )


def _sweep(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--strength", type=values.share, nargs="+", default=[], metavar="S", help="values from 0 to 1, see below"
    )
    group.add_argument(
        "--vary", choices=tuple(VARIED), default="start", help="what strength moves (default: %(default)s)"
    )
