"""Trajectories and null-text results on disk: bit for bit, complete or not at all, and refused when they do not fit."""

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from harness.edits import edit
from harness.networks import Mixture
from latent_inversion.inversion_core.files import headers, storage
from latent_inversion.inversion_core.files.storage import (
    StorageError,
    load_header,
    load_notes,
    load_null_text,
    load_thumbnail,
    load_trajectory,
    require_same_model,
    save,
)
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.trajectory import NullText, Provenance, Trajectory
from latent_inversion.inversion_core.types import Cond

SIGMAS = torch.tensor([1 / 3, math.pi / 10, 0.1, 0], dtype=torch.float64)
ORIGIN = Provenance(model="0123abcd", method="fixed point", guidance=1.5, prompt='ein "Häschen" ∞')


def trajectory(dtype=torch.float32, shape=(1, 4, 6, 5), path=VE):
    xs = tuple(torch.randn(shape).to(dtype) for _ in SIGMAS)
    return Trajectory(path, SIGMAS, xs, "euler", residuals=(1e-7, 0.1, float("inf")), provenance=ORIGIN)


def null_text():
    return NullText(SIGMAS, tuple(torch.randn(2, 7, 5) for _ in range(3)), (0.1, 0.2, 0.3), (0.1, 0.1, 0.1), 33, ORIGIN)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 4, 6, 5), (3, 16, 2, 4, 4)])
@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_a_trajectory_comes_back_bit_for_bit(tmp_path, dtype, shape, path):
    kept = trajectory(dtype, shape, path)
    save(kept, tmp_path / "t.safetensors")
    back = load_trajectory(tmp_path / "t.safetensors")
    assert torch.equal(back.sigmas, kept.sigmas) and back.sigmas.dtype == torch.float64
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(back.xs, kept.xs, strict=True))
    assert (back.path, back.solver, back.residuals, back.provenance) == (path, "euler", kept.residuals, ORIGIN)


def test_a_saved_trajectory_resumes_bit_for_bit(tmp_path):
    source, target = (Cond(torch.full((1, 2, 3), v), torch.zeros(1, 2, 3), 7.5) for v in (0.5, -0.5))
    sigmas = leading(scaled_linear_sigmas(), 8)
    kept = invert(INVERSIONS["ddim"], Mixture(), torch.randn(2, 4, 8, 8), sigmas, source.alone())
    save(kept, tmp_path / "t.safetensors")
    back = load_trajectory(tmp_path / "t.safetensors")
    for start in (0, 3, 7):
        now, later = (edit(t, Mixture(), source, target, anchor=direct, start=start).target for t in (kept, back))
        assert torch.equal(now, later)


