"""Files that were made to do harm, at every place where ComfyUI or the browser meets them: read, refused in a sentence, never repeated."""

import asyncio
import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.hostile_files import ABSENT, INNER, TEXTS, VALUES, head_of, places, renamed, replaced, write
from latent_inversion.inversion_core.files.file_head import StorageError
from latent_inversion.inversion_core.files.trajectory_file import save
from latent_inversion.inversion_core.paths import VE
from latent_inversion.inversion_core.trajectory import NullText, Provenance, Trajectory
from latent_inversion.inversion_core.wording import HIDDEN, MESSAGE
from latent_inversion.nodes import node_list, sockets
from latent_inversion.nodes.files import cards, routes
from latent_inversion.nodes.files import trajectory_folder as saved
from latent_inversion.nodes.files.workflow_origin import shorten
from latent_inversion.nodes.kit import common
from latent_inversion.nodes.looking import trajectory_facts
from latent_inversion.nodes.looking.trajectory_frames import Film
from latent_inversion.nodes.looking.trajectory_noise import noise_sheet
from latent_inversion.nodes.looking.trajectory_strip import strip

NODES = {node.define_schema().node_id: node for node in node_list()}
NAME = f"x{saved.SUFFIX}"
SIGMAS = torch.tensor([2.0, 0.5, 0.0], dtype=torch.float64)


def trajectory(x: torch.Tensor | None = None) -> Trajectory:
    x = torch.randn(1, 4, 6, 5) if x is None else x
    made = Provenance("0123abcd", "ddim", 1.5, "a bear", "a fox", "m.safetensors", ("l.safetensors",))
    return Trajectory(VE, SIGMAS, (2 * x, x, x), residuals=(0.1, 0.2), provenance=made)


@pytest.fixture
def sound(folders: Path) -> Path:
    """A trajectory's file with everything that one can hold, and a null-text result beside it."""
    frame = sockets.Frame(44, 40, 48, 40)
    record = sockets.LatentTrajectory(trajectory(), sockets.Scale((5.0, 1.0, 2.0, 3.0), (0.1, 0.2, 0.3, 0.4), frame))
    null_text = NullText(SIGMAS, (torch.randn(1, 7, 5),) * 2, (0.1, 0.2), (0.1, 0.1), 33)
    made = {
        "prompt": "a bear",
        "negative": "a fox",
        "model": "m.safetensors",
        "loras": ["l.safetensors"],
        "created": "2",
    }
    texts = {"workflow": '{"nodes": []}'}
    given = {"made": made | {"pack": "0.1"}, "texts": texts}
    name = saved.save_files(record, "x", sockets.NullTextResult(null_text), torch.rand(1, 8, 8, 3), **given)
    path = saved.path_of(f"{name} [output]")
    for old, new in ((path, NAME), (saved.beside(path), f"x{saved.NULL_TEXT}")):
        old.rename(folders / "input" / new)
    return folders / "input" / NAME


def met() -> list[str]:
    """What is said about the file wherever it is met; it takes no time, and nothing but sentences is raised."""
    began, said = time.process_time(), []
    for work in (loaded, lambda: routes.thumbnail(f"{NAME} [input]"), lambda: routes.workflow(f"{NAME} [input]")):
        try:
            work()
        except (StorageError, FileNotFoundError) as error:
            said.append(str(error))
    (card,) = json.loads(routes.list_trajectories("")[0])["trajectories"]
    assert len(json.dumps(card)) < 20_000 and time.process_time() - began < 5
    return [*said, *(text for text in card.values() if isinstance(text, str)), *card.get("loras", [])]


def loaded() -> None:
    """Load, and what the other nodes say of what was loaded."""
    record, _ = NODES["InversionLoadTrajectory"].execute(file=f"{NAME} [input]").args
    facts = trajectory_facts.facts_of(record, record.trajectory.provenance)
    film = Film(record.trajectory, (2, 0), {"noisy latents": torch.zeros(2, 4, 4, 3)})
    picture, sheet = strip(film, facts), noise_sheet(record.trajectory)
    assert torch.isfinite(picture).all() and torch.isfinite(sheet).all() and picture.shape[1] < 3000
    assert bool(torch.isfinite(record.scale.samples(record.trajectory.xs[0])).all())
    shown = "\n".join(facts.values())
    assert not re.search("[\ud800-\udfff]", shown) and len(shown) < 10_000
    try:
        common.require_same_model(record.trajectory.provenance, "ffff")
    except StorageError as error:
        assert not HIDDEN.search(str(error)) and len(str(error)) < 500
    else:
        assert not record.trajectory.provenance.model


