"""The pictures of the templates: a card for ComfyUI's template browser (.jpg), and one to drop on the canvas (.png).

    python tools/thumbnails.py --comfyui ~/comfy/ComfyUI [--runs FOLDER] [NAME ...]

Toybox templates are run as they are, in a real ComfyUI, and their cards show what goes into Before / After. Those for
models that are downloaded show a drawn edit of the toybox's world, and say so. NAME is a part of a template's name. `--runs` keeps the pictures of a run: what lies there
is not run again.
"""

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cards import example_card, pictures_card
from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness.server import ComfyServer  # noqa: E402
from harness.workflows import api_prompt  # noqa: E402
from latent_inversion.toybox.world import HELD_OUT_SEEDS, Scene, render  # noqa: E402

EXAMPLES = {
    "03 Edit your photo - Stable Diffusion 1.5": (8, "shirt: blue"),
    "04 Edit your photo - SDXL": (23, "time: night"),
    "05 Edit your photo - Flux": (31, "fur: ginger"),
    "06 Edit your photo - Qwen-Image": (40, "style: painting"),
    "07 Edit your photo - Stable Diffusion 3.5": (29, "shirt: green"),
    "08 Edit your video - Wan 2.1": (57, "place: snow"),
    "22 Inside - null-text, Stable Diffusion 1.5": (46, "time: night"),
}
"""Portrait and change that are drawn on the cards of templates whose models are downloaded."""
SHOWN = {"the style", "the garment"}
"""Further pictures on a card: what the preview of this title shows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comfyui", type=Path, required=True, help="a checkout of ComfyUI")
    parser.add_argument("--runs", type=Path, help="keeps and takes the pictures of runs")
    parser.add_argument("names", nargs="*", help="parts of templates' names; all, if none is given")
    chosen = parser.parse_args()
    files = sorted((ROOT / "workflows").glob("*.json"))
    files = [path for path in files if any(name in path.stem for name in chosen.names or [""])]
    with tempfile.TemporaryDirectory() as scratch:
        runs = chosen.runs or Path(scratch) / "runs"
        (base := Path(scratch) / "base").mkdir()
        wanted = [path for path in files if is_toybox(read(path)) and not (runs / path.stem).is_dir()]
        if wanted:
            with ComfyServer(chosen.comfyui.expanduser(), base, packs={"latent-inversion": ROOT}) as server:
                for path in wanted:
                    keep(server, path, runs / path.stem)
        for path in files:
            workflow = read(path)
            save(card_of(workflow, path.stem, runs / path.stem), workflow, path)
            print(path.stem)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def is_toybox(workflow: dict[str, Any]) -> bool:
    return any(node["type"] == "InversionToyboxLoader" for node in workflow["nodes"])


def keep(server: ComfyServer, path: Path, folder: Path) -> None:
    """Runs a template and keeps what its cards show: `NUMBER LABEL.FRAME.png`."""
    workflow = read(path)
    prompt = api_prompt(workflow, server.object_info())
    looks = dict(enumerate(looked_at(workflow, prompt)))
    for number, (_, link) in looks.items():
        prompt[f"card {number}"] = {"class_type": "PreviewImage", "inputs": {"images": link}}
    result = server.run(prompt, timeout=3600)
    folder.mkdir(parents=True)
    for number, (label, _) in looks.items():
        for frame, picture in enumerate(server.images(result, f"card {number}")):
            picture.convert("RGB").save(folder / f"{number} {label}.{frame:03}.png")


def looked_at(workflow: dict[str, Any], prompt: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Label and link of every picture of a card: before, what it takes from, and each after."""
    sliders = [
        node for node in workflow["nodes"] if node["type"] == "InversionBeforeAfter" and str(node["id"]) in prompt
    ]
    yield "before", prompt[str(sliders[0]["id"])]["inputs"]["before"]
    for node in workflow["nodes"]:
        if node.get("title", "").lower() in SHOWN:
            yield node["title"].lower(), prompt[str(node["id"])]["inputs"]["images"]
    for node in sliders:
        label = node["title"].split(":")[0] if len(sliders) > 1 else "after"
        yield label, prompt[str(node["id"])]["inputs"]["after"]


def drawn(seed: int, change: str) -> list[Image.Image]:
    """A portrait of the toybox's world, and its true edit."""
    name, value = change.split(": ")
    scene = Scene.from_seed(HELD_OUT_SEEDS + seed)
    pixels = render([scene, scene.replace(**{name: value})]).clamp(0, 1).mul(255).byte()
    return [Image.fromarray(one.movedim(0, -1).numpy()) for one in pixels]


def card_of(workflow: dict[str, Any], name: str, folder: Path) -> Image.Image:
    """A template's card, with the pictures of its run if it has been run."""
    if not is_toybox(workflow):
        return example_card(name.split(" ", 1)[1], *drawn(*EXAMPLES[name]))
    groups: dict[str, list[Image.Image]] = {}
    for path in sorted(folder.glob("*.png")):
        groups.setdefault(path.stem.rsplit(".", 1)[0], []).append(Image.open(path))
    taken = [groups[name][0] for name in groups if name.split(" ", 1)[1] in SHOWN]
    before, *after = (groups[name] for name in groups if name.split(" ", 1)[1] not in SHOWN)
    return pictures_card(workflow, before, after, taken)


def save(card: Image.Image, workflow: dict[str, Any], path: Path) -> None:
    """The card as .jpg, and as .png with the workflow in it, where ComfyUI's Save Image puts it."""
    card.resize((512, 512), Image.Resampling.LANCZOS).save(path.with_suffix(".jpg"), quality=88, optimize=True)
    facts, data = PngInfo(), io.BytesIO()
    facts.add_text("workflow", json.dumps(workflow))
    card.quantize(256).save(data, "PNG", pnginfo=facts, optimize=True)
    path.with_suffix(".png").write_bytes(data.getvalue())


if __name__ == "__main__":
    main()
