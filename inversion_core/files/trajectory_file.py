"""Trajectories and null-text results as one safetensors file each, and back bit for bit."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..fingerprint import same_model
from ..paths import PATHS
from ..solvers import SOLVERS
from ..trajectory import NullText, Provenance, Trajectory
from ..wording import quoted
from .fields import DTYPES, HIGHEST, Stored, facts_of
from .file_head import (
    FORMATS,
    NULL_TEXT_FILE,
    TRAJECTORY_FILE,
    VERSION,
    Header,
    StorageError,
    check_size,
    header_of,
    load_header,
    opened,
)
from .writing import writing

SECONDARY = ("partners", "noise")
LARGEST = 1e7
"""The largest value of a latent or an embedding that is read."""


def save(
    value: Trajectory | NullText,
    path: str | os.PathLike[str],
    *,
    thumbnail: Tensor | None = None,
    notes: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write `value` to `path`, complete or not at all: under a temporary name first, then renamed.

    `thumbnail` is a uint8 picture [height, width, 3] kept beside it, `notes` are facts of the host's own that JSON can
    hold, `texts` further metadata under names that other programs look for. Raises StorageError if such a file would not
    be read again (values that are not finite or too large, too many bytes), and OSError as the file system does.
    """
    path, (tensors, facts) = Path(path), _pack(value)
    failed = f"{path} was not written"
    check_size(failed, sum(tensor.nbytes for tensor in tensors.values()))
    _check_values(failed, tensors, facts)
    tensors |= {} if thumbnail is None else {"thumbnail": thumbnail.cpu().contiguous()}
    kind = next(name for name, cls in FORMATS.items() if isinstance(value, cls))
    objects = {"facts": facts | facts_of(value.provenance), "notes": dict(notes or {})}
    metadata = {"format": kind, "version": str(VERSION), **{name: json.dumps(fact) for name, fact in objects.items()}}
    with writing(path) as temporary:
        save_file(tensors, temporary, metadata={**(texts or {}), **metadata})
        try:
            load_header(temporary, kind)
        except StorageError as error:
            reason = str(error).replace(str(temporary), "the file")
            raise StorageError(f"{failed}, because the file could not be read back: {reason}") from error


@dataclass(frozen=True)
class OpenFile:
    """A file whose head was read, and checked, and whose tensors were not."""

    path: str | os.PathLike[str]
    header: Header
    file: BinaryIO
    start: int

    def trajectory(self) -> Trajectory:
        """The trajectory. Raises StorageError as `load_trajectory`."""
        tensors, facts = self.tensors(), self.header.facts
        try:
            return Trajectory(
                path=PATHS[facts["path"]],
                sigmas=tensors["sigmas"],
                xs=tuple(tensors["xs"]),
                solver=facts["solver"] if facts["solver"] in SOLVERS else _unknown(facts["solver"]),
                **{name: tuple(tensors[name]) for name in SECONDARY if name in tensors},
                residuals=None if facts["residuals"] is None else tuple(map(float, facts["residuals"])),
                provenance=self.header.provenance,
            )
        except ValueError as error:
            raise StorageError(
                f"{self.path} is a damaged trajectory file: {error}. Save the trajectory again."
            ) from error

    def null_text(self) -> NullText:
        """The null-text result. Raises StorageError as `load_null_text`."""
        tensors, facts = self.tensors(), self.header.facts
        try:
            return NullText(
                sigmas=tensors["sigmas"],
                embeddings=tuple(tensors["embeddings"]),
                first=tuple(map(float, facts["first"])),
                last=tuple(map(float, facts["last"])),
                evaluations=facts["evaluations"],
                provenance=self.header.provenance,
            )
        except ValueError as error:
            raise StorageError(f"{self.path} is a damaged null-text file: {error}. Save the result again.") from error

    def tensors(self) -> dict[str, Tensor]:
        """All tensors but the thumbnail, read into memory of their own."""
        try:
            tensors = {name: self.tensor(place) for name, place in self.header.tensors.items() if name != "thumbnail"}
        except MemoryError as error:
            raise StorageError(
                f"{self.path} was not read: its tensors take {self.header.bytes / 1e9:.1f} GB, and memory does not suffice. "
                "Close other programs, or invert with fewer steps."
            ) from error
        _check_values(f"{self.path} is damaged", tensors, self.header.facts)
        return tensors

    def tensor(self, place: Stored) -> Tensor:
        """A tensor. A mapped file would end the process if it were cut off meanwhile."""
        values = bytearray(place.end - place.start)
        self.file.seek(self.start + place.start)
        if self.file.readinto(values) != len(values):  # type: ignore[attr-defined]
            raise OSError("it was cut off while being read")
        return torch.frombuffer(values, dtype=DTYPES[place.dtype]).view(place.shape)