def test_a_null_text_result_comes_back_bit_for_bit(tmp_path):
    kept = null_text()
    save(kept, tmp_path / "n.safetensors")
    back = load_null_text(tmp_path / "n.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(back.embeddings, kept.embeddings, strict=True))
    assert (back.first, back.last, back.evaluations, back.provenance) == (kept.first, kept.last, 33, ORIGIN)


def test_the_thumbnail_travels_along(tmp_path):
    picture = torch.randint(0, 255, (8, 8, 3), dtype=torch.uint8)
    save(trajectory(), tmp_path / "t.safetensors", thumbnail=picture)
    assert torch.equal(load_thumbnail(tmp_path / "t.safetensors"), picture)
    save(trajectory(), tmp_path / "t.safetensors")
    assert load_thumbnail(tmp_path / "t.safetensors") is None


def test_the_hosts_notes_travel_along(tmp_path):
    notes = {"frame": {"height": 3, "width": 4}, "scale": [1.0, 0.1]}
    save(trajectory(), tmp_path / "a.safetensors", notes=notes)
    assert load_notes(tmp_path / "a.safetensors") == notes
    save(trajectory(), tmp_path / "b.safetensors")
    assert load_notes(tmp_path / "b.safetensors") == {}
    with pytest.raises(StorageError, match="cannot be read"):
        load_notes(tmp_path / "c.safetensors")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    save(trajectory(), tmp_path / "t.safetensors")
    before = (tmp_path / "t.safetensors").read_bytes()
    monkeypatch.setattr(storage.os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(trajectory(), tmp_path / "t.safetensors")
    assert (tmp_path / "t.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.safetensors"]


def rewritten(tmp_path, **changes):
    save(trajectory(), tmp_path / "t.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "t.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in ("sigmas", "xs")}
        metadata = file.metadata()
    facts = json.loads(metadata["facts"]) | changes.pop("facts", {})
    tensors |= changes.pop("tensors", {})
    save_file(tensors, tmp_path / "t.safetensors", metadata=metadata | {"facts": json.dumps(facts)} | changes)
    return tmp_path / "t.safetensors"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "99"}, "version 99.*reads up to 1"),
        ({"version": "one"}, "version one"),
        ({"format": "latent-inversion null-text"}, "but a latent-inversion null-text file"),
        ({"format": "something"}, "some other safetensors file"),
        ({"facts": {"path": "curved"}}, "damaged.*curved"),
        ({"facts": {"solver": "magic"}}, "magic"),
        ({"facts": {"residuals": [1.0]}}, "as many residuals"),
        ({"facts": {"provenance": {"secret": 1}}}, "damaged"),
        ({"tensors": {"sigmas": SIGMAS.flip(0)}}, "must decrease"),
        ({"tensors": {"xs": torch.zeros(2, 1, 4, 2, 2)}}, "as many latents"),
    ],
    ids=str,
)
def test_files_that_do_not_fit_are_refused_with_the_reason(tmp_path, changes, message):
    with pytest.raises(StorageError, match=message):
        load_trajectory(rewritten(tmp_path, **changes))


