"""Names that lead nowhere, and files that are damaged or made to do harm."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..hostile_files import head_of, renamed, replaced, write
from .bench import FOLDER, HALF, INFINITY, NAN, SUFFIX, TERMINAL, Mistake, before, late


def named(name: str, file: str, *says: str) -> Mistake:
    """A file's name that leads nowhere it may."""
    return before(name, lambda b: b.add("InversionLoadTrajectory", file=file), *says)


NAMES = [
    named("a file that is not there", f"nothing{SUFFIX} [output]", "nothing", "no trajectory file"),
    named("a name that climbs out", f"../../secret{SUFFIX} [input]", "leads out"),
    named("a name that climbs out and back", f"../input/../../x{SUFFIX}", "leads out"),
    named("an absolute name", f"/etc/passwd{SUFFIX}", "leads out"),
    named("a drive of Windows", f"C:\\x{SUFFIX}", "leads out"),
    named("backslashes that climb out", f"..\\..\\x{SUFFIX} [output]", "leads out"),
    named("a name with a NUL", f"x\0y{SUFFIX}", "character"),
    named("a name that ends in dots", f"{FOLDER}/good{SUFFIX}... [input]", SUFFIX),
    named("the temporary folder", f"x{SUFFIX} [temp]", "output or input folder"),
    named("a name that is too long", "x" * 5000 + SUFFIX, "too long"),
    named("a picture instead", "example.png [input]", "example.png", SUFFIX),
    named("no name", "", "not a trajectory file"),
    before("a prefix that climbs out", lambda b: b.save("../../out"), "leads out"),
    before("an absolute prefix", lambda b: b.save("/tmp/out"), "leads out"),
    before("a prefix with a drive", lambda b: b.save("C:\\out"), "C:", "leads out"),
    before("a prefix of backslashes that climbs out", lambda b: b.save("..\\..\\out"), "leads out"),
    before("a prefix with a NUL", lambda b: b.save("a\0b"), "character"),
    before("a prefix that is too long", lambda b: b.save("x" * 300), "300 letters", "200"),
    before("a prefix of too many bytes", lambda b: b.save("日" * 200), "200 letters", "600 bytes", "200"),
    before("a prefix with a colon", lambda b: b.save("a:b*c?"), "'a:'", "cannot contain ':'"),
]


