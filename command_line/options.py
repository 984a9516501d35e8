"""Options that several commands share."""

import argparse
from pathlib import Path

from . import help as texts
from . import values

INVERSION_NAMES = {"ddim": "ddim", "fixed-point": "fixed point", "heun": "heun", "midpoint": "midpoint"}


def add_picture_and_model(command: argparse.ArgumentParser) -> None:
    """The picture to work on, the model, and where it runs."""
    command.add_argument(
        "picture", type=Path, metavar="IMAGE", help="an image file of any size; transparency is put on white"
    )
    add_model(command)
    command.add_argument(
        "--refine",
        type=values.count,
        metavar="STEPS",
        default=0,
        help="optimise the latent for this many steps until it decodes to the image, which recovers what the autoencoder loses; 30 "
        "are usual, and a --trajectory needs the same number again (default: 0)",
    )


def add_model(command: argparse.ArgumentParser) -> None:
    """The model, where it runs, and the size of what it sees."""
    command.add_argument("--model", metavar="MODEL", default="toybox", help=texts.MODEL)
    command.add_argument(
        "--device", metavar="DEVICE", default="auto", help="auto, cpu, cuda, cuda:1, mps ... (default: %(default)s)"
    )
    command.add_argument(
        "--dtype",
        choices=("auto", "float32", "float16", "bfloat16"),
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
        "--resize",
        type=values.side,
        metavar="SIDE",
        help="first shrink the image to this longer side, e.g. 512 for Stable Diffusion 1",
    )
    command.add_argument(
        "--few-steps",
        action="store_true",
        help="the model was distilled to few steps (Lightning, LCM, DMD, Turbo, schnell, klein): guidance 1, without a negative "
        "prompt, and 4 or 8 steps unless set otherwise",
    )
    command.add_argument("--quiet", action="store_true", help="no progress bars")


def add_inversion(command: argparse.ArgumentParser) -> None:
    """How a trajectory is made."""
    command.add_argument(
        "--steps",
        metavar="NUMBER",
        type=values.steps,
        help=f"number of steps of the trajectory (default: {texts.STEPS})",
    )
    command.add_argument(
        "--inversion",
        choices=tuple(INVERSION_NAMES),
        default="ddim",
        help="ddim: one evaluation per step; fixed-point: retraces exactly at guidance 1, slower; heun, midpoint: second order, two "
        "evaluations (default: %(default)s)",
    )
