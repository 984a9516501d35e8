"""The options for the memory of attention edits."""

import argparse

import torch

from ..inversion_core.attention.budget import Memory
from ..inversion_core.attention.kept import Storage
from . import values
from .models import pick_device

PRECISIONS: dict[str, tuple[torch.dtype | None, bool]] = {
    "recorded": (None, False),
    "half-if-needed": (None, True),
    "float16": (torch.float16, False),
    "bfloat16": (torch.bfloat16, False),
    "float8": (torch.float8_e4m3fn, False),
}


def add_memory(group: argparse._ArgumentGroup) -> None:
    """How much attention of the source may take, and how it is kept."""
    group.add_argument(
        "--bank-budget",
        type=values.gigabytes,
        metavar="GB",
        help="gigabytes of device memory that the source's attention may take, one step at a time (default: most of what is free); "
        "beyond that, attention moves to the CPU",
    )
    group.add_argument(
        "--bank-precision",
        choices=tuple(PRECISIONS),
        default="recorded",
        help="precision in which attention is kept; all but 'recorded' change the edit a little, 'half-if-needed' only beyond the "
        "budget (default: %(default)s)",
    )
    group.add_argument("--bank-device", metavar="DEVICE", help="where attention is kept (default: the model's device)")


def memory_of(options: argparse.Namespace) -> Memory:
    """What the options say; what is decided is printed. Raises Mistake if the device is not there."""
    dtype, lossy = PRECISIONS[options.bank_precision]
    device = pick_device(options.bank_device) if options.bank_device else None
    return Memory(Storage(dtype, device, options.bank_budget, lossy), tell=print)