def check(said: list[str]) -> None:
    for one in said:
        assert not HIDDEN.search(one) and len(one) <= MESSAGE, one[:300]
        assert not re.search(INNER, one), one


@pytest.mark.newest_only("every field of a file is read by the pack alone")
@pytest.mark.parametrize("kind", [saved.SUFFIX, saved.NULL_TEXT])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_of_a_file_is_repeated_as_it_came(sound: Path, kind: str, text: str) -> None:
    path = sound.with_name(f"x{kind}")
    head, body = head_of(path)
    for place in places(head):
        if place != ("__metadata__", "facts") and place != ("__metadata__", "notes"):
            write(path, replaced(head, place, text), body)
            check(met())
        if isinstance(place[-1], str):
            write(path, renamed(head, place, text), body)
            check(met())


@pytest.mark.newest_only("every field of a file is read by the pack alone")
@pytest.mark.parametrize("kind", [saved.SUFFIX, saved.NULL_TEXT])
@pytest.mark.parametrize("value", [*VALUES.values(), ABSENT], ids=[*VALUES, "absent"])
def test_a_field_of_another_kind_is_refused_by_its_name(sound: Path, kind: str, value: Any) -> None:
    path = sound.with_name(f"x{kind}")
    head, body = head_of(path)
    for place in places(head):
        write(path, replaced(head, place, value), body)
        check(met())


def test_many_loras_are_cut_in_number(sound: Path) -> None:
    head, body = head_of(sound)
    for place in (("notes", "made", "loras"), ("facts", "loras")):
        changed = replaced(head, ("__metadata__", "notes", "made", "loras"), [])
        write(sound, replaced(changed, ("__metadata__", *place), ["l" * 4000] * 1500), body)
        said = met()
        check(said)
        assert "and 1480 more" in said
    assert len(shorten(Provenance(loras=("a",) * 1500)).loras) == 21


@pytest.mark.parametrize(
    "x",
    [torch.zeros(1, 4, 6, 5), torch.full((1, 4, 6, 5), 1e6), torch.randn(1, 4, 1, 1), torch.randn(2, 4, 3, 6, 5)],
    ids=["zeros", "equal", "one place", "video"],
)
def test_latents_of_every_kind_are_shown(folders: Path, x: torch.Tensor) -> None:
    record = sockets.LatentTrajectory(trajectory(x), sockets.Scale((1.0,) * 4, (0.0,) * 4))
    path = folders / "output" / saved.save_files(record, "x", None, None)
    path.rename(folders / "input" / NAME)
    loaded()


def test_latents_that_load_refuses_are_not_saved(folders: Path) -> None:
    for x, words in ((torch.randn(4, 6, 5), "not latents"), (torch.full((1, 4, 6, 5), 1e8), "beyond 1e\\+07")):
        record = sockets.LatentTrajectory(trajectory(x), sockets.Scale((1.0,) * x.shape[1], (0.0,) * x.shape[1]))
        with pytest.raises(StorageError, match=f"not written.*{words}"):
            saved.save_files(record, "x", None, torch.rand(1, 8, 8, 3))
    with pytest.raises(ValueError, match=r"its shift is .*3e.38.*one a channel"):
        saved.save_files(
            sockets.LatentTrajectory(trajectory(), sockets.Scale((1.0,) * 4, (3e38,) * 4)), "x", None, None
        )
    null_text = sockets.NullTextResult(NullText(SIGMAS, (torch.randn(1, 7, 5),) * 2, (0.1, 0.2), (0.1, 0.1), 33))
    record = sockets.LatentTrajectory(trajectory(torch.full((1, 4, 6, 5), 1e8)), sockets.Scale((1.0,) * 4, (0.0,) * 4))
    with pytest.raises(StorageError, match="beyond"):
        saved.save_files(record, "x", null_text, None)
    assert not list((folders / "output").rglob("*.*"))