def test_truncated_foreign_and_missing_files_are_refused(tmp_path):
    path = rewritten(tmp_path)
    data = path.read_bytes()
    for name, content in {"half": data[: len(data) // 2], "empty": b"", "text": b"hello" * 50}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StorageError, match="truncated"):
            load_trajectory(tmp_path / name)
    with pytest.raises(StorageError, match="cannot be read"):
        load_trajectory(tmp_path / "absent")
    with pytest.raises(StorageError, match="not a latent-inversion null-text file"):
        load_null_text(path)
    save_file({"weight": torch.zeros(3)}, tmp_path / "model")
    with pytest.raises(StorageError, match="some other safetensors file"):
        load_trajectory(tmp_path / "model")


def test_another_models_trajectory_is_refused():
    require_same_model(ORIGIN, "0123abcd")
    require_same_model(Provenance(), "0123abcd")
    with pytest.raises(StorageError, match=r"0123abcd.*ffff"):
        require_same_model(ORIGIN, "ffff")


# Heads, and files that are made to do harm


def test_the_head_tells_everything_but_the_latents(tmp_path):
    path = tmp_path / "t.safetensors"
    kept = trajectory(torch.float16, (2, 16, 3, 4, 5))
    notes = {"made": {"prompt": "a bear"}}
    save(kept, path, thumbnail=torch.zeros(6, 8, 3, dtype=torch.uint8), notes=notes, texts={"workflow": "{}"})
    header = load_header(path)
    assert (header.steps, header.shape, header.dtype, header.thumbnail) == (3, (2, 16, 3, 4, 5), "F16", (6, 8))
    assert (header.provenance, header.notes, header.texts) == (ORIGIN, notes, {"workflow": "{}"})
    assert header.bytes == 4 * 8 + 4 * 2 * 16 * 3 * 4 * 5 * 2 + 6 * 8 * 3
    with pytest.raises(StorageError, match="not a latent-inversion null-text file"):
        load_header(path, "latent-inversion null-text")


def test_further_texts_never_take_the_place_of_the_files_own(tmp_path):
    save(trajectory(), tmp_path / "t.safetensors", texts={"format": "other", "facts": "no"})
    assert load_trajectory(tmp_path / "t.safetensors").solver == "euler"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_neither_written_nor_read(tmp_path, value):
    kept = trajectory()
    kept.xs[1][0, 0, 0, 0] = value
    with pytest.raises(StorageError, match=r"was not written.*hold 1 values that are not finite"):
        save(kept, tmp_path / "t.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(StorageError, match=r"damaged.*its xs hold 1 values that are not finite"):
        load_trajectory(rewritten(tmp_path, tensors={"xs": torch.stack(kept.xs)}))


def head_of(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_head(path, head, body):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xs": {"dtype": "F32", "shape": [4, 1, 4, 6, 10**12], "data_offsets": [0, 10]}}, "said to have the shape"),
        ({"xs": {"dtype": "F32", "shape": [4, 1, 4, 6, 10**20], "data_offsets": [0, 10]}}, "no usable shape"),
        ({"xs": {"dtype": "F32", "shape": [4, 1, 4, 6, -5], "data_offsets": [0, 10]}}, "no usable shape"),
        ({"xs": {"dtype": "F32", "shape": [4, 1, 4, 6, 2.5], "data_offsets": [0, 10]}}, "no usable shape"),
        ({"xs": {"dtype": "I64", "shape": [4], "data_offsets": [0, 32]}}, "is of type I64"),
        ({"xs": {"dtype": ["F32"], "shape": [4], "data_offsets": [0, 32]}}, "damaged"),
        ({"xs": {"dtype": "F32"}}, "lacks 'shape'"),
        ({"xs": 7}, "damaged"),
        ({"xs": {"dtype": "U8", "shape": [4, 1, 4, 6, 5], "data_offsets": [0, 480]}}, "not latents of one image"),
        ({"xs": {"dtype": "F32", "shape": [480], "data_offsets": [0, 1920]}}, "not latents of one image"),
        ({"sigmas": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, "its sigmas are F32"),
        ({"sigmas": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, "2 to 10000 in one row"),
        ({"noise": {"dtype": "F32", "shape": [3, 1, 4, 1, 1], "data_offsets": [0, 48]}}, "not latents of one image"),
        ({"secret": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, "do not belong there: secret"),
        ({"thumbnail": {"dtype": "U8", "shape": [9999, 1, 3], "data_offsets": [0, 29997]}}, "thumbnail is U8"),
        ({"__metadata__": 3}, "not texts by name"),
        ({"__metadata__": {"format": 3}}, "not texts by name"),
    ],
    ids=str,
)
def test_heads_that_lie_are_refused(tmp_path, changes, message):
    path = rewritten(tmp_path)
    head, body = head_of(path)
    with_head(path, head | changes, body)
    for load in (load_header, load_trajectory):
        with pytest.raises(StorageError, match=message):
            load(path)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"[" * 100_000, "nested too deeply|cannot be read"),
        (b'{"a": ' * 100_000, "nested too deeply|cannot be read"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "cannot be read|damaged"),
        (b"[]", "its JSON is not an object"),
        (b"{}", "some other safetensors file"),
        (b"\xff\xfe" * 10, "cannot be read"),
    ],
    ids=["lists", "objects", "number", "list", "empty", "no text"],
)
def test_heads_that_are_bombs_are_refused(tmp_path, head, message):
    path = with_head(tmp_path / "t.safetensors", head, b"")
    with pytest.raises(StorageError, match=message):
        load_header(path)


def test_a_head_of_any_size_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "t.safetensors"
    for length in (2**63, 10**12, 50_000_000):
        with path.open("wb") as file:
            file.write(length.to_bytes(8, "little"))
            file.truncate(60_000_000)
        with pytest.raises(StorageError, match=f"said to be {length} bytes long"):
            load_header(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"provenance": {"model": 7}}, "its model is '7'"),
        ({"provenance": {"guidance": "much"}}, "its guidance is 'much'"),
        ({"provenance": {"guidance": float("nan")}}, "its guidance is nan"),
        ({"provenance": {"guidance": float("inf")}}, "its guidance is inf"),
        ({"provenance": {"guidance": 10**400}}, "its guidance is 1000"),
        ({"provenance": None}, "damaged"),
        ({"solver": ["euler"]}, "damaged"),
        ({"path": {}}, "damaged"),
        ({"residuals": 3}, "damaged"),
        ({"residuals": ["much"] * 3}, "damaged"),
        ({"residuals": [10**400] * 3}, "damaged"),
    ],
    ids=str,
)
def test_facts_of_another_kind_are_refused(tmp_path, facts, message):
    with pytest.raises(StorageError, match=message):
        load_trajectory(rewritten(tmp_path, facts=facts))