@contextmanager
def open_file(path: str | os.PathLike[str], wanted: str = TRAJECTORY_FILE) -> Iterator[OpenFile]:
    """A file with its head. Raises StorageError as `load_header`, and if reading it fails."""
    with opened(path) as file:
        yield OpenFile(path, header_of(file, path, wanted), file, file.tell())


def load_trajectory(path: str | os.PathLike[str]) -> Trajectory:
    """The trajectory in `path`. Raises StorageError if the file is missing, truncated, foreign, newer, inconsistent or too large."""
    with open_file(path) as stored:
        return stored.trajectory()


def load_null_text(path: str | os.PathLike[str]) -> NullText:
    """The null-text result in `path`. Raises StorageError as `load_trajectory`."""
    with open_file(path, NULL_TEXT_FILE) as stored:
        return stored.null_text()


def load_thumbnail(path: str | os.PathLike[str]) -> Tensor | None:
    """The uint8 picture [height, width, 3] kept in the file, or None. Raises StorageError as `load_header`."""
    with open_file(path) as stored:
        place = stored.header.tensors.get("thumbnail")
        return None if place is None else stored.tensor(place)


def require_same_model(provenance: Provenance, fingerprint: str, what: str = "trajectory") -> None:
    """Raises StorageError if both identities or fingerprints are known and cannot be of the same model."""
    if provenance.model and fingerprint and not same_model(provenance.model, fingerprint):
        known, here = (text.partition("~")[0] for text in (provenance.model, fingerprint))
        raise StorageError(
            f"The {what} was made with another model (fingerprint {quoted(known)[1:-1]}, this model has {here}). Load that model, "
            "with the same LoRAs, LoRA hooks of the prompt and sampling settings, or invert the image again."
        )


def _pack(value: Trajectory | NullText) -> tuple[dict[str, Tensor], dict[str, Any]]:
    facts: dict[str, Any]
    if isinstance(value, Trajectory):
        tensors = {"sigmas": value.sigmas, "xs": torch.stack(value.xs)}
        secondary = {name: getattr(value, name) for name in SECONDARY}
        tensors |= {name: torch.stack(latents) for name, latents in secondary.items() if latents is not None}
        facts = {"path": value.path.name, "solver": value.solver, "residuals": value.residuals}
    else:
        tensors = {"sigmas": value.sigmas, "embeddings": torch.stack(value.embeddings)}
        facts = {"first": value.first, "last": value.last, "evaluations": value.evaluations}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, facts


def _check_values(failed: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Raises StorageError if values are not finite, or beyond all that an inversion gives."""
    highest = 1.001 if facts.get("path") == "rf" else HIGHEST
    for name, tensor in tensors.items():
        most = highest if name == "sigmas" else LARGEST
        if all(float(level.abs().amax()) <= most for level in tensor):  # NaN is not, and one level needs little memory
            continue
        count = sum(int((~torch.isfinite(level)).sum()) for level in tensor)
        values = f"{count} values that are not finite numbers (NaN or infinity)" if count else f"values beyond {most:g}"
        raise StorageError(
            f"{failed}: its {name} hold {values}. The inversion failed, or the file was changed. Invert the image again."
        )


def _unknown(solver: str) -> str:
    raise ValueError(f"it needs the solver {quoted(solver)}, and this version knows {', '.join(SOLVERS)}")