def spoil(good: Path) -> dict[str, bytes]:
    """Damaged and hostile copies of a trajectory's file, by name."""
    with safe_open(good, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    data = good.read_bytes()

    def changed(more: Mapping[str, Tensor | None] = {}, **texts: Any) -> bytes:
        kept = {name: t.contiguous() for name, t in {**tensors, **more}.items() if t is not None}
        written = good.with_name("changed.part")
        save_file(kept, written, metadata={**metadata, **texts})
        made = written.read_bytes()
        written.unlink()
        return made

    def facts(**more: Any) -> str:
        return json.dumps({**json.loads(metadata["facts"]), **more})

    def notes(**more: Any) -> str:
        return json.dumps({**json.loads(metadata["notes"]), **more})

    def headed(change: Callable[..., dict[str, Any]], *place: str, to: Any) -> bytes:
        head, body = head_of(good)
        written = write(good.with_name("changed.part"), change(head, place, to), body)
        made = written.read_bytes()
        written.unlink()
        return made

    sigmas, xs = tensors["sigmas"], tensors["xs"]
    in_facts, in_notes = ("__metadata__", "facts"), ("__metadata__", "notes")
    spoilt_xs, spoilt_sigmas = xs.clone(), sigmas.clone()
    spoilt_xs.view(-1)[:3] = NAN
    spoilt_sigmas[0] = INFINITY
    bomb = b'{"__metadata__":{"facts":"' + b"[" * 100_000 + b'"}}'
    return {
        "good": data,
        "empty": b"",
        "text": b"This is a letter, not a trajectory.",
        "truncated": data[: len(data) // 2],
        "huge-header": struct.pack("<Q", 2**62) + data[8:],
        "brackets": changed(facts="[" * 100_000),
        "bomb": struct.pack("<Q", len(bomb)) + bomb,
        "other-format": changed(format="pt"),
        "null-text-kind": changed(format="latent-inversion null-text"),
        "newer": changed(version="99"),
        "no-version": changed(version="soon"),
        "no-latents": changed({"xs": None}),
        "no-sigmas": changed({"sigmas": None}),
        "fewer-latents": changed({"xs": xs[:-1]}),
        "flat-latents": changed({"xs": xs.flatten(1)}),
        "whole-numbers": changed({"xs": xs.to(torch.int32)}),
        "nan-latents": changed({"xs": spoilt_xs}),
        "nan-sigmas": changed({"sigmas": spoilt_sigmas}),
        "negative-sigmas": changed({"sigmas": sigmas - 1}),
        "rising-sigmas": changed({"sigmas": sigmas.flip(0)}),
        "single-sigmas": changed({"sigmas": sigmas.float()}),
        "unknown-solver": changed(facts=facts(solver="magic")),
        "solver-list": changed(facts=facts(solver=["euler"])),
        "unknown-path": changed(facts=facts(path="sideways")),
        "facts-number": changed(facts="7"),
        "facts-broken": changed(facts="{"),
        "no-notes": changed(notes="{}"),
        "notes-list": changed(notes="[1]"),
        "notes-words": changed(notes=notes(scale=["a"] * 16)),
        "notes-few": changed(notes=notes(scale=[1.0])),
        "notes-nan": changed(notes=notes(scale=[NAN] * 16)),
        "frame-small": changed(notes=notes(frame={"height": 128, "width": 128, "padded_height": 0, "padded_width": 8})),
        "frame-words": changed(notes=notes(frame={"height": "x", "width": 1, "padded_height": 1, "padded_width": 1})),
        "frame-parts": changed(notes=notes(frame={"height": 1.5, "width": 1, "padded_height": 2, "padded_width": 1})),
        "provenance": changed(facts=facts(provenance={"model": 5, "spell": "abra"})),
        "half-dtype": headed(replaced, "xs", "dtype", to=HALF),
        "half-name": headed(renamed, "xs", to=HALF),
        "half-version": headed(replaced, "__metadata__", "version", to=HALF),
        "half-solver": headed(replaced, *in_facts, "solver", to=HALF),
        "half-scale": headed(replaced, *in_notes, "scale", to=HALF),
        "half-shift": headed(replaced, *in_notes, "shift", to=[HALF]),
        "half-model": headed(replaced, *in_facts, "provenance", "model", to=HALF),
        "half-method": headed(replaced, *in_facts, "provenance", "method", to=HALF),
        "terminal": headed(replaced, *in_facts, "solver", to=TERMINAL),
        "long-solver": headed(replaced, *in_facts, "solver", to="x" * 100_000),
        "digits": headed(replaced, *in_notes, "scale", to=[10**400] * 16),
        "large-shift": headed(replaced, *in_notes, "shift", to=[3e38] * 16),
        "large-sigmas": changed({"sigmas": sigmas + 1.7e308 * (sigmas == sigmas.max()).double()}),
        "large-latents": changed({"xs": xs * 1e20}),
        "three-dimensions": changed({"xs": xs[:, 0]}),
    }


def damaged(file: str, *says: str) -> Mistake:
    """A file that is there and is no trajectory."""
    return late(f"the file '{file}'", lambda b: b.load(file), file + SUFFIX, *says)


FILES = [
    damaged("empty", "cannot be read", "truncated"),
    damaged("text", "cannot be read", "another kind"),
    damaged("truncated", "damaged", "truncated"),
    damaged("huge-header", "cannot be read"),
    damaged("brackets", "damaged"),
    damaged("bomb", "some other safetensors file"),
    damaged("other-format", "some other safetensors file"),
    damaged("null-text-kind", "null-text"),
    damaged("newer", "version 99", "Update the pack"),
    damaged("no-version", "version soon"),
    damaged("no-latents", "damaged", "lacks xs"),
    damaged("no-sigmas", "damaged", "lacks sigmas"),
    damaged("fewer-latents", "3 sigmas", "got 2"),
    damaged("flat-latents", "damaged", "[3, 4096]"),
    damaged("whole-numbers", "damaged", "I32"),
    damaged("nan-latents", "3 values", "NaN"),
    damaged("nan-sigmas", "finite"),
    damaged("negative-sigmas", "negative"),
    damaged("rising-sigmas", "decrease"),
    damaged("single-sigmas", "damaged", "F32"),
    damaged("unknown-solver", "'magic'", "euler"),
    damaged("solver-list", "damaged"),
    damaged("unknown-path", "'sideways'"),
    damaged("facts-number", "damaged"),
    damaged("facts-broken", "damaged"),
    damaged("no-notes", "scaled"),
    damaged("notes-list", "damaged"),
    damaged("notes-words", "scaled"),
    damaged("notes-few", "scaled", "16 numbers"),
    damaged("notes-nan", "scaled"),
    damaged("frame-small", "how large", "128 x 128"),
    damaged("frame-words", "how large"),
    damaged("frame-parts", "whole pixels"),
    damaged("provenance", "damaged"),
    damaged("half-dtype", "damaged", "'xs' is of type"),
    damaged("half-name", "do not belong there"),
    damaged("half-version", "Update the pack"),
    damaged("half-solver", "it needs the solver", "euler"),
    damaged("half-scale", "its scale is", "16 numbers"),
    damaged("half-shift", "its shift is", "16 numbers"),
    late("half of a character as a file's model", lambda b: b.sample(trajectory=b.load("half-model")), "another model"),
    late(
        "half of a character as a file's method",
        lambda b: b.by("InversionExactEdit", trajectory=b.load("half-method")),
        "inver",
    ),
    damaged("terminal", "\\x1b[2J\\u202e"),
    damaged("long-solver", "xxx ... xxx"),
    damaged("digits", "its scale is", "16 numbers"),
    damaged("large-shift", "its shift is", "16 numbers"),
    damaged("large-sigmas", "its sigmas hold values beyond 1e+06"),
    damaged("large-latents", "its xs hold", "beyond 1e+07"),
    damaged("three-dimensions", "[3, 16, 16, 16]", "not latents of one image"),
]
