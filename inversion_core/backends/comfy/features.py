"""Reaching the features and normalisations of a ComfyUI UNet for the length of one call, with nothing left behind."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import nn

from ...attention.site import Site
from ...shapes import Feature
from .sites import Edits, Kind

BLOCK = re.compile(r"(?:.*\.)?(output_blocks\.(\d+))\.0")


@contextmanager
def features_reached(options: dict[str, Any], network: nn.Module, edits: Edits) -> Iterator[None]:
    """A context in which what the last convolution of the decoder's residual blocks leaves, before the shortcut is added, goes through `edits`.

    That is the tensor of Plug-and-Play's published code. So does every group normalisation. ComfyUI has no patch there, so
    hooks stand on convolutions and normalisations, whose weights may be cast or offloaded, and on the network, which is
    told of its rows. They are there only if an edit asks for them, and gone after the context, also after an error. Raises
    ValueError if other devices run copies of the network.
    """
    with ExitStack() as stack:
        call = edits.call
        if call.wants_features or call.wants_norms:
            if "multigpu_clones" in options:
                raise ValueError("Features can be edited on one device only; this model was set up for several.")
            features = _Features(edits)
            stack.callback(network.register_forward_pre_hook(features.enter, with_kwargs=True).remove)
            for number, convolution in decoder_layers(network) if call.wants_features else ():
                stack.callback(convolution.register_forward_hook(partial(features.leave, number)).remove)
            for name, norm in network.named_modules() if call.wants_norms else ():
                if isinstance(norm, nn.GroupNorm):
                    stack.callback(norm.register_forward_hook(partial(features.normalise, name)).remove)
        yield


def decoder_layers(network: nn.Module) -> list[tuple[int, nn.Module]]:
    """The numbers of a UNet's output blocks, and the convolution that ends the residual block of each; none in other networks."""
    found = ((BLOCK.fullmatch(name), module) for name, module in network.named_modules())
    return [(int(m[2]), module.out_layers[-1]) for m, module in found if m and hasattr(module, "out_layers")]


def check_layer(network: nn.Module, layer: int) -> None:
    """Raises ValueError if the features of a decoder's `layer` cannot be reached in `network`."""
    layers = len(decoder_layers(network))
    if not layers:
        raise ValueError(
            f"Plug-and-Play takes the features of a UNet's decoder (Stable Diffusion 1, 2 and XL), and {type(network).__name__} "
            "does not have one. On transformers, use the source's keys and values instead (KV Injection)."
        )
    if layer >= layers:
        raise ValueError(f"The decoder of this network has the layers 0 to {layers - 1}; there is no layer {layer}.")


class _Features:
    """Sends the outputs of the convolutions through the edits, told apart by what the network was called with."""

    def __init__(self, edits: Edits) -> None:
        self._edits = edits
        self._extra: dict[str, Any] = {}

    def enter(self, network: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._extra = options["transformer_options"]

    def leave(self, number: int, module: nn.Module, args: tuple[Any, ...], output: Feature) -> Feature:
        return self._edits.call.feature(output, self._sites(f"output.{number}", "feature", output))

    def normalise(self, name: str, norm: nn.Module, args: tuple[Any, ...], output: Feature) -> Feature:
        return self._edits.call.normed(norm.forward, args[0], output, self._sites(name, "norm", output))

    def _sites(self, block: str, kind: Kind, output: Feature) -> list[Site]:
        height, width = output.shape[-2:]
        return self._edits.sites(self._extra, block, kind, (1, height, width), range(0))
