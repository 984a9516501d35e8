"""The region of an edit, found from its descriptions, on a picture whose true edit is known."""

import torch
from torch.nn.functional import max_pool2d

from latent_inversion.api.control import Control
from latent_inversion.api.models import load_toybox
from latent_inversion.api.region import find_region
from latent_inversion.command_line.editing import run_edit
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.world import edit_mask, held_out_edits, render


def test_the_region_of_an_edit_is_found_and_the_rest_kept():
    """On the toybox: all that truly changes lies in it, and outside it the edit's latent is the picture's own."""
    studio, edit = load_toybox(), held_out_edits(1, kinds=("accessory",))[0]
    x0 = studio.encode_picture(render([edit.source]))
    words = (edit.source_caption, edit.target_caption)
    source = Cond(studio.encode_prompt(edit.source_caption))
    trajectory = invert(INVERSIONS["ddim"], studio.denoiser, x0, studio.grid(6, x0), source)
    mask = find_region(studio, x0, trajectory.sigmas, *words)
    truth = max_pool2d(edit_mask(edit.source, edit.target)[None, None].float(), 8)
    assert mask[truth > 0].mean() > 0.95 and mask.mean() < 0.5
    control = Control(cross=0, self_attention=0, mask=mask)
    edited = run_edit(studio, trajectory, *words, guidance=2.0, control=control).target
    kept = (mask == 0).expand_as(x0)
    assert torch.equal(edited[kept], x0[kept]) and not torch.allclose(edited[~kept], x0[~kept], atol=0.1)
