"""Writes weights of random transformers in diffusers' layout, and their fingerprints: python -m harness.flow_reference FOLDER."""

import json
import sys
from pathlib import Path

from safetensors.torch import save_file

from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.toybox.models import build_flow

from . import tiny_flow
from .tiny_diffusion import seeded

if __name__ == "__main__":
    networks = {
        "toybox": seeded(build_flow),
        "sd3": tiny_flow.tiny_sd3(num_attention_heads=2, attention_head_dim=64, caption_projection_dim=128),
        "flux": tiny_flow.tiny_flux(),
    }
    folder = Path(sys.argv[1])
    for name, network in networks.items():
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    prints = {name: FlowDenoiser(network).fingerprint for name, network in networks.items()}
    (folder / "fingerprints.json").write_text(json.dumps(prints))
