"""Options that several commands share."""

import argparse
from pathlib import Path

from .. import values
from ..names import ALIGNMENTS, DTYPES, PRECISIONS

MODEL = """\
'toybox' (the tiny embedded model, which knows 128 x 128 portraits of cartoon animals), 'toybox-flow' (a rectified-flow
transformer of that world), the folder of a Stable Diffusion 1, 2, XL or 3 or Flux model in diffusers' format, the
one with model_index.json, or a single .safetensors checkpoint whose configuration diffusers finds here (default: %(default)s)"""
GUIDANCE = "7.5; 7 for Stable Diffusion 3, 3.5 for Flux, 1 with --few-steps except for FLUX.1-dev"
STEPS = "50; with --few-steps 4, 8 on transformers"
INVERSION_NAMES = {"ddim": "ddim", "fixed-point": "fixed point", "heun": "heun", "midpoint": "midpoint"}
BANK_PRECISIONS = {name.replace(" ", "-"): name for name in PRECISIONS}

Options = argparse.ArgumentParser | argparse._ArgumentGroup
"""What options are added to."""


def add_picture_and_model(command: argparse.ArgumentParser) -> None:
    """The picture to work on, the model, and where it runs."""
    command.add_argument("picture", **values.IMAGE, help="an image file of any size; transparency is put on white")
    add_model(command)
    command.add_argument(
        "--refine",
        **values.COUNT,
        default=0,
        help="optimise the latent for this many steps until it decodes to the image, which recovers what the autoencoder loses; 30 "
        "are usual, and a --trajectory needs the same number again (default: 0)",
    )


def add_model(command: argparse.ArgumentParser) -> None:
    """The model, where it runs, and the size of what it sees."""
    command.add_argument("--model", metavar="MODEL", default="toybox", help=MODEL)
    command.add_argument(
        "--device", metavar="DEVICE", default="auto", help="auto, cpu, cuda, cuda:1, mps ... (default: %(default)s)"
    )
    command.add_argument(
        "--dtype",
        choices=("auto", *DTYPES),
        default="auto",
        help="precision of the network; the latents keep float32 (default: on cuda float16, or bfloat16 for Stable Diffusion 3 and Flux; else float32)",
    )
    command.add_argument(
        "--scheduler",
        choices=("simple", "normal"),
        help="noise levels of a rectified-flow model, by ComfyUI's names. simple: even down to 0, then shifted; normal: those "
        "of diffusers' pipeline for Stable Diffusion 3, which end near 0.001 (default: simple; UNets have one kind)",
    )
    command.add_argument(
        "--resize", **values.SIDE, help="first shrink the image to this longer side, e.g. 512 for Stable Diffusion 1"
    )
    command.add_argument(
        "--few-steps",
        action="store_true",
        help="the model was distilled to few steps (Lightning, LCM, DMD, Turbo, schnell, klein): guidance 1, without a negative "
        "prompt, and 4 or 8 steps unless set otherwise",
    )
    command.add_argument("--quiet", action="store_true", help="no progress bars")


def add_guidance(group: Options, about: str = f"guidance scale (default: {GUIDANCE})") -> None:
    """How strongly a description acts."""
    group.add_argument("--guidance", **values.GUIDANCE, help=about)


def add_steps(group: Options, about: str = f"steps (default: {STEPS})") -> None:
    """How many steps a trajectory has."""
    group.add_argument("--steps", **values.STEPS, help=about)


def add_inversion(command: argparse.ArgumentParser) -> None:
    """How a trajectory is made."""
    add_steps(command, f"number of steps of the trajectory (default: {STEPS})")
    command.add_argument(
        "--inversion",
        choices=tuple(INVERSION_NAMES),
        help="ddim: one evaluation per step; fixed-point: retraces exactly at guidance 1, slower; heun, midpoint: second order, two evaluations (default: ddim)",
    )


def add_trajectory(command: argparse.ArgumentParser) -> None:
    """A trajectory that was made before."""
    command.add_argument(
        "--trajectory", **values.FILE, help="a file of `latent-inversion invert`, instead of inverting again"
    )


def add_output(command: argparse.ArgumentParser, about: str, metavar: str = "FILE") -> None:
    """Where the result goes."""
    command.add_argument("-o", "--out", type=Path, metavar=metavar, help=about)


def add_prompt_to_prompt(group: Options, cross: str, self_attention: str, default: float | None = None) -> None:
    """How far attention follows the source's; the texts say what the shares are by default."""
    group.add_argument(
        "--cross",
        **values.SHARE,
        default=default,
        help=f"fraction of the steps, 0..1, in which shared words keep their places ({cross})",
    )
    group.add_argument(
        "--self",
        dest="self_attention",
        **values.SHARE,
        default=default,
        help=f"fraction of the steps, 0..1, that keep the shapes of the source ({self_attention}); lower it to change shapes",
    )
    group.add_argument(
        "--align",
        choices=tuple(ALIGNMENTS),
        default="refine",
        help="refine: new words find their own places; replace: a new word takes the old one's place (default: %(default)s)",
    )


def add_blend_words(group: Options) -> None:
    """The words that keep an edit to their region."""
    group.add_argument(
        "--words",
        nargs="+",
        default=[],
        metavar="WORD",
        help="edit only where these words of either prompt draw attention",
    )


def add_memory(group: Options) -> None:
    """How much attention of the source may take, and how it is kept."""
    group.add_argument(
        "--bank-budget",
        **values.GIGABYTES,
        help="gigabytes of device memory that the source's attention may take, one step at a time (default: most of what is free); "
        "beyond that, attention moves to the CPU",
    )
    group.add_argument(
        "--bank-precision",
        choices=tuple(BANK_PRECISIONS),
        default="recorded",
        help="precision in which attention is kept; all but 'recorded' change the edit a little, 'half-if-needed' only beyond the "
        "budget (default: %(default)s)",
    )
    group.add_argument("--bank-device", metavar="DEVICE", help="where attention is kept (default: the model's device)")
