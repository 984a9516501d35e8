"""What `latent-inversion edit` takes."""

import argparse

from ...inversion_core.dial import PRESETS
from .. import values
from ..names import LAYER, METHODS, SHARES
from .shared import (
    add_blend_words,
    add_guidance,
    add_inversion,
    add_memory,
    add_output,
    add_picture_and_model,
    add_prompt_to_prompt,
    add_trajectory,
)

DESCRIPTION = """\
Edit an image by changing the prompt. Words that both prompts share keep their places in the image;
new words take effect. --words or --mask keep the edit to a region.

Every method runs with the guidance, the strength and the number of steps that it was published with for this kind of
model, unless set otherwise, and inverts the image in its own way. direct is exact and fast, and a good first choice.

methods:
"""
EXAMPLES = """\
examples:
  put on glasses, and change nothing else (the toybox model):
    latent-inversion edit cat.png --source "a photo of a white cat in a plain red shirt, in the snow at day" \\
        --target "a photo of a white cat wearing blue glasses in a plain red shirt, in the snow at day" --words glasses
  a stronger new word, more freedom for the shape:
    latent-inversion edit room.jpg --model DIR --source "a wooden chair" --target "a glass chair" \\
        --weights glass=2 --cross 0.3 --self 0.3
  only inside a mask (white = may change); outside it every pixel stays as it was:
    latent-inversion edit face.png --model DIR --source "black hair" --target "red hair" --mask hair.png
  invert once, edit often:
    latent-inversion invert room.jpg --model DIR --prompt "a wooden chair" -o room.safetensors
    latent-inversion edit room.jpg --model DIR --trajectory room.safetensors --target "a glass chair"
"""
PRESETS_BY_OPTION = {name.replace(" ", "-"): name for name in PRESETS}
NONE = "0 with --plug-and-play, --share or --kv-edit, and with methods that have published settings"


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    methods = "".join(f"  {name:<20} {about}\n" for name, about in METHODS.items())
    command.description, command.epilog = DESCRIPTION + methods, EXAMPLES
    add_picture_and_model(command)
    _add_change(command.add_argument_group("the change"))
    _add_attention(command.add_argument_group("what stays (Prompt-to-Prompt)"))
    _add_sharing(command.add_argument_group("what stays (features, keys and values of the source)"))
    _add_region(command.add_argument_group("where"))
    add_memory(command.add_argument_group("memory"))
    add_inversion(command)
    add_trajectory(command)
    add_output(command, "the edited image (default: IMAGE's name with .edited.png, beside IMAGE)")
    command.add_argument(
        "--sheet",
        nargs="?",
        **values.FILE,
        const=True,
        help="also write before, after and a map of the change side by side (default: beside the edited image, with .sheet.png)",
    )


def _add_change(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--source", metavar="TEXT", help="what the image shows (default: the prompt of --trajectory, or nothing)"
    )
    group.add_argument(
        "--target", metavar="TEXT", required=True, help="what the image should show: the source with some words changed"
    )
    group.add_argument(
        "--method", choices=tuple(METHODS), default="direct", metavar="METHOD", help="see above (default: %(default)s)"
    )
    add_guidance(group)
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS_BY_OPTION),
        help="how --strength turns direct and ddim, as in ComfyUI's Inversion Edit Sampler. keep-the-shape: colours and materials change, outlines "
        "stay longer; new-style-or-scene: more may change at once; few-step-model: at guidance 1 (default: balanced; few-step-model with --few-steps)",
    )
    group.add_argument(
        "--strength",
        **values.SHARE,
        help="how much may change, 0..1. direct and ddim: a dial that turns guidance, start and the windows of attention, with "
        "everything as set at 0.5 (default: 0.5). Other methods: the fraction of the steps that are edited (default: the published value "
        "of the method, or else all; 0.8 with --few-steps)",
    )
    group.add_argument("--seed", **values.SEED, help="for methods that draw noise (default: 0)")
    group.add_argument(
        "--negative",
        metavar="TEXT",
        help="what guidance leads away from (default: nothing said); the source prompt here keeps more of the image but may "
        "miss the change",
    )


def _add_attention(group: argparse._ArgumentGroup) -> None:
    add_prompt_to_prompt(group, "default: 0; 0.4 with --weights", f"default: 0.2; {NONE}")
    group.add_argument(
        "--weights",
        nargs="+",
        **values.WEIGHT,
        default=[],
        help="strengthen (2) or weaken (0.5) words of the target while --cross lasts",
    )


def _add_sharing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--plug-and-play",
        nargs="?",
        **values.LAYER,
        const=LAYER,
        help="keep layout and shapes by the features and self-attention of the UNet's decoder, from this layer on (default: "
        "%(const)s, as published for Stable Diffusion 1; the toybox has 6 layers, and 3 suits it); the prompts may differ in every "
        "word",
    )
    group.add_argument(
        "--share",
        choices=SHARES,
        help="masactrl: self-attention attends to the source's keys and values from step 4 of 50 on, in the later layers; kv: keys "
        "and values of the source in the blocks published for the network, else in the later half; values: only values of the "
        "source, in the first steps. Inside --mask, kv and values leave the edit alone",
    )
    group.add_argument(
        "--kv-edit",
        action="store_true",
        help="compute only the region of --mask, while attending to the source's own background",
    )


def _add_region(group: argparse._ArgumentGroup) -> None:
    add_blend_words(group)
    group.add_argument("--mask", **values.FILE, help="edit only where this mask image, of IMAGE's size, is white")
    group.add_argument(
        "--find-region",
        action="store_true",
        help="edit only where the two prompts differ on the image (DiffEdit); for changes of a part of the image, not of light or style",
    )
