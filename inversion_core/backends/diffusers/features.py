"""Reaching the features and normalisations of a diffusers UNet for the length of one call, with nothing left behind."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from ...attention.edited_call import EditedCall
from ...attention.site import Site
from ...shapes import Feature
from .network import Branch

LAYER = re.compile(r"(?P<level>(?:.*\.)?up_blocks\.\d+)\.(?:resnets|attentions)\.(?P<number>\d+)(?:\..*)?")


@contextmanager
def features_reached(unet: nn.Module, call: EditedCall, branches: Sequence[Branch], sigma: float) -> Iterator[None]:
    """A context in which what the last convolution of the decoder's residual blocks leaves, before the shortcut is added, goes through `call`.

    That is the tensor of Plug-and-Play's published code. So does every group normalisation. The hooks are there only if an
    edit asks for them, and gone after the context, also after an error. `branches` are equal chunks of the rows, in order.
    """
    with ExitStack() as stack:
        for name, number in decoder_layers(unet).items() if call.wants_features else ():
            site = Site(name, "feature", "cond", sigma, (1, 1, 1), range(0), layer=number)
            last = unet.get_submodule(f"{name}.conv2")
            stack.callback(last.register_forward_hook(partial(_edited, call, branches, site)).remove)
        for name, norm in unet.named_modules() if call.wants_norms else ():
            if isinstance(norm, nn.GroupNorm):
                site = Site(name, "norm", "cond", sigma, (1, 1, 1), range(0))
                stack.callback(norm.register_forward_hook(partial(_normed, call, branches, site)).remove)
        yield


def decoder_layers(unet: nn.Module) -> dict[str, int]:
    """The residual blocks of the decoder by their names, numbered from the coarsest on; none in other networks."""
    found = [name for name, _ in unet.named_modules() if re.fullmatch(r"(?:.*\.)?up_blocks\.\d+\.resnets\.\d+", name)]
    ordered = sorted(found, key=lambda name: [int(part) for part in name.split(".") if part.isdigit()])
    return {name: number for number, name in enumerate(ordered)}


def layer_of(name: str, layers: dict[str, int]) -> int | None:
    """The number of the decoder's layer that a module lies in, out of `decoder_layers`; None outside of the decoder."""
    found = LAYER.fullmatch(name)
    return layers.get(f"{found['level']}.resnets.{found['number']}") if found else None


def attention_layers(unet: nn.Module, blocks: Sequence[str]) -> list[int]:
    """The decoder's layers that hold one of the `blocks` of self-attention, in order; none in other networks."""
    layers = decoder_layers(unet)
    return sorted({layer for name in blocks if (layer := layer_of(name, layers)) is not None})


def _edited(
    call: EditedCall, branches: Sequence[Branch], site: Site, module: nn.Module, args: tuple[Any, ...], output: Feature
) -> Feature:
    return call.feature(output, _sites(branches, site, output))


def _normed(
    call: EditedCall, branches: Sequence[Branch], site: Site, norm: nn.Module, args: tuple[Any, ...], output: Feature
) -> Feature:
    return call.normed(norm.forward, args[0], output, _sites(branches, site, output))


def _sites(branches: Sequence[Branch], site: Site, output: Feature) -> list[Site]:
    height, width = output.shape[-2:]
    return [replace(site, branch=branch, grid=(1, height, width)) for branch in branches]
