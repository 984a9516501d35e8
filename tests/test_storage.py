"""Trajectories and null-text results on disk: bit for bit, complete or not at all, and refused when they do not fit."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from harness.networks import Mixture
from latent_inversion.inversion_core import storage
from latent_inversion.inversion_core.edit import edit
from latent_inversion.inversion_core.methods import INVERSIONS, direct, invert
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.storage import (
    StorageError,
    load_header,
    load_notes,
    load_null_text,
    load_thumbnail,
    load_trajectory,
    require_same_model,
    save,
)
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
        ({"xs": {"dtype": "U8", "shape": [4, 1, 4, 6, 5], "data_offsets": [0, 480]}}, "no latents of one picture"),
        ({"xs": {"dtype": "F32", "shape": [480], "data_offsets": [0, 1920]}}, "no latents of one picture"),
        ({"sigmas": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, "its sigmas are F32"),
        ({"sigmas": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, "2 to 10000 in one row"),
        ({"noise": {"dtype": "F32", "shape": [3, 1, 4, 1, 1], "data_offsets": [0, 48]}}, "no latents of one picture"),
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
        (b"[]", "its JSON is no object"),
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
