"""How Attention View is shown: the grid of maps over the picture, and what the browser draws from."""

from typing import Any

import numpy as np
import torch
from comfy_api.latest import ui
from torch import Tensor

from ...pictures.files import shrink
from ...pictures.sheet import Cell, heat, heat_colours, sheet
from ..kit.checks import rgb
from .attention_view_looks import Seen

SIDE = 512
"""The longer side of what the browser is sent, in pixels, at most."""


def page(image: Tensor, seen: Seen, prompt: str) -> tuple[Tensor, dict[str, Any]]:
    """The grid as an IMAGE, and the files for the browser: the grid, the picture, and one map in colours per word."""
    picture = np.rint(rgb(image[:1])[0].clamp(0, 1).cpu().numpy() * 255).astype(np.uint8)
    maps = list(zip(seen.labels, seen.maps[0], strict=True))
    cells = [Cell("", picture, "the image"), *(Cell("", heat(picture, one), label) for label, one in maps)]
    grid = _image(sheet("Where each word draws attention", [prompt], cells))
    colours = [np.rint(heat_colours(one)).astype(np.uint8) for _, one in maps]
    kept = [_image(shrink(pixels, SIDE)) for pixels in (picture, *colours)]
    shown = ui.PreviewImage(grid).as_dict()
    below, *overlays = (ui.PreviewImage(one).as_dict()["images"][0] for one in kept)
    view = {
        "picture": below,
        "words": [
            {"word": word, "label": label, "map": one}
            for word, label, one in zip(seen.words, seen.labels, overlays, strict=True)
        ],
    }
    return grid, {**shown, "attention_view": [view]}


def _image(pixels: Any) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None]
