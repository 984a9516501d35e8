"""Trajectories in files, inside ComfyUI's output and input folders only."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import folder_paths
import torch
from torch import Tensor

from ..inversion_core.storage import StorageError, load_notes, load_null_text, load_trajectory, save
from .sockets import Frame, LatentTrajectory, NullTextResult

SUFFIX, NULL_TEXT = ".trajectory.safetensors", ".null-text.safetensors"


def beside(path: Path) -> Path:
    """Where the null-text result of a trajectory's file lies."""
    return path.with_name(path.name.removesuffix(SUFFIX) + NULL_TEXT)


def saved_files() -> list[str]:
    """The trajectories in the output and the input folder, newest first, as `name [folder]`."""
    found = []
    for kind in ("output", "input"):
        folder = Path(folder_paths.get_directory_by_type(kind))
        found += [(path.stat().st_mtime, kind, path.relative_to(folder)) for path in folder.rglob(f"*{SUFFIX}")]
    return [f"{path.as_posix()} [{kind}]" for _, kind, path in sorted(found, reverse=True)]


def path_of(file: str) -> Path:
    """The path of `name [folder]`. Raises ValueError if it leads out of ComfyUI's output and input folders."""
    name, folder = folder_paths.annotated_filepath(file)
    if folder is None:
        folder = folder_paths.get_input_directory()
    if Path(folder).resolve() not in {
        Path(folder_paths.get_directory_by_type(k)).resolve() for k in ("output", "input")
    }:
        raise ValueError(f"'{file}' is not in ComfyUI's output or input folder.")
    root, path = os.path.realpath(folder), os.path.realpath(os.path.join(folder, name))
    if os.path.isabs(name) or os.path.commonpath([root, path]) != root:
        raise ValueError(f"'{file}' leads out of ComfyUI's folders.")
    if not path.endswith(SUFFIX):
        raise ValueError(f"'{file}' is no trajectory file: its name does not end in {SUFFIX}.")
    return Path(path)


def save_files(record: LatentTrajectory, prefix: str, null_text: NullTextResult | None, image: Tensor | None) -> str:
    """Writes the files and returns the trajectory's name in the output folder. ComfyUI refuses a prefix that leads out of it."""
    output = folder_paths.get_output_directory()
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, output)
    stem = f"{name}_{counter:05}_"
    while Path(folder, stem + SUFFIX).exists():
        counter += 1
        stem = f"{name}_{counter:05}_"
    notes: dict[str, Any] = {"scale": record.scale, "shift": record.shift}
    notes["frame"] = None if record.frame is None else asdict(record.frame)
    thumbnail = None if image is None else (image[0, ..., :3].clamp(0, 1) * 255).round().to(torch.uint8)
    save(record.trajectory, Path(folder, stem + SUFFIX), thumbnail=thumbnail, notes=notes)
    if null_text is not None:
        save(null_text.null_text, Path(folder, stem + NULL_TEXT))
    return Path(subfolder, stem + SUFFIX).as_posix()


def load_files(path: Path) -> tuple[LatentTrajectory, NullTextResult | None]:
    """A trajectory and the null-text result beside it. Raises StorageError, saying what is wrong with the file."""
    trajectory, notes = load_trajectory(path), load_notes(path)
    try:
        frame = None if notes["frame"] is None else Frame(**notes["frame"])
        record = LatentTrajectory(trajectory, tuple(notes["scale"]), tuple(notes["shift"]), frame)
        record.samples(trajectory.xs[-1])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StorageError(
            f"{path.name} was not saved by Save Trajectory: it does not say how its latents are scaled ({error})."
        ) from error
    null_text = beside(path)
    return record, NullTextResult(load_null_text(null_text)) if null_text.is_file() else None