def test_what_was_read_outlives_its_file(tmp_path):
    path = rewritten(tmp_path)
    kept = load_trajectory(path)
    before = [x.clone() for x in kept.xs]
    path.write_bytes(b"")
    assert all(torch.equal(a, b) for a, b in zip(kept.xs, before, strict=True))


# Files that change, hang or are too large


def test_a_file_that_is_cut_off_while_it_is_read_never_ends_the_process(tmp_path):
    """In a process of its own: a mapped file would end it with SIGBUS."""
    code = (
        "import sys, threading, time\n"
        "from latent_inversion.inversion_core.files.storage import StorageError, load_trajectory\n"
        "path, ends = sys.argv[1], []\n"
        "data = open(path, 'rb').read()\n"
        "load_trajectory(path)\n"
        "began = time.monotonic()\n"
        "load_trajectory(path)\n"
        "taken = time.monotonic() - began\n"
        "for attempt in range(16):\n"
        "    open(path, 'wb').write(data)\n"
        "    def spoil():\n"
        "        time.sleep(taken * attempt / 16)\n"
        "        open(path, 'r+b').truncate(len(data) // 8)\n"
        "    thread = threading.Thread(target=spoil)\n"
        "    thread.start()\n"
        "    try:\n"
        "        load_trajectory(path)\n"
        "        ends.append('read')\n"
        "    except StorageError as error:\n"
        "        ends.append(str(error))\n"
        "    thread.join()\n"
        "print(len(ends), sum('truncated' in end or 'damaged' in end for end in ends))\n"
    )
    path = tmp_path / "t.safetensors"
    save(trajectory(shape=(1, 16, 512, 512)), path)
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, (run.returncode, run.stderr)
    ended, refused = map(int, run.stdout.split())
    assert ended == 16 and refused > 0


def test_a_file_that_ends_too_soon_is_refused(tmp_path, monkeypatch):
    """Cut off after its head was checked, before its tensors are read."""
    path = tmp_path / "t.safetensors"
    save(trajectory(shape=(1, 4, 64, 64)), path)
    known = storage.header_of

    def cut(file, *more):
        header = known(file, *more)
        os.truncate(path, file.tell() + 40)
        return header

    monkeypatch.setattr(storage, "header_of", cut)
    with pytest.raises(StorageError, match="cut off while being read"):
        load_trajectory(path)


@pytest.mark.parametrize("load", [load_header, load_trajectory, load_null_text, load_thumbnail, load_notes])
def test_pipes_folders_and_devices_are_refused_at_once(tmp_path, load):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(StorageError, match="folder or a device"):
            load(path)


