"""What diffusers makes of the toybox's UNet beside its ControlNet, untrained: python control_reference.py FOLDER

ComfyUI's processes have the torchvision stand-in, beside which diffusers does not import; so this runs in its own.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

INDEX, STRENGTH = 430, 0.7


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def hint() -> torch.Tensor:
    return torch.rand(1, 3, 128, 192, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def main(folder: Path) -> None:
    from latent_inversion.toybox.control import build_control, control_state, first_changes
    from latent_inversion.toybox.models import build_unet
    from latent_inversion.toybox.weights import filled

    torch.manual_seed(0)
    unet, control = build_unet().eval(), build_control()
    changes = {
        name: value + 0.05 * normal(*value.shape, seed=number)
        for number, (name, value) in enumerate(first_changes(control.state_dict()).items())
    }
    state = control_state(unet.state_dict(), changes)
    x, embedding = normal(2, 16, 16, 24), normal(1, 32, 128, seed=3).expand(2, -1, -1)
    down, middle = filled(control, state)(
        x, INDEX, embedding, hint().expand(2, -1, -1, -1), conditioning_scale=STRENGTH, return_dict=False
    )
    residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    expected = {"v": unet(x, INDEX, embedding, **residuals).sample, "bare": unet(x, INDEX, embedding).sample}
    for name, tensors in (("unet", unet.state_dict()), ("control", state), ("expected", expected)):
        save_file({key: value.contiguous() for key, value in tensors.items()}, str(folder / f"{name}.safetensors"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
