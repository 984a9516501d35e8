"""What diffusers and transformers make of the toybox's networks, untrained: python toybox_reference.py FOLDER

ComfyUI's processes have the torchvision stand-in, beside which diffusers does not import; so this runs in its own.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

CAPTIONS = ["a photo of a white cat in a plain red shirt, in the snow at night", "a zebra, grinning widely", ""]
INDICES = (0, 430, 999)
SIGMAS = (0.05, 0.5, 1.0)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(1))


def shaken(network: Any, seed: int) -> Any:
    """Every weight counts, also those that start at zero."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    return network.eval().requires_grad_(False)


def velocity(transformer: Any, sigma: float, embedding: torch.Tensor) -> torch.Tensor:
    """What the DiT says of a fixed x at a sigma, for a fixed prompt."""
    return transformer(
        hidden_states=normal(2, 16, 16, 16),
        encoder_hidden_states=embedding,
        pooled_projections=normal(1, 128, seed=4).expand(2, -1),
        timestep=torch.full((2,), 1000 * sigma),
    ).sample


def drawn(vae: Any, transformer: Any, text: Any) -> torch.Tensor:
    """What Euler's method draws from a fixed noise and a caption, guided."""
    from toybox_euler import encode_prompts, sample

    from latent_inversion.toybox.loaders import FlowModels
    from latent_inversion.toybox.text import load_tokenizer
    from latent_inversion.toybox.weights import TOKENIZER

    models = FlowModels(vae, transformer, text, load_tokenizer(TOKENIZER), scheduler=None)
    return sample(models, normal(1, 16, 16, 16), encode_prompts(models, CAPTIONS[:1]), guidance=3.0, steps=4)


def main(folder: Path) -> None:
    from latent_inversion.inversion_core.fingerprint import fingerprint
    from latent_inversion.toybox.models import build_autoencoder, build_flow, build_text_encoder, build_unet
    from latent_inversion.toybox.text import load_tokenizer, token_ids, vocabulary
    from latent_inversion.toybox.weights import TOKENIZER

    unet, text, vae, transformer = (
        shaken(build_unet(), 0),
        shaken(build_text_encoder(len(vocabulary())), 1),
        shaken(build_autoencoder(), 2),
        shaken(build_flow(), 3),
    )
    for name, network in (("unet", unet), ("text_encoder", text), ("vae", vae), ("transformer", transformer)):
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, str(folder / f"{name}.safetensors"))
    ids = token_ids(load_tokenizer(TOKENIZER), CAPTIONS)
    latents = vae.encode(pictures() * 2 - 1).latent_dist.mode()
    embedding = normal(1, 32, 128, seed=3).expand(2, -1, -1)
    expected = {
        "ids": ids,
        "embeddings": text(ids).last_hidden_state,
        "pooled": text(ids).pooler_output,
        "latents": latents,
        "decoded": (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1),
        **{f"v{index}": unet(normal(2, 16, 16, 24), index, embedding).sample for index in INDICES},
        "drawn": drawn(vae, transformer, text),
        **{f"velocity{sigma}": velocity(transformer, sigma, embedding) for sigma in SIGMAS},
    }
    save_file({k: v.contiguous() for k, v in expected.items()}, str(folder / "expected.safetensors"))
    (folder / "fingerprint").write_text(fingerprint(unet.parameters()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
