"""`latent-inversion report`: what stands between an image and its edit, in figures, curves and words."""

import argparse

from ...pictures.files import write_picture
from ..outputs import check_picture, named_after, pasted
from ..parser import as_options
from ..workspace import inverted, open_workspace


def run(options: argparse.Namespace) -> None:
    """Write the report's picture; print its figures and advice."""
    out = options.out or named_after(options.picture, ".report.png")
    check_picture(out, options)
    report = inverted(open_workspace(options), options, options.prompt).report(options.guidance)
    where = pasted(out)
    write_picture(out, report.pixels)
    print(f"{as_options(str(report))}\nimage: {where}")
