"""Trains the toybox's models and writes their weights: python -m latent_inversion.toybox.training.train autoencoder|judge|denoiser|flow|control|all."""

import argparse
from pathlib import Path

import torch
from torch import nn

from ..latents import encode
from ..weights import fold_latent_statistics, write_weights
from .autoencoder import train_autoencoder
from .common import drawn, training_scenes
from .control import train_control
from .denoiser import train_denoiser
from .flow import train_flow
from .judge import train_judge

MEASURED = 600  # pictures whose latents give the statistics


def make_autoencoder(folder: Path, *, device: str = "cpu") -> None:
    """Train the autoencoder, give its latents zero mean and unit variance, and write its weights."""
    vae = train_autoencoder(folder, device=device).eval()
    write_folded(vae)


def write_folded(vae: nn.Module) -> None:
    """Measure the latents of training pictures, fold their statistics into the autoencoder, write the weights."""
    latents = encode(vae, drawn(training_scenes(MEASURED)), fast=True)
    std, mean = torch.std_mean(latents, dim=(0, 2, 3))
    fold_latent_statistics(vae, mean.to(vae.device), std.to(vae.device))
    write_weights(vae, "vae")


TRAININGS = {
    "autoencoder": make_autoencoder,
    "judge": train_judge,
    "denoiser": train_denoiser,
    "flow": train_flow,
    "control": train_control,
}


def main() -> None:
    """Train what the command line names; a stopped run goes on from its checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*TRAININGS, "all"])
    parser.add_argument("--folder", type=Path, default=Path("out/toybox"), help="checkpoints, logs, sample sheets")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in TRAININGS if options.what == "all" else [options.what]:
        print(f"training the {name} on {options.device}", flush=True)
        TRAININGS[name](options.folder, device=options.device)


if __name__ == "__main__":
    main()
