"""Trajectories and null-text results as one safetensors file each, and back bit for bit."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .fingerprint import same_model
from .headers import FORMATS, VERSION, Header, StorageError, load_header
from .paths import PATHS
from .solvers import SOLVERS
from .trajectory import NullText, Provenance, Trajectory

SECONDARY = ("partners", "noise")
__all__ = ["Header", "StorageError", "load_header"]


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
    hold, `texts` further metadata under names that other programs look for. Raises StorageError if values are not
    finite, for such a file would not be read again, and OSError as the file system does.
    """
    path, (tensors, facts) = Path(path), _pack(value)
    _require_finite(f"{path} was not written", tensors)
    tensors |= {} if thumbnail is None else {"thumbnail": thumbnail.cpu().contiguous()}
    kind = next(name for name, cls in FORMATS.items() if isinstance(value, cls))
    kept = {"facts": facts | {"provenance": asdict(value.provenance)}, "notes": dict(notes or {})}
    metadata = {"format": kind, "version": str(VERSION), **{name: json.dumps(fact) for name, fact in kept.items()}}
    handle, temporary = tempfile.mkstemp(suffix=".part", prefix=path.name, dir=path.parent)
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata={**(texts or {}), **metadata})
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_trajectory(path: str | os.PathLike[str]) -> Trajectory:
    """The trajectory in `path`. Raises StorageError if the file is missing, truncated, foreign, newer or inconsistent."""
    tensors, facts = _read(path, "latent-inversion trajectory")
    try:
        return Trajectory(
            path=PATHS[facts["path"]],
            sigmas=tensors["sigmas"],
            xs=tuple(tensors["xs"]),
            solver=facts["solver"] if facts["solver"] in SOLVERS else _unknown(facts["solver"]),
            **{name: tuple(tensors[name]) for name in SECONDARY if name in tensors},
            residuals=None if facts["residuals"] is None else tuple(map(float, facts["residuals"])),
            provenance=Provenance(**facts["provenance"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise StorageError(f"{path} is a damaged trajectory file: {error}. Save the trajectory again.") from error


def load_null_text(path: str | os.PathLike[str]) -> NullText:
    """The null-text result in `path`. Raises StorageError as `load_trajectory`."""
    tensors, facts = _read(path, "latent-inversion null-text")
    try:
        return NullText(
            sigmas=tensors["sigmas"],
            embeddings=tuple(tensors["embeddings"]),
            first=tuple(map(float, facts["first"])),
            last=tuple(map(float, facts["last"])),
            evaluations=int(facts["evaluations"]),
            provenance=Provenance(**facts["provenance"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise StorageError(f"{path} is a damaged null-text file: {error}. Save the result again.") from error


def load_thumbnail(path: str | os.PathLike[str]) -> Tensor | None:
    """The uint8 picture [height, width, 3] kept in the file, or None. Raises StorageError as `load_header`."""
    if load_header(path).thumbnail is None:
        return None
    with _opened(path) as file:
        return file.get_tensor("thumbnail").clone()


def load_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The host's notes kept in the file; empty if there are none. Raises StorageError as `load_header`."""
    return load_header(path).notes


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{path} cannot be read as a safetensors file: {error}. It may be missing, truncated or of another kind."
        ) from error


def require_same_model(provenance: Provenance, fingerprint: str, what: str = "trajectory") -> None:
    """Raises StorageError if both identities or fingerprints are known and cannot be of the same model."""
    if provenance.model and fingerprint and not same_model(provenance.model, fingerprint):
        made, here = (text.partition("~")[0] for text in (provenance.model, fingerprint))
        raise StorageError(
            f"The {what} was made with another model (fingerprint {made}, this model has {here}). Load that model, with the "
            "same LoRAs, LoRA hooks of the prompt and sampling settings, or invert the picture again."
        )


def _pack(value: Trajectory | NullText) -> tuple[dict[str, Tensor], dict[str, Any]]:
    facts: dict[str, Any]
    if isinstance(value, Trajectory):
        tensors = {"sigmas": value.sigmas, "xs": torch.stack(value.xs)}
        secondary = {name: getattr(value, name) for name in SECONDARY}
        tensors |= {name: torch.stack(kept) for name, kept in secondary.items() if kept is not None}
        facts = {"path": value.path.name, "solver": value.solver, "residuals": value.residuals}
    else:
        tensors = {"sigmas": value.sigmas, "embeddings": torch.stack(value.embeddings)}
        facts = {"first": value.first, "last": value.last, "evaluations": value.evaluations}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, facts


def _read(path: str | os.PathLike[str], wanted: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors but the thumbnail, in memory of their own, and the facts."""
    facts = load_header(path, wanted).facts
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys() if name != "thumbnail"}  # noqa: SIM118
    _require_finite(f"{path} is damaged", tensors)
    return tensors, facts


def _require_finite(failed: str, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise StorageError(
                f"{failed}: its {name} hold {count} values that are not finite numbers (NaN or infinity). The inversion "
                "failed, or the file was changed. Invert the picture again."
            )


def _unknown(solver: str) -> str:
    raise ValueError(f"it wants the solver '{solver}', and this version knows {', '.join(SOLVERS)}")
