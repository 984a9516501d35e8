"""The networks that some metrics need: each is used if the user has it, and named if not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from latent_inversion.inversion_core.fingerprint import fingerprint

from .clip import Clip, load_clip
from .lpips import Lpips, load_lpips
from .structure import Structure, load_structure

HOW = {
    "dino": "structure distance needs DINO ViT-B/8: --dino FILE, dino_vitbase8_pretrain.pth of facebookresearch/dino, "
    "or --dino FOLDER, facebook/dino-vitb8 as transformers stores it",
    "lpips": "LPIPS needs SqueezeNet 1.1: --lpips FILE, torchvision's squeezenet1_1-b8a52dc0.pth",
    "clip": "the CLIP columns need CLIP ViT-L/14: --clip FOLDER, openai/clip-vit-large-patch14 as transformers stores it",
}
"""What is missing without a network, and how to provide it. Nothing is ever downloaded."""


@dataclass(frozen=True)
class Networks:
    """Those that are there, and the name and fingerprint of each."""

    dino: Structure | None = None
    lpips: Lpips | None = None
    clip: Clip | None = None
    names: dict[str, str] = field(default_factory=dict)

    @property
    def absent(self) -> dict[str, str]:
        """What is missing, by network, and how to provide it."""
        return {name: how for name, how in HOW.items() if name not in self.names}


def load_networks(*, dino: Path | None, lpips: Path | None, clip: Path | None, device: torch.device) -> Networks:
    """The networks at the paths given. Raises UserError if one is not what it should be."""
    wanted: dict[str, tuple[Path | None, Callable[..., Any]]] = {
        "dino": (dino, load_structure),
        "lpips": (lpips, load_lpips),
        "clip": (clip, load_clip),
    }
    found, names = {}, {}
    for name, (path, load) in wanted.items():
        if path is not None:
            found[name], told = load(path, device)
            names[name] = f"{told} ({fingerprint(found[name].network.state_dict().values())})"
    return Networks(**found, names=names)
