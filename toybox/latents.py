"""Between pictures in [0, 1] and the latents of the (folded) autoencoder, many at a time."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def encode(vae: nn.Module, images: Tensor, *, batch: int = 16, fast: bool = False) -> Tensor:
    """Return the latents [n, 16, 16, 16] of pictures [n, 3, 128, 128]; uint8 or [0, 1]. `fast` computes in bfloat16."""
    parts = []
    for part in images.split(batch):
        pictures = part.float() / 127.5 - 1 if part.dtype == torch.uint8 else part * 2 - 1
        with torch.autocast(vae.device.type, torch.bfloat16, enabled=fast):
            parts.append(vae.encode(pictures.to(vae.device)).latent_dist.mode().float())
    return torch.cat(parts)


@torch.no_grad()
def decode(vae: nn.Module, latents: Tensor, *, batch: int = 16, fast: bool = False) -> Tensor:
    """Return the pictures [n, 3, 128, 128] in [0, 1] of latents."""
    parts = []
    for part in latents.split(batch):
        with torch.autocast(vae.device.type, torch.bfloat16, enabled=fast):
            parts.append((vae.decode(part.to(vae.device)).sample.float() / 2 + 0.5).clamp(0, 1))
    return torch.cat(parts)