def test_more_than_the_memory_holds_is_refused(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved.comfy.model_management, "get_free_memory", lambda device: 100)
    with pytest.raises(StorageError, match="GB of memory are free"):
        saved.load_files(sound)


def test_a_refused_head_is_read_once(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    monkeypatch.setattr(cards, "load_header", counting := Counting(cards.load_header))
    first, second = cards.cards(), cards.cards()
    assert first == second and "truncated" in first[0]["error"] and counting.calls == 1
    sound.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{ ")
    cards.cards()
    assert counting.calls == 2, "it was written anew"


class Counting:
    def __init__(self, work: Any) -> None:
        self.work, self.calls = work, 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return self.work(*args)


def test_a_null_text_file_that_is_a_link_out_of_the_folders_is_refused(sound: Path, folders: Path) -> None:
    beside = sound.with_name(f"x{saved.NULL_TEXT}")
    beside.rename(folders / "outside")
    beside.symlink_to(folders / "outside")
    with pytest.raises(ValueError, match="leads out of ComfyUI's folders"):
        saved.load_files(sound)
    (card,) = cards.cards()
    assert "leads out of ComfyUI's folders" in card["error"]


@pytest.mark.parametrize("name", ["a\ud800", "a\u202eb", "a\x1bb", "日" * 70, "a" * 201, "a/" * 600 + "b"])
def test_names_that_no_file_can_have_are_refused_before(folders: Path, name: str) -> None:
    for node, inputs in (
        ("InversionSaveTrajectory", {"filename_prefix": name}),
        ("InversionLoadTrajectory", {"file": f"{name * 2}{saved.SUFFIX} [output]"}),
    ):
        said = NODES[node].validate_inputs(**inputs)
        assert isinstance(said, str) and ("cannot contain" in said or "too long" in said or "half of" in said), said
        said.encode()


def test_names_that_no_browser_can_ask_for_are_not_offered(folders: Path) -> None:
    for name in (b"a\xff", "a\u202eb".encode()):
        with open(os.fsencode(folders / "output") + b"/" + name + saved.SUFFIX.encode(), "wb"):
            pass
    assert saved.saved_files() == [] and cards.cards() == []


@pytest.mark.parametrize("file", ["", "absent\x1b", "a/" * 600 + NAME], ids=["all", "hidden", "deep"])
def test_every_answer_says_that_no_other_page_may_show_it(sound: Path, file: str) -> None:
    handler = routes.answering(routes.list_trajectories)
    answer = asyncio.run(handler(SimpleNamespace(query={"file": f"{file} [input]" if file else ""})))
    assert answer.status == (400 if file else 200)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert b"\x1b" not in answer.body and b"Errno" not in answer.body


def test_a_file_has_the_rights_that_others_have(sound: Path, folders: Path) -> None:
    before = os.umask(0o027)
    try:
        record = sockets.LatentTrajectory(trajectory(), sockets.Scale((1.0,) * 4, (0.0,) * 4))
        path = folders / "output" / saved.save_files(record, "rights", None, None)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_width_and_height_in_a_prefix_are_the_pictures(folders: Path) -> None:
    frame = sockets.Frame(44, 40, 48, 40)
    record = sockets.LatentTrajectory(trajectory(), sockets.Scale((1.0,) * 4, (0.0,) * 4, frame))
    assert saved.save_files(record, "a%width%x%height%", None, None).startswith("a40x44_")


def test_a_prefix_with_a_colon_is_refused_with_the_reason() -> None:
    said = NODES["InversionSaveTrajectory"].validate_inputs(filename_prefix="a:b*c?")
    assert "drive" in said and "'a:'" in said and "cannot contain ':'" in said


def test_a_library_file_keeps_its_own_reason(folders: Path) -> None:
    save(trajectory(), folders / "input" / NAME)
    with pytest.raises(StorageError, match=r"was not saved by Save Trajectory.*it lacks 'scale'"):
        saved.load_files(folders / "input" / NAME)
