"""Plug-and-Play on the toybox's UNet in diffusers: python plug_and_play_reference.py FILE

ComfyUI's processes have the torchvision stand-in, beside which diffusers does not import; so this runs in its own.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

STEPS, GUIDANCE, LAYER = 4, 5.0, 3
CAPTIONS = {
    "source": "a photo of a white cat in the snow at night",
    "target": "a sketch of a dotted rabbit, in the desert",
    "empty": "",
}


def edited(denoiser: Any, xs: Tensor, sigmas: Tensor, cond: Callable[[str], Any], *, inject: bool = True) -> Tensor:
    """The edit along `xs` at `sigmas`; `cond(name)` is a prompt under guidance."""
    from latent_inversion.inversion_core.loops.direct import direct
    from latent_inversion.inversion_core.loops.edit import Edit, Target
    from latent_inversion.inversion_core.schedules import window
    from latent_inversion.inversion_core.techniques.plug_and_play import plug_and_play
    from latent_inversion.inversion_core.trajectory import Trajectory

    trajectory = Trajectory(denoiser.path, sigmas, tuple(x[None] for x in xs))
    windows = {"features": window(sigmas, 0, 0.75), "attention": window(sigmas, 0, 0.5)}
    techniques = plug_and_play(**windows, layer=LAYER) if inject else []
    return Edit(trajectory, denoiser, cond("source"), [Target(cond("target"), techniques)], direct).run()[0].target


def main(file: str) -> None:
    from latent_inversion.api.models import load_toybox
    from latent_inversion.inversion_core.inversions import INVERSIONS, invert

    studio = load_toybox()
    x0 = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(5))
    sigmas = studio.grid(STEPS, x0)
    trajectory = invert(INVERSIONS["ddim"], studio.denoiser, x0, sigmas, studio.cond(CAPTIONS["source"]))
    xs = torch.cat(trajectory.xs)
    prompts = {name: studio.cond(caption).cond.embedding for name, caption in CAPTIONS.items()}

    def cond(name: str) -> Any:
        return studio.cond(CAPTIONS[name], guidance=GUIDANCE)

    free, kept = (edited(studio.denoiser, xs, sigmas, cond, inject=inject) for inject in (False, True))
    found = {"xs": xs, "sigmas": sigmas, "free": free, "kept": kept, **prompts}
    save_file({name: tensor.detach().contiguous() for name, tensor in found.items()}, file)


if __name__ == "__main__":
    main(sys.argv[1])
