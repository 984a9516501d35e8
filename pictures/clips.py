"""Clips of any kind as frames and back: folders of pictures, animated GIF, WebP and PNG, and video files where PyAV is."""

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
from PIL import Image, ImageSequence

from ..inversion_core.wording import plain
from .errors import UserError
from .files import Pixels, check_is_file, format_of, read_picture, replacing, write_picture

ANIMATED = {".gif": {}, ".webp": {"lossless": True}, ".png": {"blend": 0, "disposal": 0}, ".apng": {"format": "PNG"}}
"""Animated pictures by their ending, and how they are saved."""
FRAMES = r"\d{4,}\.png"
"""The names of frames in a folder."""
DURATION = 100
"""Milliseconds that a frame is shown where the clip does not say."""


@dataclass(frozen=True)
class Footage:
    """The frames of a clip, all of one size, and how long each is shown, in milliseconds."""

    frames: list[Pixels]
    durations: list[float]


def read_clip(path: Path) -> Footage:
    """The frames of a folder of pictures (in the order of their names), an animated picture or a video file.

    Raises UserError if there is no clip, its frames differ in size, or a video file is given and PyAV is missing.
    """
    if not os.path.isdir(path):
        check_is_file(path, "clip")
    if path.is_dir():
        pictures = [read_picture(name) for name in sorted(path.iterdir()) if _is_picture(name)]
        footage = Footage(pictures, [DURATION] * len(pictures))
    elif path.suffix.lower() in ANIMATED:
        footage = _read_animation(path)
    else:
        footage = _read_video(path)
    sizes = {frame.shape for frame in footage.frames}
    if len(sizes) != 1:
        number = f"frames of {len(sizes)} sizes" if sizes else "no frames"
        raise UserError(f"{path} has {number}, but a clip is one or more images of one size.")
    return footage


def write_clip(path: Path, footage: Footage) -> None:
    """Write a folder of PNGs (a name without ending), an animated picture or a video file, whole or not at all.

    Raises UserError as `read_clip`.
    """
    kind = path.suffix.lower()
    if not kind or path.is_dir():
        write_frames(path, footage.frames)
    elif kind in ANIMATED:
        first, *others = (Image.fromarray(frame) for frame in footage.frames)
        durations = [round(duration) for duration in footage.durations]
        options = {"format": format_of(path)} | ANIMATED[kind]
        with replacing(path) as temporary:
            first.save(temporary, save_all=True, append_images=others, duration=durations, loop=0, **options)
    else:
        with replacing(path) as temporary:
            _write_video(path, temporary, footage)


def write_frames(folder: Path, frames: Sequence[Pixels]) -> None:
    """Write the frames as 0001.png and so on into a folder: all of them, or none."""
    digits = max(4, len(str(len(frames))))
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", suffix=".part", dir=folder) as beside:
        names = [f"{number:0{digits}d}.png" for number in range(1, len(frames) + 1)]
        for name, frame in zip(names, frames, strict=True):
            write_picture(Path(beside, name), frame)
        for name in names:
            Path(beside, name).replace((folder / name).resolve())


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in Image.registered_extensions()


def _read_animation(path: Path) -> Footage:
    try:
        with Image.open(path) as image:
            frames = [(frame.convert("RGBA"), frame.info.get("duration") or DURATION) for frame in _frames(image)]
    except Exception as error:  # as in `read_picture`
        raise UserError(f"{path} cannot be read as an animated image: {plain(str(error), 200)}.") from error
    white = Image.new("RGBA", frames[0][0].size, "white")
    pixels = [np.asarray(Image.alpha_composite(white, frame).convert("RGB")) for frame, _ in frames]
    return Footage(pixels, [float(duration) for _, duration in frames])


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    return iter(ImageSequence.Iterator(image))


def _av(path: Path) -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise UserError(
            f"Video files such as {path} need PyAV. Install it with pip install av (the extra latent-inversion[video] names it), or give a folder of images, or a GIF, WebP or PNG animation."
        ) from error
    return av


def _read_video(path: Path) -> Footage:
    av = _av(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{path} contains no images, only sound or text. Name a video file.")
            stream = container.streams.video[0]
            rate = stream.average_rate or Fraction(1000, DURATION)
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"{path} cannot be read as a video: {plain(str(error), 200)}.") from error
    return Footage(frames, [float(1000 / rate)] * len(frames))


def _write_video(path: Path, temporary: Path, footage: Footage) -> None:
    """The footage in the file `temporary`, which is to become `path`."""
    av = _av(path)
    height, width = footage.frames[0].shape[:2]
    rate = Fraction(1000 * len(footage.frames) / sum(footage.durations)).limit_denominator(1001)
    try:
        with av.open(str(temporary), "w") as container:
            stream = container.add_stream(_encoder(av), rate=rate)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
            for pixels in (*footage.frames, None):
                picture = None if pixels is None else av.VideoFrame.from_ndarray(pixels, format="rgb24")
                container.mux(stream.encode(picture))
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO):
            raise OSError(error.errno, os.strerror(error.errno)) from error
        reason = plain(str(error).replace(str(temporary), path.name), 200)
        raise UserError(f"{path} cannot be written as a video: {reason}. Use a name like {path.stem}.mp4.") from error


def _encoder(av: ModuleType) -> str:
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"
