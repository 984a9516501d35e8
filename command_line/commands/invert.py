"""`latent-inversion invert`: a picture's trajectory as a file, and the picture that it gives back."""

import argparse

import numpy as np

from ...pictures.files import write_picture
from ..outputs import check_file, check_picture, named_after, pasted
from ..workspace import inversion_of, open_workspace, psnr_text


def run(options: argparse.Namespace) -> None:
    """Write the trajectory and the picture that it gives back; print how well it does."""
    out = options.out or named_after(options.picture, ".safetensors")
    beside = out.with_suffix(".reconstruction.png")
    check_file(out, options, ".safetensors")
    check_picture(beside, options)
    image = open_workspace(options, options.prompt).inverted(inversion_of(options), options.steps)
    where = pasted(out), pasted(beside)
    image.save(out)
    back, ceiling = np.asarray(image.reconstruct()), image.picture(image.x0)
    write_picture(beside, back)
    print(f"trajectory      {where[0]} ({image.required().steps} steps)")
    print(f"reconstruction  {where[1]}: {psnr_text(back, image.pixels)}")
    print(f"ceiling         {psnr_text(ceiling, image.pixels)} (the autoencoder alone)")
