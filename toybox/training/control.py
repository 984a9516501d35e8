"""Trains the ControlNet of the UNet: v-prediction with the edges of a picture of the same structure as a hint."""

import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import mse_loss

from ..control import WHOLE, build_control, control_state, edges, first_changes
from ..loaders import load_text_encoder
from ..models import build_unet
from ..weights import read_weights, write_state
from ..world.draw import render
from ..world.scene import ATTRIBUTES, Scene, is_held_out
from .common import training_scenes
from .denoising import SCENES, Batch, batch_of, captioned_latents, picked_by, train
from .muon import Muon

STEPS = 712
SHARE = 2  # every second picture of the other trainings' batches: 32
LOOKS = ("time", "style", "fur", "shirt", "accessory_color")  # the hint's scene may have others: they move no edge
SHAPES = ("animal", "accessory", "pattern", "place")  # one of them may differ: there the caption decides
OTHER_LOOK, OTHER_SHAPE = 0.5, 0.3  # chance that a look differs; that one shape does


class ControlInTraining(nn.Module):
    """The ControlNet of a frozen UNet; its parameters are what the file stores."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.network = build_control().requires_grad_(False)
        self.unet = {name: value.detach() for name, value in unet.state_dict().items()}
        first = first_changes(self.network.state_dict())
        self.names, self.values = tuple(first), nn.ParameterList(first.values())

    def changes(self) -> dict[str, Tensor]:
        """Return the parameters by their names in the file."""
        return dict(zip(self.names, self.values, strict=True))

    def forward(self, x: Tensor, t: Tensor, words: Tensor, hint: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the residuals of the UNet's skips and of its middle."""
        state = control_state(self.unet, self.changes())
        return functional_call(self.network, state, (x, t, words, hint), {"return_dict": False})


def train_control(folder: Path, *, steps: int = STEPS, device: str = "cpu") -> None:
    """Train from scratch or from the folder's checkpoint; export the averaged weights now and then, and at the end."""
    torch.manual_seed(0)
    data, hints = captioned_latents(folder, device), drawn_hints(folder)
    unet = read_weights(build_unet(), "unet").to(device)
    text, control = load_text_encoder().to(device), ControlInTraining(unet).to(device)
    control.unet = {name: value.to(device) for name, value in control.unet.items()}

    def loss_of(step: int) -> Tensor:
        batch = Batch(*(part[::SHARE] for part in batch_of(data, step)))
        hint = hints[picked_by(data, step)[::SHARE]].float() / 255
        return _loss(control, unet, text, batch, hint.expand(-1, 3, -1, -1), device)

    def export(average: nn.Module) -> None:
        write_state(average.changes(), "controlnet")

    train(control, loss_of, _rates(control), export, checkpoint=folder / "control.pt", steps=steps)


def _rates(control: ControlInTraining) -> list[torch.optim.Optimizer]:
    """Muon for the hint encoder, AdamW for the zero convolutions, and faster for the low-rank changes."""
    hint, zero, low = [], [], []
    for name, value in control.changes().items():
        if name.startswith(WHOLE):
            (hint if name.startswith(WHOLE[0]) and value.ndim > 1 else zero).append(value)
        else:
            low.append(value)
    groups = [{"params": zero, "lr": 1e-3}, {"params": low, "lr": 2e-3}]
    return [Muon(hint, lr=0.01), torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)]


def drawn_hints(folder: Path) -> Tensor:
    """Draw the edges of a picture like each training scene, uint8 [n, 1, 128, 128], or read them from the folder."""
    path = folder / "hints.pt"
    if not path.exists():
        rng = random.Random(0)
        scenes = [hint_scene(scene, rng) for scene in training_scenes(SCENES)]
        parts = [edges(render(scenes[at : at + 50]))[:, :1] for at in range(0, SCENES, 50)]
        torch.save(torch.cat([(part * 255).round().byte() for part in parts]), path)
    return torch.load(path, weights_only=True)


def hint_scene(scene: Scene, rng: random.Random) -> Scene:
    """Return the scene in other looks, now and then with another shape too: what a source of an edit may be."""
    while True:
        names = [name for name in LOOKS if rng.random() < OTHER_LOOK]
        names += [rng.choice(SHAPES)] if rng.random() < OTHER_SHAPE else []
        other = scene.replace(**{name: rng.choice(ATTRIBUTES[name]) for name in names})
        if not is_held_out(other):
            return other


def _loss(control: nn.Module, unet: nn.Module, text: nn.Module, batch: Batch, hint: Tensor, device: str) -> Tensor:
    x, t, truth = batch.noisy(device)
    with torch.no_grad():
        words = text(batch.ids.to(device)).last_hidden_state
    with torch.autocast(device.split(":")[0], torch.bfloat16):
        down, middle = control(x, t, words, hint.to(device))
        v = unet(x, t, words, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample
    return mse_loss(v.float(), truth)
