"""Moving scenes: every frame is drawn, so each frame's true edit and each pixel's true path are known."""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .draw import HEAD, SHIRT, SIZE, layers, render
from .scene import Scene
from .shapes import place_of


@dataclass(frozen=True)
class Correspondence:
    """Where each pixel of one frame lies in another.

    position: [128, 128, 2] as x, y in [-1, 1], the grid of `torch.nn.functional.grid_sample(align_corners=False)`.
    visible: bool [128, 128]; False where the other frame hides the point or leaves it outside.
    """

    position: Tensor
    visible: Tensor

    @property
    def flow(self) -> Tensor:
        """The movement in pixels, right and down: [2, 128, 128]."""
        axis = (torch.arange(SIZE) + 0.5) * (2 / SIZE) - 1
        here = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
        return ((self.position - here) * (SIZE / 2)).permute(2, 0, 1)


def video_scenes(scene: Scene, frames: int) -> list[Scene]:
    """Return the frames of a scene whose animal sways and nods, one swing in all; frame 0 is the scene itself.

    For the true video of an edit give the edited scene: `video_scenes(scene.replace(time="night"), frames)`.
    """
    if frames < 1:
        raise ValueError(f"a video needs at least one frame, got {frames}")
    return [_moved(scene, index / max(1, frames)) for index in range(frames)]


def _moved(scene: Scene, phase: float) -> Scene:
    swing, nod = math.sin(2 * math.pi * phase), math.sin(4 * math.pi * phase)
    side = -1 if scene.cx > 0 else 1  # towards the middle first
    return dataclasses.replace(
        scene, cx=scene.cx + 0.16 * side * swing, cy=scene.cy + 0.04 * nod, tilt=scene.tilt + 0.14 * side * swing
    )


def render_video(scene: Scene, frames: int) -> Tensor:
    """Draw the frames of a moving scene: [frames, 3, 128, 128] in [0, 1]."""
    return render(video_scenes(scene, frames))


def true_correspondence(scene: Scene, other: Scene) -> Correspondence:
    """Return where each pixel of a scene lies in the other; background stays, shirt shifts, head also tilts."""
    layer, other_layer = layers([scene, other])
    here = place_of([scene], SIZE)
    x, y, body_x, body_y, head_x, head_y = (
        part[0, 0] for part in (here.x, here.y, here.body_x, here.body_y, here.head_x, here.head_y)
    )
    sine, cosine = math.sin(other.tilt), math.cos(other.tilt)
    from_head = (head_x * cosine - head_y * sine, head_x * sine + head_y * cosine)
    local_x = torch.where(layer == HEAD, from_head[0], body_x)
    local_y = torch.where(layer == HEAD, from_head[1], body_y)
    moves = (layer == HEAD) | (layer == SHIRT)
    to_x = torch.where(moves, local_x * other.size + other.cx, x)
    to_y = torch.where(moves, local_y * other.size + other.cy, y)
    column = ((to_x + 1) * (SIZE / 2)).floor().long()
    row = ((to_y + 1) * (SIZE / 2)).floor().long()
    inside = (column >= 0) & (column < SIZE) & (row >= 0) & (row < SIZE)
    there = other_layer[row.clamp(0, SIZE - 1), column.clamp(0, SIZE - 1)]
    return Correspondence(torch.stack([to_x, to_y], dim=-1), inside & (there == layer))
