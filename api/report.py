"""What stands between an image and its edit, in figures, curves and words."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.loops.integrate import replay
from ..inversion_core.quality.diagnosis import Held, findings
from ..inversion_core.quality.metrics import Whiteness, drift, psnr, ssim, whiteness
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import Cond
from ..pictures.files import Pixels, to_pixels, to_tensor
from ..pictures.sheet import Cell, amplify, curves, sheet
from .progress import Watch, watching

SMALLEST_FOR_SSIM = 11
BLUE, RED = (37, 99, 235), (220, 38, 38)


@dataclass(frozen=True)
class Retraced:
    """A replay of the trajectory: its picture, how close that is, and how far each level was from the trajectory."""

    pixels: Pixels
    psnr: float
    ssim: float
    drift: tuple[float, ...]

    def __str__(self) -> str:
        return f"PSNR {self.psnr:.1f} dB, SSIM {self.ssim:.3f}"


@dataclass(frozen=True)
class Report:
    """How a model holds an image: what the autoencoder alone gives back (the `ceiling`), the trajectory (`plain`) and the
    trajectory under guidance (`guided`); the figures as `lines`, the `advice` in sentences, and all of it as an `image`."""

    ceiling: Retraced
    plain: Retraced
    guided: Retraced
    lines: tuple[str, ...]
    advice: tuple[str, ...]
    pixels: Pixels

    @property
    def image(self) -> Image.Image:
        """The report as a sheet of images and curves."""
        return Image.fromarray(self.pixels)

    def __str__(self) -> str:
        return "\n".join([*self.lines, *(f"- {line}" for line in self.advice)])


def report(
    studio: Studio, trajectory: Trajectory, pixels: Pixels, guidance: float, watch: Watch, foreign: str = ""
) -> Report:
    """Measure the autoencoder, the trajectory, and the trajectory under guidance on an image; what is said of a `foreign` one stands for advice."""
    prompt = trajectory.provenance.prompt
    held = _measure(to_pixels(studio.decode(trajectory.xs[-1]), pixels.shape[:2]), pixels, ())
    plain = _retrace(studio, trajectory, pixels, studio.cond(prompt), "retracing", watch)
    guided = _retrace(studio, trajectory, pixels, studio.cond(prompt, guidance), f"at guidance {guidance:g}", watch)
    white = whiteness(trajectory)
    cells = [
        Cell("the image", pixels),
        Cell("autoencoder alone", held.pixels, f"the ceiling: {held}"),
        Cell("retraced", plain.pixels, f"guidance 1: {plain}"),
        Cell(f"retraced at guidance {guidance:g}", guided.pixels, f"plain DDIM: {guided}"),
        Cell("autoencoder's error, 8 times", amplify(held.pixels, pixels)),
        Cell("retracing's error, 8 times", amplify(plain.pixels, held.pixels), "against the autoencoder's image"),
        Cell("guidance's error, 8 times", amplify(guided.pixels, held.pixels), "against the autoencoder's image"),
        Cell(
            "distance from the trajectory",
            curves([("guidance 1", plain.drift, BLUE), (f"guidance {guidance:g}", guided.drift, RED)]),
            "relative, from the noisiest level to the image",
        ),
    ]
    lines = [
        f"ceiling (autoencoder)  {held}",
        f"retraced, guidance 1   {plain}; ends {plain.drift[-1]:.2g} from the trajectory",
        f"retraced, guidance {guidance:<3g} {guided}; ends {guided.drift[-1]:.2g} from the trajectory",
        f"noise                  standard deviation {white.std:.3f} (1 is white), "
        f"neighbour correlation {white.neighbour_correlation:+.3f} (0 is white)",
    ]
    head = [
        f"described as: {prompt or 'nothing'}; {trajectory.steps} steps, inversion '{trajectory.provenance.method}'"
    ]
    advised = [foreign] if foreign else advice(held, plain, guided, white, distilled=studio.denoiser.distilled)
    picture = sheet("Inversion report", [*head, *(line.replace("`", "") for line in advised)], cells)
    return Report(held, plain, guided, tuple(lines), tuple(advised), picture)


def advice(
    held: Retraced, plain: Retraced, guided: Retraced, white: Whiteness, *, distilled: bool = False
) -> list[str]:
    """What is wrong, if anything, and what to try."""
    figures = Held(plain.psnr, white, held.psnr, guided.psnr)
    numbers = {"lost": figures.lost, "pulled": plain.psnr - guided.psnr, "others": "" if distilled else " or null-text"}
    sentences = [ADVICE[finding].format(**numbers) for finding in findings(figures) if finding in ADVICE]
    return sentences or ["Nothing is wrong: the image is represented and retraced well."]


ADVICE = {
    "autoencoder": "The autoencoder itself loses much of this image, and no edit can be closer. Use a larger image, or a model made "
    "for such images; with a mask, everything outside keeps its own pixels.",
    "inversion": "The trajectory loses {lost:.1f} dB beyond the autoencoder even without guidance. Try more `steps`, `inversion` "
    "fixed-point, or a prompt closer to the image; the method 'direct' does not depend on this.",
    "guidance": "Guidance pulls the image away by {pulled:.1f} dB, as with any image. Edit with `method` direct (exact){others}, not ddim.",
    "coloured": "The inverted noise is not white but still contains the image, so strong changes may come out dull. Try more "
    "`steps` or a prompt closer to the image.",
}
"""What the command says of each finding."""


def _retrace(studio: Studio, trajectory: Trajectory, pixels: Pixels, cond: Cond, label: str, watch: Watch) -> Retraced:
    with watching(watch, label) as on_step:
        walk = replay(trajectory, studio.denoiser, cond, on_step=on_step)
    return _measure(to_pixels(studio.decode(walk.xs[-1]), pixels.shape[:2]), pixels, drift(walk.xs, trajectory))


def _measure(pixels: Pixels, original: Pixels, drifts: tuple[float, ...]) -> Retraced:
    picture, truth = to_tensor(pixels), to_tensor(original)
    likeness = float(ssim(picture, truth)[0]) if min(original.shape[:2]) >= SMALLEST_FOR_SSIM else float(np.nan)
    return Retraced(pixels, float(psnr(picture, truth)[0]), likeness, drifts)
