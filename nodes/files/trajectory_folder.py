"""Trajectories in files, inside ComfyUI's output and input folders only."""

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import torch
from torch import Tensor

from ...inversion_core.files.storage import StorageError, load_header, load_null_text, load_trajectory, save
from ...inversion_core.wording import HIDDEN, quoted
from ..kit.notes import facts_of
from ..sockets import LatentTrajectory, NullTextResult, Scale
from .thumbnails import of_latent, of_picture

SUFFIX, NULL_TEXT = ".trajectory.safetensors", ".null-text.safetensors"
NAME = re.compile(r"\.trajectory( \(\d+\))?\.safetensors$")
"""How the name of a trajectory's file ends; ComfyUI puts a number before the last point if a name is taken."""
LONGEST, PREFIX, DEEPEST = 255, 200, 1000
"""The most bytes of a file's name, and of one to which a number and the ending are still added; the most letters of a
name with its folders."""
PLACE = 8
"""The pixels of a latent's place in most models."""


def beside(path: Path) -> Path | None:
    """The null-text result of a trajectory's file, if there is one. Raises ValueError if it is a link out of ComfyUI's folders."""
    found = path.with_name(NAME.sub(r".null-text\1.safetensors", path.name))
    if not found.is_file():
        return None
    if not any(found.resolve().is_relative_to(root) for root in roots()):
        raise ValueError(
            f"{quoted(found.name)} leads out of ComfyUI's folders. Copy the file there instead of linking to it."
        )
    return found


def roots() -> list[Path]:
    """ComfyUI's output and input folder."""
    return [Path(folder_paths.get_directory_by_type(kind)).resolve() for kind in ("output", "input")]


def saved_files() -> list[str]:
    """The trajectories in the output and the input folder that can be loaded, newest first, as `name [folder]`."""
    found = []
    for kind in ("output", "input"):
        folder = Path(folder_paths.get_directory_by_type(kind))
        for path in folder.rglob("*.trajectory*.safetensors"):
            file = f"{path.relative_to(folder).as_posix()} [{kind}]"
            if (changed := _changed(file)) is not None:
                found.append((changed, file))
    return [file for _, file in sorted(found, reverse=True)]


def check_name(name: str, shown: str, longest: int) -> None:
    """Raises ValueError if a name, on any system, leads out of the folder that it is for, or cannot be a file's."""
    parts = re.split(r"[/\\]", name)
    if HIDDEN.search(name) or "\n" in name:
        raise ValueError(f"{quoted(shown)} contains a character that file names cannot contain. Choose another name.")
    if re.match(r"[A-Za-z]:(?![/\\])", name):
        raise ValueError(
            f"{quoted(shown)} begins like a Windows drive, {quoted(name[:2])}, but file names cannot contain ':' there. Choose another name."
        )
    if ".." in parts or (len(parts) > 1 and not parts[0]) or re.match("[A-Za-z]:", name):
        raise ValueError(
            f"{quoted(shown)} leads out of ComfyUI's folders. Write a name inside them, without a drive or '..'."
        )
    if (size := len((most := max(parts, key=lambda part: len(part.encode()))).encode())) > longest:
        raise ValueError(
            f"{quoted(most, 40)} is too long for a file name: its {len(most)} letters take {size} bytes, of at most {longest}."
        )
    if len(name) > DEEPEST:
        raise ValueError(
            f"{quoted(shown, 40)} is too long with its folders: {len(name)} letters, of at most {DEEPEST}."
        )


def path_of(file: str) -> Path:
    """The path of `name [folder]`. Raises ValueError if it leads out of ComfyUI's output and input folders, or is no name."""
    name, folder = folder_paths.annotated_filepath(file)
    check_name(name, file, LONGEST)
    if folder is None:
        folder = folder_paths.get_input_directory()
    if Path(folder).resolve() not in roots():
        raise ValueError(f"{quoted(file)} is not in ComfyUI's output or input folder.")
    root, path = os.path.realpath(folder), os.path.realpath(os.path.join(folder, name))
    if os.path.isabs(name) or os.path.commonpath([root, path]) != root:
        raise ValueError(f"{quoted(file)} leads out of ComfyUI's folders.")
    if not NAME.search(path):
        raise ValueError(f"{quoted(file)} is not a trajectory file: its name does not end in {SUFFIX}.")
    return Path(path)


def save_files(
    record: LatentTrajectory,
    prefix: str,
    null_text: NullTextResult | None,
    image: Tensor | None,
    *,
    made: dict[str, Any] | None = None,
    texts: dict[str, str] | None = None,
) -> str:
    """Writes the files under a new name and returns the trajectory's in the output folder.

    `made` is noted in the file, `texts` are its further metadata. ComfyUI refuses a prefix that leads out of the folder.
    """
    check_name(prefix, prefix, PREFIX)
    output = folder_paths.get_output_directory()
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, output, *size_of(record, image))
    while any(Path(folder, f"{name}_{counter:05}_{end}").exists() for end in (SUFFIX, NULL_TEXT)):
        counter += 1
    stem = f"{name}_{counter:05}_"
    frame = None if record.frame is None else {k: v for k, v in asdict(record.frame).items() if v is not None}
    notes = {"scale": list(record.scale.scale), "shift": list(record.scale.shift), "frame": frame, "made": made}
    facts_of(notes, record.trajectory.shape[1])
    thumbnail = of_latent(record) if image is None else of_picture(image)
    beside_it = Path(folder, stem + NULL_TEXT)
    if null_text is not None:
        save(null_text.null_text, beside_it)
    try:
        save(record.trajectory, Path(folder, stem + SUFFIX), thumbnail=thumbnail, notes=notes, texts=texts)
    except BaseException:
        beside_it.unlink(missing_ok=True)
        raise
    return Path(subfolder, stem + SUFFIX).as_posix()


def size_of(record: LatentTrajectory, image: Tensor | None) -> tuple[int, int]:
    """Width and height of a trajectory's picture: as it was encoded, or of the one that is connected, or else the latent's at 8 pixels a place."""
    if record.frame is not None:
        return record.frame.width, record.frame.height
    if image is not None:
        return image.shape[2], image.shape[1]
    rows, columns = record.trajectory.shape[-2:]
    return PLACE * columns, PLACE * rows


def load_files(path: Path) -> tuple[LatentTrajectory, NullTextResult | None]:
    """A trajectory and the null-text result beside it. Raises StorageError, saying what is wrong with the file."""
    null_text, header = beside(path), load_header(path)
    try:
        facts = facts_of(header.notes, header.shape[1])
    except ValueError as error:
        raise StorageError(
            f"{path.name} was not saved by Save Trajectory: the file does not say how its latents are scaled and how large its image "
            f"is ({error}). Save the trajectory with Save Trajectory."
        ) from error
    if header.bytes > (free := comfy.model_management.get_free_memory(torch.device("cpu"))):
        raise StorageError(
            f"{path.name} was not read: its tensors take {header.bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are "
            "free. Close other programs, or invert with fewer steps."
        )
    record = LatentTrajectory(load_trajectory(path), Scale(*facts))
    return record, NullTextResult(load_null_text(null_text)) if null_text else None


def _changed(file: str) -> int | None:
    """When a file was written; None if it is gone, is no file, or is refused: a link may lead out of the folders."""
    try:
        path = path_of(file)
        return path.stat().st_mtime_ns if path.is_file() else None
    except (OSError, ValueError):
        return None
