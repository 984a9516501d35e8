"""The pictures of the help pages of attention edits: `python tools/help_pictures_attention.py [NODE ...]`."""

from dataclasses import replace

import torch
from help_bench import Bench, begun, drawn, example, main, overlaid

from latent_inversion.api.control import NO_CONTROL, Control
from latent_inversion.command_line.editing import conds
from latent_inversion.command_line.evaluation import control_for
from latent_inversion.inversion_core.applications.diff_edit import diff_edit_mask, widened
from latent_inversion.inversion_core.applications.registration import registered
from latent_inversion.inversion_core.applications.style import STYLINGS, Style
from latent_inversion.inversion_core.applications.try_on import dressed
from latent_inversion.inversion_core.attention.budget import Memory
from latent_inversion.inversion_core.attention.kept import Storage
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Edit as Along
from latent_inversion.inversion_core.loops.edit import Target
from latent_inversion.inversion_core.methods.uni_edit import uni_edit_mask
from latent_inversion.inversion_core.techniques.garment import Worn
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond
from latent_inversion.pictures.files import Pixels, to_pixels
from latent_inversion.pictures.sheet import Cell, amplify
from latent_inversion.toybox.world import Edit, Scene, caption, edit_mask, held_out_edits
from latent_inversion.toybox.world.draw import SHIRT, layers

GUIDANCE = 3.0
FACTOR = 8
TOYBOX_LAYER = {"plug-and-play": 2, "StyleID": 3}
"""The same shares of the toybox's decoder of 6 layers as were published for 12."""


def _by_control(edit: Edit, controls: dict[str, Control], guidance: float = GUIDANCE) -> list[Cell]:
    """The picture, the edit by words alone, and the edit under each control."""
    here, trajectory, source = begun(edit)
    cells = [Cell("the image", source)]
    for title, control in ({"target prompt alone": NO_CONTROL} | controls).items():
        cells.append(Cell(title, here.edited(trajectory, edit, guidance=guidance, control=control)))
    return cells


def attention_edit() -> list[Cell]:
    edit = example("accessory: none to glasses")
    local = control_for(edit)
    return _by_control(edit, {"with this node": replace(local, words=()), "and local blend": local})


def plug_and_play() -> list[Cell]:
    edit = example("style: photo to painting", 2)
    control = replace(NO_CONTROL, plug_and_play=TOYBOX_LAYER["plug-and-play"])
    truth = Cell("the true painting", to_pixels(drawn(edit.target)))
    return [*_by_control(edit, {"Plug-and-Play": control}), truth]


def masactrl() -> list[Cell]:
    edit = example("animal:", 1)
    truth = Cell("what was asked for", to_pixels(drawn(edit.target)))
    return [*_by_control(edit, {"MasaCtrl": replace(NO_CONTROL, share="masactrl")}, 5.0), truth]


def kv_injection() -> list[Cell]:
    shared = {"values, first steps": "values", "keys and values": "kv"}
    controls = {title: replace(NO_CONTROL, share=name) for title, name in shared.items()}
    return _by_control(example("time: day to sunset"), controls, 5.0)


def kv_edit() -> list[Cell]:
    edit = example("accessory: none to hat", 1)
    here, trajectory, source = begun(edit, "toybox-flow")
    mask = widened(edit_mask(edit.source, edit.target)[None, None].float(), 4)
    control = replace(NO_CONTROL, mask=mask, kv_edit=True)
    made = here.edited(trajectory, edit, guidance=5.0, control=control)
    return [
        Cell("the image", source),
        Cell("the mask", overlaid(source, mask)),
        Cell("KV-Edit", made),
        Cell("what changed, x 2", amplify(made, here.shown(trajectory.xs[-1]), 2)),
    ]


def edit_masks() -> list[Cell]:
    edit = example("accessory: none to glasses", 1)
    here, trajectory, source = begun(edit)
    ours, theirs = (Cond(here.studio.encode_prompt(text)) for text in (edit.source_caption, edit.target_caption))
    first = trajectory.steps // 2
    states = list(zip(trajectory.xs[first:-1], trajectory.sigmas[first:-1], strict=True))
    found = widened(diff_edit_mask(here.studio.denoiser, trajectory.xs[-1], trajectory.sigmas[first], ours, theirs))
    along = widened((uni_edit_mask(here.studio.denoiser, states, ours, theirs) >= 0.5).float())
    return [
        Cell("the image", source),
        Cell("what truly changes", overlaid(source, edit_mask(edit.source, edit.target))),
        Cell("DiffEdit", overlaid(source, found)),
        Cell("Uni-Edit", overlaid(source, along)),
    ]


