"""The weights that ship: float16 safetensors in diffusers' layout, written and read."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights"
TOKENIZER = WEIGHTS / "tokenizer"
_NO_VARIANCE = -30.0  # log variance of the folded autoencoder: its encoder gives a point


def write_weights(module: nn.Module, name: str) -> Path:
    """Write a module's state as float16 to weights/<name>.safetensors and return the path."""
    return write_state(module.state_dict(), name)


def write_state(tensors: Mapping[str, Tensor], name: str) -> Path:
    """Write tensors as float16 to weights/<name>.safetensors and return the path."""
    from safetensors.torch import save_file

    WEIGHTS.mkdir(parents=True, exist_ok=True)
    whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    state = {key: value.half() if value.is_floating_point() else value for key, value in whole.items()}
    path = WEIGHTS / f"{name}.safetensors"
    save_file(state, str(path.with_suffix(".part")))
    path.with_suffix(".part").chmod(0o644)  # safetensors writes for its owner only
    path.with_suffix(".part").replace(path)
    return path


def read_weights(module: nn.Module, name: str) -> nn.Module:
    """Fill a module with weights/<name>.safetensors as float32; return it in eval mode, without gradients.

    Raises:
        FileNotFoundError: the weights are not there; training makes them.
    """
    return filled(module, read_state(name))


def filled(module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Fill a module with a state; return it as float32 in eval mode, without gradients."""
    module.load_state_dict(state)
    return module.float().eval().requires_grad_(False)


def read_state(name: str) -> dict[str, Tensor]:
    """Return the tensors of weights/<name>.safetensors as float32.

    Raises:
        FileNotFoundError: the weights are not there; training makes them.
    """
    from safetensors.torch import load_file

    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing. Install the pack again, or train it with `python -m latent_inversion.toybox.training.train all`."
        )
    return {key: value.float() if value.is_floating_point() else value for key, value in load_file(str(path)).items()}


@torch.no_grad()
def fold_latent_statistics(vae: nn.Module, mean: Tensor, std: Tensor) -> None:
    """Change an AutoencoderKL in place so that its latents are (z - mean) / std per channel; pictures stay the same.

    The encoder's last layer takes the change, the decoder's first one undoes it; the posterior becomes a point.
    """
    channels = len(mean)
    encode, decode = vae.quant_conv, vae.post_quant_conv
    encode.weight[:channels] /= std[:, None, None, None]
    encode.bias[:channels] = (encode.bias[:channels] - mean) / std
    encode.weight[channels:] = 0.0
    encode.bias[channels:] = _NO_VARIANCE
    decode.bias += decode.weight[:, :, 0, 0] @ mean
    decode.weight *= std[None, :, None, None]
