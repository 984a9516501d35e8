"""The pictures of the help pages of the nodes that edit, look, save and draw, made by a real ComfyUI with this pack.

    python tools/help_pictures_more.py [InversionEditSampler ...]

writes web/docs/pictures/<node>.jpg, all of them or those that are named. ComfyUI is found as the tests find it.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from help_bench import DOCS, laid_out
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness.checkouts import comfy_checkouts  # noqa: E402
from harness.graph import Graph, Node  # noqa: E402
from harness.server import ComfyServer  # noqa: E402
from harness.studio import Studio  # noqa: E402
from latent_inversion.pictures.sheet import Cell, amplify  # noqa: E402

WIDE, HEAVY, HEAVIEST = 960, 24_000, 44_000
STEPS = 20
DIT = "DiT (rectified flow)"


class Album(Studio):
    """A toybox graph whose pictures are cells of a sheet, in the order in which they were asked for."""

    def __init__(self, server: ComfyServer, **settings: Any) -> None:
        self.server, self.info = server, server.object_info()
        super().__init__(Graph(self.info), **{"steps": STEPS} | settings)
        self.cells: list[tuple[str, list[Node]]] = []

    def picture(self, title: str, image: Any) -> None:
        """Shows a picture, or each picture of a batch."""
        self.cells.append((title, [self.graph.add("PreviewImage", images=image)]))

    def difference(self, title: str, image: Any, other: Any) -> None:
        """Shows how two pictures differ, amplified."""
        self.cells.append((title, [self.graph.add("PreviewImage", images=one) for one in (image, other)]))

    def decoded(self, latent: Any, **more: Any) -> Node:
        return self.graph.add("InversionDecode", latent=latent, vae=self.vae, **more)

    def latent_picture(self, title: str, latent: Any) -> None:
        self.picture(title, self.decoded(latent))

    def mask_picture(self, title: str, mask: Any) -> None:
        self.picture(title, self.graph.add("MaskToImage", mask=mask))

    def inverted_by(self, node: str, **settings: Any) -> Node:
        """A trajectory by another node of inversions."""
        given = {"model": self.model, "latent": self.latent, "source": self.source, "steps": STEPS}
        return self.graph.add(node, **given | settings)

    def edited(self, node: str, **settings: Any) -> Node:
        """An edit from the source's prompt to the target's, by the node."""
        given = {"model": self.model, "source": self.source, "target": self.target, "negative": self.negative}
        own = {"settings": "as set below"} if {"method", "guidance"} <= settings.keys() else {}
        return self.graph.add(node, **given | own | settings)

    def edits(self, node: str, edits: dict[str, dict[str, Any]], **same: Any) -> None:
        """Shows an edit by the node for each title, with settings of its own."""
        for title, own in edits.items():
            self.latent_picture(title, self.edited(node, **same | own))

    def frames(self, **settings: Any) -> Node:
        """A moving scene instead of the still one, encoded."""
        scene = self.graph.add("InversionToyboxVideo", **settings)
        self.latent = self.graph.add("InversionEncode", image=scene, vae=self.vae)
        return scene


def edit_sampler(book: Album) -> None:
    book.picture("the image", book.scene)
    strengths = {f"strength {s:g}": {"strength": s} for s in (0.0, 0.25, 0.5, 0.75, 1.0)}
    given = {"trajectory": book.inverted, "attention_edit": book.attention, "guidance": 5.0}
    book.edits("InversionEditSampler", strengths, **given)


def anchored_edit(book: Album) -> None:
    own = {"guidance": 4.0, "source_guidance": 4.0, "strength": 0.8, "trajectory": book.inverted}
    noise = book.inverted_by("InversionStochasticInvert", method="edit-friendly DDPM", guidance=1.0)
    direct = book.edited("InversionAnchoredEdit", method="direct", attention_edit=book.attention, **own)
    book.picture("the image", book.scene)
    book.latent_picture("re-created", direct[1])
    book.latent_picture("direct", direct)
    others = {name: {"method": name} for name in ("DirectEdit", "h-Edit-D", "h-Edit-R")}
    others["h-Edit-R"]["trajectory"] = noise
    book.edits("InversionAnchoredEdit", others, **own)


def guidance_edit(book: Album) -> None:
    own = {"guidance": 5.0, "source_guidance": 5.0, "trajectory": book.inverted}
    names = ("ddim", "null-text", "negative-prompt", "ProxNPI")
    edits = [book.edited("InversionGuidanceEdit", method=name, **own) for name in names]
    for name, edited in zip(names, edits, strict=True):
        book.latent_picture(name, edited[1])
    for edited in edits:
        book.latent_picture("", edited)


def exact_edit(book: Album) -> None:
    own = {"guidance": 3.0, "source_guidance": 3.0}
    made = {}
    for name in ("EDICT", "BDIA", "O-BELM"):
        again = book.inverted_by("InversionExactInvert", method=name, guidance=3.0, negative=book.negative)
        made[name] = book.edited("InversionExactEdit", method=name, trajectory=again, strength=0.8, **own)
    plain = book.edited("InversionGuidanceEdit", method="ddim", trajectory=book.inverted, **own)
    book.picture("the image", book.scene)
    book.latent_picture("DDIM re-creates", plain[1])
    book.latent_picture("EDICT re-creates", made["EDICT"][1])
    for name, edited in made.items():
        book.latent_picture(f"{name} edits", edited)


def stochastic_edit(book: Album) -> None:
    own = {"guidance": 5.0, "source_guidance": 3.5, "strength": 0.75}
    invert, edit, ddpm = "InversionStochasticInvert", "InversionStochasticEdit", "edit-friendly DDPM"
    draws = [book.inverted_by(invert, method=ddpm, negative=book.negative, seed=seed) for seed in (0, 1)]
    empty = book.inverted_by(invert, method=ddpm, source=book.negative, guidance=1.0)
    few = book.inverted_by(invert, method="TurboEdit", steps=5, guidance=1.0)
    edits = [book.edited(edit, method=ddpm, trajectory=draw, **own) for draw in draws]
    book.picture("the image", book.scene)
    book.latent_picture("re-created", edits[0][1])
    book.latent_picture("DDPM, seed 0", edits[0])
    book.latent_picture("DDPM, seed 1", edits[1])
    starts = {"LEDITS++": empty, "TurboEdit": few}
    book.edits(edit, {name: {"method": name, "trajectory": start} for name, start in starts.items()})


def flow_control_edit(book: Album) -> None:
    drawn = book.inverted_by("InversionRFInvert", method="RF-Inversion", source=book.negative)
    near = book.inverted_by("InversionRFInvert", method="Uni-Inv", source=book.negative)
    book.picture("the image", book.scene)
    for name, title, trajectory, guidance, strengths in (
        ("RF-Inversion", "RF-Inv.", drawn, 5.0, (1.0, 0.75)),
        ("Uni-Edit", "Uni-Edit", near, 1.0, (0.4, 0.6)),
    ):
        given = {"method": name, "trajectory": trajectory, "guidance": guidance, "source_guidance": 1.0}
        book.edits("InversionFlowControlEdit", {f"{title}, {s:g}": {"strength": s} for s in strengths}, **given)
    book.picture("the true edit", book.scene[3])


def free_edit(book: Album) -> None:
    own = {
        "FlowEdit": {"guidance": 5.0, "source_guidance": 1.5, "strength": 0.75},
        "FlowAlign": {"guidance": 5.0, "strength": 0.75},
        "DDCM": {"guidance": 5.0, "strength": 0.5},
        "ChordEdit": {"guidance": 3.0, "strength": 0.75},
    }
    book.picture("the image", book.scene)
    methods = {name: {"method": name} | settings for name, settings in own.items()}
    book.edits("InversionFreeEdit", methods, latent=book.latent, steps=STEPS)
    book.picture("the true edit", book.scene[3])


def video_invert(book: Album) -> None:
    book.frames(seed=50, change="time: night", frames=4)
    clip = book.inverted_by("InversionVideoInvert")
    for frame in (0, 3):
        view = book.graph.add("InversionTrajectoryView", trajectory=clip, vae=book.vae, frames=4, index=frame)
        book.picture(f"frame {frame + 1}", view[1])


def video_edit(book: Album) -> None:
    book.picture("the clip", book.frames(seed=50, change="place: desert", frames=4))
    ways = {way: {"way": way} for way in ("each frame", "token flow")}
    book.edits("InversionVideoEdit", ways, trajectory=book.inverted_by("InversionVideoInvert"), guidance=3.0)


def compare(book: Album) -> None:
    methods = "ddim, negative-prompt, ProxNPI, direct, h-Edit-D, edit-friendly DDPM, FlowEdit, FlowAlign, DDCM"
    given = {"vae": book.vae, "image": book.scene, "steps": STEPS, "methods": methods}
    book.picture("", book.edited("InversionCompare", **given))


def decode(book: Album) -> None:
    cut = {"width": 124, "height": 120, "x": 2, "y": 8}
    small = book.graph.add("ImageCrop", image=book.scene, **cut)
    region = book.graph.add("CropMask", mask=book.scene[4], **cut)
    book.latent = book.graph.add("InversionEncode", image=small, vae=book.vae)
    edited = book.sample(trajectory=book.invert(steps=STEPS), attention_edit=book.attention, guidance=3.0, strength=0.6)
    plain, kept = book.decoded(edited), book.decoded(edited, original=small, mask=region)
    book.picture("124 x 120 pixels", small)
    book.picture("edited, decoded", plain)
    book.picture("and with mask", kept)
    book.mask_picture("the mask", region)
    book.difference("change x 8", plain, small)
    book.difference("and with mask", kept, small)


def attention_view(book: Album) -> None:
    given = {"model": book.model, "trajectory": book.inverted, "clip": book.clip, "image": book.scene}
    words = "glasses, shirt, desert"
    seen = book.graph.add("InversionAttentionView", **given, prompt=book.scene[1], words=words, mask_words="glasses")
    book.picture("", seen)


def report(book: Album) -> None:
    own = {"method": "ddim", "trajectory": book.inverted, "guidance": 5.0, "source_guidance": 5.0}
    made = book.edited("InversionGuidanceEdit", **own)
    given = {"original": book.scene, "reconstruction": book.decoded(made[1]), "trajectory": book.inverted}
    given |= {"vae": book.vae, "reconstructed": made[1], "edited": book.decoded(made)}
    book.picture("", book.graph.add("InversionReport", **given))


def save_trajectory(book: Album) -> None:
    name = "help/bear"
    book.graph.add("InversionSaveTrajectory", trajectory=book.inverted, filename_prefix=name, image=book.scene)
    book.server.run(book.graph.prompt)
    book.graph.prompt.popitem()
    kept = book.graph.add("InversionLoadTrajectory", file=f"{name}_00001_.trajectory.safetensors [output]")
    book.picture("inverted once", book.scene)
    for change in ("time: night", "fur: ginger", "place: desert", "accessory: hat", "style: painting"):
        words = book.graph.add("InversionToyboxScene", seed=31, change=change)[2]
        edit = book.edit(target_prompt=words)
        edited = book.sample(trajectory=kept, attention_edit=edit, target=edit[2], guidance=5.0, strength=0.7)
        book.latent_picture(change, edited)


def toybox_loader(book: Album) -> None:
    said = [
        "a photo of a brown dog wearing a red hat in a plain blue shirt, in the snow at day",
        "a painting of a white cat in a striped yellow shirt, in the desert at sunset",
        "a photo of a ginger bear wearing green glasses in a dotted red shirt, in a meadow at night",
    ]
    empty = book.graph.add("EmptyLatentImage", width=128, height=128)
    for name, model in (("UNet", "UNet (v-prediction)"), ("DiT", DIT)):
        toybox = book.graph.add("InversionToyboxLoader", model=model)
        blank = book.graph.add("CLIPTextEncode", clip=toybox[1], text="")
        for seed, text in enumerate(said, 3):
            words = book.graph.add("CLIPTextEncode", clip=toybox[1], text=text)
            given = {"model": toybox, "positive": words, "negative": blank, "latent_image": empty, "seed": seed}
            given |= {"steps": STEPS, "cfg": 3.0, "scheduler": "normal", "sampler_name": "euler"}
            made = book.graph.add("KSampler", **given)
            book.picture(f"{name}, seed {seed}", book.graph.add("VAEDecode", samples=made, vae=toybox[2]))


def toybox_scene(book: Album) -> None:
    for seed, change in ((31, "accessory: hat"), (57, "style: painting")):
        scene = book.graph.add("InversionToyboxScene", seed=seed, change=change)
        book.picture(f"seed {seed}", scene)
        book.picture(change, scene[3])
        book.mask_picture("mask", scene[4])


def toybox_pair(book: Album) -> None:
    for seed, other, change in ((57, 33, "wears the other's shirt"), (8, 46, "in the other's style")):
        pair = book.graph.add("InversionToyboxPair", seed=seed, other_seed=other, change=change)
        book.picture(f"seed {seed}", pair)
        book.picture(f"other, seed {other}", pair[2])
        book.picture(change, pair[5])


def toybox_video(book: Album) -> None:
    scene = book.graph.add("InversionToyboxVideo", seed=50, change="place: desert", frames=4)
    book.picture("frames", scene)
    book.picture("true edit", scene[3])
    book.mask_picture("masks", scene[4])


def toybox_control(book: Album) -> None:
    hint = book.graph.add("InversionEdges", image=book.scene)
    net = book.graph.add("InversionToyboxControlNet")

    def held(words: Any) -> Node:
        given = {"positive": words, "negative": book.negative, "control_net": net, "image": hint}
        return book.graph.add("ControlNetApplyAdvanced", **given)

    source, target = held(book.source), held(book.target)
    both = {"trajectory": book.invert(steps=STEPS, source=source), "source": source, "target": target}
    book.picture("the image", book.scene)
    book.picture("its edges", hint)
    book.picture("the true edit", book.scene[3])
    book.latent_picture("no ControlNet", book.sample(guidance=7.5))
    book.latent_picture("on the target", book.sample(target=target, negative=target[1], guidance=7.5))
    book.latent_picture("on both prompts", book.sample(**both, negative=target[1], guidance=7.5))


def edges(book: Album) -> None:
    pictures = {"by day": book.scene, "by night": book.scene[3]}
    pictures["painted"] = book.graph.add("InversionToyboxScene", seed=57, change="style: painting")[3]
    for title, image in pictures.items():
        book.picture(title, image)
    for image in pictures.values():
        book.picture("", book.graph.add("InversionEdges", image=image))


def trajectory_view(book: Album) -> None:
    given = {"trajectory": book.inverted, "vae": book.vae, "frames": 5, "show": "both"}
    book.picture("", book.graph.add("InversionTrajectoryView", **given))


SNOW = {"seed": 23, "change": "place: desert"}
RABBIT = {"seed": 33, "change": "time: night"}
BUILDERS: dict[str, tuple[dict[str, Any], Callable[[Album], None], int]] = {
    "InversionEditSampler": (SNOW, edit_sampler, 3),
    "InversionAnchoredEdit": (SNOW, anchored_edit, 3),
    "InversionGuidanceEdit": (SNOW, guidance_edit, 4),
    "InversionExactEdit": ({"seed": 29, "change": "shirt: blue"}, exact_edit, 3),
    "InversionStochasticEdit": (SNOW, stochastic_edit, 3),
    "InversionFlowControlEdit": (SNOW | {"model": DIT}, flow_control_edit, 3),
    "InversionFreeEdit": (SNOW | {"model": DIT}, free_edit, 3),
    "InversionVideoInvert": ({"seed": 50, "change": "time: night"}, video_invert, 4),
    "InversionVideoEdit": ({"seed": 50, "change": "place: desert"}, video_edit, 4),
    "InversionCompare": (SNOW, compare, 1),
    "InversionDecode": ({"seed": 29, "change": "shirt: blue"}, decode, 3),
    "InversionAttentionView": (RABBIT, attention_view, 1),
    "InversionReport": (SNOW, report, 1),
    "InversionSaveTrajectory": ({"seed": 31}, save_trajectory, 3),
    "InversionToyboxLoader": ({}, toybox_loader, 3),
    "InversionToyboxScene": ({}, toybox_scene, 3),
    "InversionToyboxPair": ({}, toybox_pair, 3),
    "InversionToyboxVideo": ({}, toybox_video, 4),
    "InversionToyboxControlNet": (RABBIT, toybox_control, 3),
    "InversionEdges": ({"seed": 57, "change": "time: night"}, edges, 3),
    "InversionTrajectoryView": (RABBIT, trajectory_view, 1),
}
"""For each node the toybox picture, the change of it and the model, what is asked of them, and the columns of the sheet."""


def drawn(server: ComfyServer, node: str) -> Image.Image:
    """The node's sheet; a single picture is a page of its own."""
    settings, build, columns = BUILDERS[node]
    book = Album(server, **settings)
    build(book)
    result = server.run(book.graph.prompt, timeout=900)
    cells = []
    for title, shown in book.cells:
        pictures = [[np.asarray(one.convert("RGB")) for one in server.images(result, one.id)] for one in shown]
        for number, pair in enumerate(zip(*pictures, strict=True)):
            cells.append(Cell("" if number else title, pair[0] if len(pair) == 1 else amplify(*pair)))
    return Image.fromarray(cells[0].pixels) if len(cells) == 1 else laid_out(cells, columns)


def write(page: Image.Image, path: Path) -> None:
    """A JPEG of HEAVY bytes if that can be: its quality goes first, then its size. Pages with small letters stay wide."""
    widths, limit = ((WIDE, 840, 720), HEAVIEST) if page.width > WIDE else ((640, 560, 500), HEAVY)
    for width, quality in product(widths, (85, 78, 70, 62)):
        width = min(width, page.width)
        small = page.resize((width, round(page.height * width / page.width)), Image.Resampling.LANCZOS)
        data = io.BytesIO()
        small.save(data, "JPEG", quality=quality, optimize=True, progressive=True)
        if data.tell() < limit or (width, quality) == (widths[-1], 62):
            break
    path.write_bytes(data.getvalue())
    print(f"{path.name}: {small.width} x {small.height}, {data.tell() / 1000:.0f} kB at quality {quality}", flush=True)


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as base:
        packs = {"latent-inversion": ROOT}
        with ComfyServer(comfy_checkouts()[-1], Path(base), packs=packs) as server:
            for name in names or BUILDERS:
                write(drawn(server, name), DOCS / f"{name}.jpg")


if __name__ == "__main__":
    main(sys.argv[1:])
