"""Weights from local files, without running what a file says."""

from pathlib import Path

import torch
from torch import Tensor

from latent_inversion.pictures.errors import UserError


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a .pth of weights alone. Raises UserError if it cannot be read."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # of several libraries, for files of every kind
        raise UserError(f"{path} cannot be read as weights: {str(error).splitlines()[0]}") from error
