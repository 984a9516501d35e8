"""What making one picture from two has in common: steps, guidance, and pictures inverted in a batch."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from ..inversion_core.attention.technique import Technique
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.inversions import INVERSIONS, invert
from ..inversion_core.loops.direct import direct
from ..inversion_core.loops.edit import Edit, Edited, Target
from ..inversion_core.progress import OnStep
from ..inversion_core.shapes import Latent, Picture, Sigmas
from ..inversion_core.trajectory import Provenance, Trajectory
from ..inversion_core.types import Cond

Watched = Callable[[], AbstractContextManager[OnStep | None]]
"""Opens a bar for one loop."""

STEPS = 50


@dataclass(frozen=True)
class Making:
    """How it is done: steps and the target's guidance (None: the model's usual ones), and who watches."""

    steps: int | None = STEPS
    guidance: float | None = None
    watched: Watched = lambda: nullcontext(None)

    def grid(self, studio: Studio, x0: Latent) -> Sigmas:
        """The model's levels for those steps."""
        return studio.grid(self.steps or studio.steps, x0)

    def inverted(
        self, studio: Studio, pictures: Sequence[Picture], words: Sequence[str], sigmas: Sigmas | None = None
    ) -> Trajectory:
        """The trajectory of pictures of one size, each under its own words, in one batch; on the model's own grid if none is given."""
        x0 = studio.encode_picture(torch.cat(list(pictures)))
        provenance = Provenance(studio.denoiser.identity, "ddim", prompt=words[0])
        cond, sigmas = Cond(studio.encode_prompts(words)), self.grid(studio, x0) if sigmas is None else sigmas
        with self.watched() as on_step:
            return invert(INVERSIONS["ddim"], studio.denoiser, x0, sigmas, cond, provenance=provenance, on_step=on_step)

    def edited(
        self,
        studio: Studio,
        trajectory: Trajectory,
        words: Sequence[str],
        targets: Sequence[str],
        techniques: Sequence[Technique],
    ) -> Edited:
        """The pictures of the trajectory, which the words describe, edited towards the targets by direct inversion."""
        target = Target(self.guided(studio, targets), techniques)
        edit = Edit(trajectory, studio.denoiser, Cond(studio.encode_prompts(words)), [target], direct)
        with self.watched() as on_step:
            return edit.run(on_step=on_step)[0]

    def guided(self, studio: Studio, texts: Sequence[str]) -> Cond:
        """Prompts under guidance, a row each; where guidance is distilled, of one text."""
        guidance = studio.guidance if self.guidance is None else self.guidance
        if len(texts) == 1:
            return studio.cond(texts[0], guidance)
        return Cond(studio.encode_prompts(texts), studio.encode_prompt(""), guidance)
