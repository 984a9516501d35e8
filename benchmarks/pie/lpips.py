"""LPIPS with SqueezeNet 1.1 (arXiv:1801.03924), from local weights: the formula of torchmetrics, and its map over the pixels."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torchmetrics
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.pictures.errors import UserError

from .weights import read_weights

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
SLICES = (2, 5, 8, 10, 11, 12, 13)
EPSILON = 1e-8
"""The constants of torchmetrics' LPIPS: colours, the layers of SqueezeNet whose ends are compared, the norm's floor."""

PixelMap = Float[Tensor, "batch 1 height width"]


class Fire(nn.Module):
    """SqueezeNet's block: 1 x 1 down, then 1 x 1 and 3 x 3 side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        small = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(small), self.expand3x3(small)], 1).relu()


def squeezenet_features() -> nn.Sequential:
    """The layers of SqueezeNet 1.1 before its classifier, named as torchvision names them."""
    fires = [(64, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128)]
    fires += [(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
    for number, sizes in enumerate(fires):
        if number in (0, 2, 4):
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        layers.append(Fire(*sizes))
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Lpips:
    """The distance of two pictures: as published, the mean over all pixels, and as a map to average over a region."""

    network: nn.Sequential
    linear: tuple[Tensor, ...]

    @torch.no_grad()
    def __call__(self, picture: Picture, other: Picture) -> tuple[float, PixelMap]:
        """Sum over layers of the mean of `w * (f - g)^2`, features of unit length, on pictures in 0..1; and its map."""
        place = self.linear[0].device
        layers = zip(self._layers(picture.to(place)), self._layers(other.to(place)), self.linear, strict=True)
        maps = [conv2d((ours - theirs).square(), weight) for ours, theirs, weight in layers]
        wide = [interpolate(m, picture.shape[-2:], mode="bilinear", align_corners=False) for m in maps]
        return float(sum(m.mean() for m in maps)), torch.stack(wide).sum(0).cpu()

    def _layers(self, picture: Picture) -> list[Tensor]:
        shift, scale = (picture.new_tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        x, found = (2 * picture - 1 - shift) / scale, []
        for number, layer in enumerate(self.network, start=1):
            x = layer(x)
            if number in SLICES:
                found.append(x / (EPSILON + x.square().sum(1, keepdim=True)).sqrt())
        return found


def load_lpips(path: Path, device: torch.device) -> tuple[Lpips, str]:
    """LPIPS from torchvision's SqueezeNet 1.1 file and the linear weights within torchmetrics, and what to call it.

    Raises UserError if either is not as expected.
    """
    weights = read_weights(path)
    features = squeezenet_features()
    kept = {name.removeprefix("features."): value for name, value in weights.items() if name.startswith("features.")}
    try:
        features.load_state_dict(kept)
    except RuntimeError as error:
        raise UserError(f"{path} is not SqueezeNet 1.1 as torchvision names its weights.") from error
    linear = tuple(weight.to(device) for weight in linear_weights())
    return Lpips(features.eval().to(device), linear), "SqueezeNet 1.1, the published network"


def linear_weights() -> list[Tensor]:
    """The trained weights of LPIPS' seven layers [1, channels, 1, 1], a file of torchmetrics."""
    path = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / "squeeze.pth"
    weights = read_weights(path)
    return [weights[f"lin{number}.model.1.weight"] for number in range(len(SLICES))]