def test_what_is_too_large_is_refused_with_the_bound_by_load_and_save(tmp_path, monkeypatch):
    path = tmp_path / "t.safetensors"
    size = 4 * 8 + 4 * 4 * 10**9
    tensors = {
        "sigmas": {"dtype": "F64", "shape": [4], "data_offsets": [0, 32]},
        "xs": {"dtype": "F32", "shape": [4, 1, 4, 25000, 10000], "data_offsets": [32, size]},
    }
    facts = {"path": "ve", "solver": "euler", "residuals": None, "provenance": {}}
    metadata = {"format": "latent-inversion trajectory", "version": "1", "facts": json.dumps(facts)}
    with_head(path, {"__metadata__": metadata, **tensors}, b"")
    os.truncate(path, path.stat().st_size + size)
    with pytest.raises(StorageError, match=r"take 16.0 GB, and files of up to 8 GB are read"):
        load_trajectory(path)
    monkeypatch.setattr(headers, "BYTES", 1000)
    with pytest.raises(StorageError, match=r"was not written: its tensors take 0.0 GB, and files of up to 1e-06 GB"):
        save(trajectory(), tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()


def test_memory_that_does_not_suffice_is_said(tmp_path, monkeypatch):
    def none_left(*args):
        raise MemoryError

    path = rewritten(tmp_path)
    monkeypatch.setattr(storage, "_tensor", none_left)
    with pytest.raises(StorageError, match="and memory does not suffice"):
        load_trajectory(path)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (lambda: trajectory(shape=(16, 6, 5)), "not latents of one image"),
        (lambda: replace(trajectory(), xs=tuple(1e9 * x for x in trajectory().xs)), "beyond 1e.07"),
        (lambda: replace(trajectory(), sigmas=1e308 * SIGMAS), "its sigmas hold values beyond 1e.06"),
        (lambda: replace(trajectory(path=RF), sigmas=5 * SIGMAS), "its sigmas hold values beyond 1.001"),
        (lambda: replace(trajectory(), residuals=(float("nan"), 0.0, 0.0)), "its residuals"),
        (lambda: replace(trajectory(), provenance=Provenance(guidance=1e9)), "its guidance is 1000000000.0"),
        (lambda: replace(trajectory(), provenance=Provenance(prompt="x" * 9_000_000)), "its head is said to be"),
        (lambda: replace(null_text(), first=(float("nan"), 0.0, 0.0)), "its first"),
    ],
)
def test_what_would_not_be_read_is_not_written(tmp_path, kept, message):
    with pytest.raises(StorageError, match=f"was not written.*{message}"):
        save(kept(), tmp_path / "t.safetensors")
    assert not list(tmp_path.iterdir())


def test_overlapping_tensors_are_refused(tmp_path):
    path = rewritten(tmp_path)
    head, body = head_of(path)
    head["sigmas"]["data_offsets"] = [8, 40]
    with pytest.raises(StorageError, match="overlap or leave gaps"):
        load_trajectory(with_head(path, head, body))


def test_halves_of_characters_are_replaced_where_they_are_read(tmp_path):
    made = Provenance("a\ud800", "b\ud800", 1.0, "c \ud83d\ude00 \udc00")
    save(replace(trajectory(), provenance=made), tmp_path / "t.safetensors", notes={"d": ["e\ud800"]})
    back = load_header(tmp_path / "t.safetensors")
    assert back.provenance == Provenance("a�", "b�", 1.0, "c 😀 �") and back.notes == {"d": ["e�"]}


def test_a_head_of_many_tensors_is_refused_soon(tmp_path):
    head = {f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(100_000)}
    head["__metadata__"] = {"format": "latent-inversion trajectory", "version": "1"}
    path, began = with_head(tmp_path / "t.safetensors", head, b""), time.process_time()
    with pytest.raises(StorageError, match="do not belong there: t0, t1"):
        load_header(path)
    assert time.process_time() - began < 2


def test_files_have_usual_rights_and_a_device_is_never_replaced(tmp_path):
    before = os.umask(0o022)
    try:
        save(trajectory(), tmp_path / "t.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "t.safetensors").stat().st_mode & 0o777 == 0o644
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="folder or a device"):
            save(trajectory(), path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["pipe", "t.safetensors"]


def test_the_longest_name_that_a_system_takes_is_written(tmp_path):
    path = tmp_path / ("n" * 243 + ".safetensors")
    save(trajectory(), path)
    assert load_trajectory(path).steps == 3