def style() -> list[Cell]:
    content, look = example("time: day to night").source, _look("painting")
    here, trajectory, source = begun(Edit("style", content, content))
    theirs = here.inverted(drawn(look), caption(look))
    wanted = caption(content).replace("a photo of", "a painting of")
    cells = [Cell("the image", source), Cell("style image", to_pixels(drawn(look)))]
    for name, make in STYLINGS.items():
        shown = Style(theirs, here.studio.cond(caption(look)), layer=TOYBOX_LAYER["StyleID"])
        cells.append(Cell(name, _run(here, trajectory, caption(content), wanted, [make(shown, trajectory.sigmas)])))
    return cells


def _run(here: Bench, trajectory: Trajectory, source: str, target: str, techniques: list) -> Pixels:
    """An edit by direct inversion under the techniques."""
    ours, theirs = conds(here.studio, source, target, 3.0)
    edit = Along(trajectory, here.studio.denoiser, ours, [Target(theirs, techniques)], direct)
    return here.shown(edit.run()[0].target)


def _look(style_word: str) -> Scene:
    """A scene in a style, at sunset."""
    scenes = (one.source for one in held_out_edits(60))
    return next(scene for scene in scenes if scene.style == style_word and scene.time == "sunset")


def _shirt(scene: Scene) -> torch.Tensor:
    return (layers([scene]) == SHIRT)[:, None].float()


def _pair() -> tuple[Scene, Scene]:
    """A person, and another scene with the garment, of another size and place."""
    person, garment = example("time: day to night").source, example("time: day to sunset", 1).source
    dotted = garment.replace(pattern="dotted", shirt="blue", time=person.time)
    return person, replace(dotted, size=0.8 * garment.size, cx=garment.cx - 0.15)


def garment_place() -> list[Cell]:
    person, garment = _pair()
    region, mask = _shirt(person), _shirt(garment)
    placement = registered(region, mask)
    placed = to_pixels(placement.of(drawn(garment), (128, 128)).clamp(0, 1))
    return [
        Cell("person, and region", overlaid(to_pixels(drawn(person)), region)),
        Cell("garment, and its mask", overlaid(to_pixels(drawn(garment)), mask)),
        Cell("image", placed),
        Cell("mask, over image", overlaid(placed, placement.of(mask, (128, 128)).clamp(0, 1))),
    ]


def garment_reference() -> list[Cell]:
    person, garment = _pair()
    here, trajectory, source = begun(Edit("try-on", person, person))
    region, mask = _shirt(person), _shirt(garment)
    placement = registered(region, mask)
    picture = placement.of(drawn(garment), (128, 128)).clamp(0, 1)
    covered = (placement.of(mask, (128, 128)) >= 0.5).float()
    theirs = here.inverted(picture, caption(garment))
    worn = Worn(theirs, here.studio.cond(caption(garment)), covered, widened(region, 2))
    wanted = caption(person.wearing(garment))
    made = _run(here, trajectory, caption(person), wanted, dressed(worn, trajectory.sigmas))
    return [
        Cell("the person", source),
        Cell("garment, in its place", to_pixels(picture)),
        Cell("try-on", made),
        Cell("the truth", to_pixels(drawn(person.wearing(garment)))),
    ]


def memory() -> list[Cell]:
    """The same edit with what it keeps in three precisions, and how far the two smaller ones are off."""
    edit = example("accessory: none to glasses")
    here, trajectory, source = begun(edit)
    made, said = {}, []
    for name, dtype in (("as recorded", None), ("float16", torch.float16), ("float8", torch.float8_e4m3fn)):
        kept = Memory(Storage(dtype), tell=said.append)
        made[name] = here.edited(trajectory, edit, guidance=GUIDANCE, control=control_for(edit), memory=kept)
    sizes = [" ".join(words.split()[2:4]) for words in said]
    cells = [Cell(f"{name}: {size}", pixels) for (name, pixels), size in zip(made.items(), sizes, strict=True)]
    cells.append(Cell("the image", source))
    for name in ("float16", "float8"):
        cells.append(Cell(f"{name} is off, x {FACTOR}", amplify(made[name], made["as recorded"], FACTOR)))
    return cells


TABLE = {
    "InversionAttentionEdit": (attention_edit, 2),
    "InversionPlugAndPlay": (plug_and_play, 2),
    "InversionMutualAttention": (masactrl, 2),
    "InversionKVInjection": (kv_injection, 2),
    "InversionKVEdit": (kv_edit, 2),
    "InversionEditMask": (edit_masks, 2),
    "InversionStyleReference": (style, 2),
    "InversionGarmentPlace": (garment_place, 2),
    "InversionGarmentReference": (garment_reference, 2),
    "InversionAttentionMemory": (memory, 3),
}

if __name__ == "__main__":
    main(TABLE, (__doc__ or "").splitlines()[0])
