"""What goes wrong in people's hands: bad inputs, the words with which they are refused, and where."""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .graph import Graph, Node
from .hostile_files import head_of, renamed, replaced, write
from .studio import Studio

SUFFIX, NULL_TEXT = ".trajectory.safetensors", ".null-text.safetensors"
FOLDER = "mistakes"
NAN, INFINITY = float("nan"), float("inf")
HALF, TERMINAL = "\ud800", "\x1b[2J\u202e"
"""Half of a character, which JSON can hold and no log can write; what steers a terminal and turns the direction of writing."""


class Bench(Studio):
    """The toybox, one of its pictures, its inversion in two steps and an edit of it; mistakes are made beside them."""

    def __init__(self, info: dict[str, Any], nonce: int = 0) -> None:
        super().__init__(Graph(info), steps=2)
        again = self.graph.add("TestAgain", conditioning=self.target, nonce=nonce)
        self.edited = self.sample(target=again, attention_edit=self.attention)
        self.shown = self.show(self.edited)
        self.others: dict[str, Node] = {}

    def invert(self, **settings: Any) -> Node:
        return super().invert(**{"steps": 2} | settings)

    def null_text(self, **settings: Any) -> Node:
        return super().null_text(**{"inner_steps": 0} | settings)

    def add(self, kind: str, **inputs: Any) -> Node:
        return self.graph.add(kind, **inputs)

    def family(self, name: str) -> Node:
        """A model in miniature, two prompts, a latent."""
        self.others[name] = self.others.get(name) or self.add("TestFamily", family=name)
        return self.others[name]

    def inverted_of(self, family: str, **settings: Any) -> Node:
        made = self.family(family)
        given = {"model": made[0], "latent": made[3], "source": made[1], "steps": 2, "scheduler": "simple"}
        return self.add("InversionDDIMInvert", **given | settings)

    def edited_of(self, family: str, kind: str = "InversionEditSampler", **settings: Any) -> Node:
        made = self.family(family)
        given = {"model": made[0], "source": made[1], "target": made[2], "negative": made[2]}
        trajectory = {} if "trajectory" in settings else {"trajectory": self.inverted_of(family)}
        return self.add(kind, **given | trajectory | settings)

    @property
    def words(self) -> dict[str, Node | list[Any]]:
        return {"source": self.source, "target": self.target, "negative": self.negative}

    def by(self, kind: str, **settings: Any) -> Node:
        """A node that edits the portrait by a method's name."""
        return self.add(kind, **{"model": self.model, "trajectory": self.inverted} | self.words | settings)

    def other_inversion(self, kind: str, **settings: Any) -> Node:
        given = {"model": self.model, "latent": self.latent, "source": self.source, "negative": self.negative}
        return self.add(kind, **given | {"steps": 2} | settings)

    def mask(self, value: float = 1.0, width: int = 128, height: int = 128) -> Node:
        return self.add("SolidMask", value=value, width=width, height=height)

    def tensor(self, shape: str, spoilt: str = "no") -> Node:
        """A picture, a mask and a latent of this shape."""
        return self.add("TestTensor", shape=shape, spoilt=spoilt)

    def encode(self, **settings: Any) -> Node:
        return self.add("InversionEncode", **{"image": self.scene, "vae": self.vae} | settings)

    def odd_prompt(self, shape: str = "") -> Node:
        return self.add("TestOddPrompt", shape=shape)

    def view(self, **settings: Any) -> Node:
        given = {"model": self.model, "trajectory": self.inverted, "clip": self.clip, "image": self.scene}
        return self.add(
            "InversionAttentionView", **given | {"prompt": self.scene[1], "looks": 1, "spread": 0} | settings
        )

    def with_edit(self, edit: Node, **settings: Any) -> Node:
        return self.sample(attention_edit=edit, **settings)

    def portrait(self, steps: int = 2, **scene: Any) -> Node:
        """The trajectory of another portrait."""
        other = self.add("InversionToyboxScene", **{"seed": 33, "change": "time: night"} | scene)
        return self.invert(latent=self.encode(image=other), steps=steps)

    def garment(self, **settings: Any) -> Node:
        given = {"garment": self.inverted, "garment_prompt": self.source}
        given |= {"garment_mask": self.mask(), "region": self.mask()}
        return self.add("InversionGarmentReference", **given | settings)

    def style(self, **settings: Any) -> Node:
        return self.add("InversionStyleReference", **{"style": self.inverted, "style_prompt": self.source} | settings)

    def strip(self, **settings: Any) -> Node:
        return self.add(
            "InversionTrajectoryView", **{"trajectory": self.inverted, "vae": self.vae, "frames": 2} | settings
        )

    def before_after(self, **settings: Any) -> Node:
        return self.add("InversionBeforeAfter", **{"before": self.scene, "after": self.scene} | settings)

    def load(self, name: str) -> Node:
        return self.add("InversionLoadTrajectory", file=f"{FOLDER}/{name}{SUFFIX} [input]")

    def save(self, prefix: str) -> Node:
        return self.add("InversionSaveTrajectory", trajectory=self.inverted, filename_prefix=prefix)

    def clip_of(self, frames: int) -> Node:
        return self.add("InversionToyboxVideo", frames=frames, change="time: night", seed=23)


@dataclass(frozen=True)
class Mistake:
    """A bad input: `build` adds it and gives the node that must refuse it with a sentence of the words in `says`."""

    name: str
    build: Callable[[Bench], Node]
    says: tuple[str, ...]
    where: str = "at its node"

    def __str__(self) -> str:
        return self.name


def before(name: str, build: Callable[[Bench], Node], *says: str) -> Mistake:
    """A mistake that is refused before anything runs."""
    return Mistake(name, build, says, "before")


def choice(name: str, build: Callable[[Bench], Node], *says: str) -> Mistake:
    """A choice that does not exist: newer ComfyUIs refuse it before anything runs, older ones leave it to the node."""
    return Mistake(name, build, says, "either")


def late(name: str, build: Callable[[Bench], Node], *says: str) -> Mistake:
    """A mistake that is refused when its node runs."""
    return Mistake(name, build, says)


PICTURES = [
    late("a picture with NaN", lambda b: b.encode(image=b.tensor("1,64,64,3", "nan")), "image", "3 values", "NaN"),
    late("a picture with infinity", lambda b: b.encode(image=b.tensor("1,64,64,3", "infinity")), "image", "3 values"),
    late("no pictures", lambda b: b.encode(image=b.tensor("0,64,64,3")), "no image", "(0, 64, 64, 3)"),
    late("a picture of no height", lambda b: b.encode(image=b.tensor("1,0,64,3")), "no image", "(1, 0, 64, 3)"),
    late(
        "a latent of three dimensions",
        lambda b: b.add("InversionDecode", latent=b.tensor("4,16,16")[2], vae=b.vae),
        "'latent'",
        "(4, 16, 16)",
        "height",
    ),
    late(
        "a latent of no height",
        lambda b: b.add("InversionDecode", latent=b.tensor("1,4,0,16")[2], vae=b.vae),
        "(1, 4, 0, 16)",
        "side of 0",
    ),
    late("a picture of two channels", lambda b: b.encode(image=b.tensor("1,64,64,2")), "2 channels", "3"),
    late(
        "a mask of another size",
        lambda b: b.encode(mask=b.mask(width=30, height=20)),
        "30 x 20",
        "128 x 128",
        "resize",
    ),
    late("an unpainted mask of LoadImage", lambda b: b.encode(mask=b.mask(0.0, 64, 64)), "64 x 64", "empty", "aint"),
    late("three masks for one picture", lambda b: b.encode(mask=b.tensor("3,128,128")[1]), "3 masks", "1 image"),
    late("a mask with NaN", lambda b: b.encode(mask=b.tensor("1,128,128", "nan")[1]), "mask", "3 values", "NaN"),
    late("an empty mask", lambda b: b.encode(mask=b.mask(0.0)), "'mask' is empty", "aint"),
    late("no VAE in the checkpoint", lambda b: b.encode(vae=b.add("TestNothing")[2]), "no VAE", "vae"),
    late("an empty mask at the sampler", lambda b: b.sample(mask=b.mask(0.0)), "'mask' is empty"),
    late("a mask of another size at the sampler", lambda b: b.sample(mask=b.mask(1.0, 64, 96)), "64 x 96", "128 x 128"),
    late("a mask with NaN at the sampler", lambda b: b.sample(mask=b.tensor("1,128,128", "nan")[1]), "mask", "NaN"),
    late("two masks for one picture", lambda b: b.sample(mask=b.tensor("2,128,128")[1]), "2 masks", "1 image"),
    before(
        "an original without a mask",
        lambda b: b.add("InversionDecode", latent=b.latent, vae=b.vae, original=b.scene),
        "original",
        "mask",
        "Connect",
    ),
    late(
        "an original of another size",
        lambda b: b.add(
            "InversionDecode", latent=b.latent, vae=b.vae, original=b.tensor("1,64,96,3"), mask=b.mask(1.0, 96, 64)
        ),
        "original is 96 x 64",
        "128 x 128",
    ),
    late(
        "two originals for three pictures",
        lambda b: b.add(
            "InversionDecode",
            latent=b.tensor("3,16,8,8")[2],
            vae=b.vae,
            original=b.tensor("2,64,64,3"),
            mask=b.mask(1.0, 64, 64),
        ),
        "2 images",
        "3 images",
    ),
    late(
        "the VAE of another kind of model",
        lambda b: b.add("InversionDecode", latent=b.tensor("1,4,8,8")[2], vae=b.vae),
        "4 channels",
        "16",
        "VAE",
    ),
    late(
        "no VAE to decode with",
        lambda b: b.add("InversionDecode", latent=b.latent, vae=b.add("TestNothing")[2]),
        "no VAE",
    ),
    late(
        "a latent with NaN to decode",
        lambda b: b.add("InversionDecode", latent=b.tensor("1,16,8,8", "nan")[2], vae=b.vae),
        "latent",
        "3 values",
        "NaN",
    ),
]

INVERSIONS = [
    late("a latent with NaN", lambda b: b.invert(latent=b.tensor("1,16,8,8", "nan")[2]), "latent", "3 values"),
    late("a latent with infinity", lambda b: b.invert(latent=b.tensor("1,16,8,8", "infinity")[2]), "3 values"),
    late("a latent of four channels", lambda b: b.invert(latent=b.tensor("1,4,8,8")[2]), "4 channels", "16", "VAE"),
    late("a latent of video", lambda b: b.invert(latent=b.tensor("1,16,3,8,8")[2]), "(1, 16, 3, 8, 8)", "VAE"),
    late("no latent", lambda b: b.invert(latent=b.add("TestNothing")[4]), "no latent"),
    late(
        "a latent that was turned after encoding",
        lambda b: b.invert(
            latent=b.add("LatentRotate", samples=b.encode(image=b.tensor("1,100,72,3")), rotation="90 degrees")
        ),
        "16 x 16",
        "rotated",
        "before encoding",
    ),
    late(
        "a latent of three dimensions to invert",
        lambda b: b.invert(latent=b.tensor("16,16,16")[2]),
        "'latent'",
        "(16, 16, 16)",
        "batch",
    ),
    late("no model", lambda b: b.invert(model=b.add("TestNothing")[0]), "no model", "'model'"),
    late(
        "no model for a clip",
        lambda b: b.add("InversionVideoInvert", model=b.add("TestNothing")[0], latent=b.latent, source=b.source),
        "no model",
    ),
    late("no model for null text", lambda b: b.null_text(model=b.add("TestNothing")[0]), "no model"),
    late(
        "an area outside the latent",
        lambda b: b.invert(
            source=b.add("ConditioningSetArea", conditioning=b.source, width=64, height=64, x=128, y=0, strength=1.0)
        ),
        "'source'",
        "column 16",
        "outside",
    ),
    late(
        "a prompt without pooled output",
        lambda b: b.inverted_of("sd3", source=b.family("qwen")[1]),
        "'source'",
        "pooled output",
        "CLIP",
    ),
    late(
        "a picture that is too large for the model",
        lambda b: b.invert(
            model=b.add("InversionToyboxLoader", model="DiT (rectified flow)")[0],
            latent=b.encode(image=b.tensor("1,129,100,3")),
        ),
        "128 x 192",
        "at most 128 x 128",
        "Scale the image down",
    ),
    late("no prompt", lambda b: b.invert(source=b.add("TestNothing")[3]), "'source'", "conditioning", "empty"),
    late("an empty prompt list", lambda b: b.invert(source=b.odd_prompt()), "'source'", "conditioning", "empty"),
    late(
        "the prompt of another text encoder",
        lambda b: b.invert(source=b.odd_prompt("1,77,768")),
        "'source'",
        "768",
        "text encoder",
    ),
    late(
        "three prompts for one picture",
        lambda b: b.invert(source=b.odd_prompt("3,32,128")),
        "'source'",
        "3",
        "1 image",
    ),
    late(
        "the prompt of another family",
        lambda b: b.inverted_of("wan", source=b.source),
        "'source'",
        "text encoder",
    ),
    before("guidance without a negative prompt", lambda b: b.invert(guidance=4.0), "4", "negative"),
    before("too much guidance", lambda b: b.invert(guidance=31.0, negative=b.negative), "31", "30"),
    before("no steps", lambda b: b.invert(steps=0), "0", "min", "1"),
    before("too many steps", lambda b: b.invert(steps=1001), "1001", "1000"),
    choice("a method that does not exist", lambda b: b.invert(method="magic"), "'magic'", "method"),
    choice("a scheduler that does not exist", lambda b: b.invert(scheduler="fast"), "'fast'"),
    before("a seed out of range", lambda b: b.other_inversion("InversionRFInvert", seed=-1), "-1", "0"),
    late(
        "a scheduler that does not fall at every step",
        lambda b: b.invert(scheduler="kl_optimal", steps=1),
        "'kl_optimal'",
        "1 step",
        "another scheduler",
    ),
    late(
        "a model that samples otherwise",
        lambda b: b.invert(model=b.add("ModelSamplingContinuousEDM", model=b.model, sampling="edm")),
        "EDM",
        "inversion supports only",
    ),
    late(
        "the inverted noise for a latent of another size",
        lambda b: b.add(
            "SamplerCustomAdvanced",
            noise=b.inverted[3],
            guider=b.add("BasicGuider", model=b.model, conditioning=b.source),
            sampler=b.add("KSamplerSelect", sampler_name="euler"),
            sigmas=b.inverted[2],
            latent_image=b.tensor("1,16,8,8")[2],
        ),
        "(1, 16, 16, 16)",
        "(1, 16, 8, 8)",
    ),
    late(
        "null text on a distilled model",
        lambda b: b.add(
            "InversionNullTextOptimize",
            model=b.family("flux")[0],
            trajectory=b.inverted_of("flux"),
            source=b.family("flux")[1],
            empty=b.family("flux")[2],
        ),
        "unconditional",
        "direct",
    ),
    late(
        "null text on a trajectory of Heun's",
        lambda b: b.null_text(trajectory=b.invert(method="heun")),
        "'heun'",
        "'ddim'",
    ),
    before("null text without guidance", lambda b: b.null_text(guidance=1.0), "1.0", "1.1"),
    late(
        "null text of combined prompts",
        lambda b: b.null_text(empty=b.add("ConditioningCombine", conditioning_1=b.negative, conditioning_2=b.source)),
        "2 parts",
        "plain text prompt",
    ),
    late("no text encoder", lambda b: b.edit(clip=b.add("TestNothing")[1]), "no text encoder"),
]

EDITS = [
    late(
        "another checkpoint than the trajectory's",
        lambda b: b.sample(model=b.family("sd15")[0]),
        "another model",
        "fingerprint",
        "invert the image again",
    ),
    late(
        "another LoRA than the trajectory's",
        lambda b: b.edited_of("sd15", model=b.add("TestLora", model=b.family("sd15")[0])),
        "another model",
        "LoRAs",
    ),
    late(
        "the source prompt as unconditional on a distilled model",
        lambda b: b.edited_of("flux", unconditional="source prompt", guidance=1.0),
        "negative-prompt inversion",
        "direct",
    ),
    late(
        "a method of unconditional prompts on a distilled model",
        lambda b: b.edited_of("flux", "InversionGuidanceEdit", method="negative-prompt"),
        "unconditional",
        "direct",
    ),
    late(
        "a UNet's method on a transformer",
        lambda b: b.edited_of("sd3", "InversionExactEdit", method="EDICT"),
        "EDICT",
        "Exact Invert",
    ),
    late(
        "a DDIM trajectory for a stochastic edit",
        lambda b: b.by("InversionStochasticEdit"),
        "edit-friendly DDPM",
        "Stochastic Invert",
        "ddim",
    ),
    late(
        "a DDIM trajectory for an exact edit",
        lambda b: b.by("InversionExactEdit"),
        "Exact Invert",
        "ddim",
    ),
    late(
        "another exact method's trajectory",
        lambda b: b.by("InversionExactEdit", method="BDIA", trajectory=b.other_inversion("InversionExactInvert")),
        "BDIA",
        "EDICT",
        "Exact Invert",
    ),
    late(
        "an exact edit under other guidance",
        lambda b: b.by(
            "InversionExactEdit",
            settings="as set below",
            source_guidance=3.0,
            trajectory=b.other_inversion("InversionExactInvert"),
        ),
        "EDICT",
        "guidance",
        "3",
        "1",
    ),
    late(
        "null text for another guidance",
        lambda b: b.sample(null_text=b.null_text(guidance=5.0), guidance=7.5),
        "guidance 5",
        "7.5",
    ),
    late(
        "null text of another grid",
        lambda b: b.sample(null_text=b.null_text(trajectory=b.invert(steps=1)), guidance=7.5),
        "1 step",
        "trajectory has 2",
    ),
    late(
        "null text and the source prompt as unconditional",
        lambda b: b.sample(null_text=b.null_text(), unconditional="source prompt", guidance=7.5),
        "negative prompt",
        "unconditional",
    ),
    before("guidance below one", lambda b: b.sample(guidance=0.5), "0.5", "1"),
    late("no target prompt", lambda b: b.sample(target=b.odd_prompt()), "'target'", "empty"),
    late(
        "a target prompt of another text encoder",
        lambda b: b.sample(target=b.odd_prompt("1,77,768")),
        "'target'",
        "768",
    ),
    late(
        "three prompts for a trajectory of two",
        lambda b: b.edited_of("sd3", target=b.odd_prompt("3,6,32")),
        "'target'",
        "3",
        "2 images",
    ),
    late(
        "a latent with NaN to edit",
        lambda b: b.add(
            "InversionFreeEdit",
            model=b.family("sd3")[0],
            latent=b.tensor("1,16,8,12", "nan")[2],
            source=b.family("sd3")[1],
            target=b.family("sd3")[2],
            negative=b.family("sd3")[2],
            steps=2,
        ),
        "latent",
        "3 values",
    ),
    before(
        "a method to compare that does not exist",
        lambda b: b.add(
            "InversionCompare", model=b.model, vae=b.vae, image=b.scene, methods="direct, magic", **b.words
        ),
        "'magic'",
        "direct",
    ),
    late(
        "pictures of other sizes to report on",
        lambda b: b.add(
            "InversionReport", original=b.scene, reconstruction=b.tensor("1,64,96,3"), trajectory=b.inverted
        ),
        "128 x 128",
        "96 x 64",
    ),
    before(
        "half a pair to report on",
        lambda b: b.add(
            "InversionReport",
            original=b.scene,
            reconstruction=b.scene,
            trajectory=b.inverted,
            reconstruction_3=b.scene,
        ),
        "reconstruction_3",
        "trajectory_3",
    ),
    late(
        "another picture than the trajectory's to report on",
        lambda b: b.add(
            "InversionReport",
            original=b.tensor("1,64,96,3"),
            reconstruction=b.tensor("1,64,96,3"),
            trajectory=b.inverted,
            vae=b.vae,
        ),
        "96 x 64",
        "128 x 128",
    ),
]

ATTENTION = [
    before(
        "a word that the prompt has not",
        lambda b: b.edit(source_prompt="a photo of a cat", target_prompt="a photo of a dog", blend_target_words="hat"),
        "'hat'",
        "'target_prompt'",
        "a, photo, of, a, dog",
    ),
    late(
        "a word that a linked prompt has not",
        lambda b: b.edit(blend_source_words="zebra"),
        "'zebra'",
        "Its words are",
    ),
    before(
        "the weight of a word that the prompt has not",
        lambda b: b.edit(source_prompt="a cat", target_prompt="a dog", word_weights="cat: 2"),
        "'cat'",
        "'target_prompt'",
        "a, dog",
    ),
    before("words of an empty prompt", lambda b: b.edit(target_prompt="", blend_target_words="dog"), "'dog'", "empty"),
    before("a weight that is no number", lambda b: b.edit(word_weights="smiling 2.5"), "'smiling 2.5'", "colon"),
    before("a weight of two colons", lambda b: b.edit(word_weights="smiling: 2: x"), "'smiling: 2: x'"),
    before("a weight that is infinite", lambda b: b.edit(word_weights="smiling: inf"), "'smiling: inf'", "number"),
    before("a weight of no word", lambda b: b.edit(word_weights=": 2"), "': 2'"),
    late("nothing to blend by", lambda b: b.edit(mode="blend only"), "'blend only'", "word", "mask"),
    late(
        "windows that end before they start",
        lambda b: b.edit(cross_start=0.8, cross_end=0.2),
        "cross_start",
        "0.8",
        "cross_end",
        "0.2",
    ),
    late("an empty mask of the edit", lambda b: b.edit(mask=b.mask(0.0)), "'mask' is empty"),
    late(
        "another text encoder's words",
        lambda b: b.edited_of("sd3", attention_edit=b.edit(), guidance=2.0),
        "tokens",
        "text encoder",
    ),
    late(
        "attention edits on a network out of reach",
        lambda b: b.edited_of("hunyuan", attention_edit=b.edit(), guidance=1.0),
        "HunyuanVideo",
        "Edit without",
    ),
    late(
        "too little memory",
        lambda b: b.with_edit(
            b.add("InversionAttentionMemory", attention_edit=b.attention, budget_gb=0.00001, device="the model's")
        ),
        "10 kB",
        "smaller image",
        "half precision",
    ),
    late(
        "Plug-and-Play on a transformer",
        lambda b: b.edited_of("sd3", attention_edit=b.add("InversionPlugAndPlay")),
        "Plug-and-Play",
        "UNet",
        "KV Injection",
    ),
    late(
        "a layer that the decoder has not",
        lambda b: b.with_edit(b.add("InversionPlugAndPlay", layer=32)),
        "0 to",
        "no layer 32",
    ),
    before("a layer out of range", lambda b: b.add("InversionPlugAndPlay", layer=33), "33", "32"),
    late(
        "a preset of another network",
        lambda b: b.with_edit(b.add("InversionKVInjection", preset=flux_preset(b))),
        "block",
        "auto",
    ),
    late(
        "no depth at all",
        lambda b: b.add("InversionKVInjection", preset="by depth", depth_start=0.9, depth_end=0.1),
        "depth_start",
        "0.9",
        "depth_end",
        "0.1",
    ),
    before(
        "a target mask alone",
        lambda b: b.add("InversionMutualAttention", target_mask=b.mask()),
        "source_mask",
        "target_mask",
    ),
    before(
        "a foreground by words and by masks",
        lambda b: b.add(
            "InversionMutualAttention",
            source_mask=b.mask(),
            clip=b.clip,
            source_prompt="a cat",
            target_prompt="a dog",
            source_words="cat",
            target_words="dog",
        ),
        "masks",
        "words",
        "both",
    ),
    before(
        "words of one prompt only",
        lambda b: b.add(
            "InversionMutualAttention", clip=b.clip, source_prompt="a cat", target_prompt="a dog", source_words="cat"
        ),
        "source_words",
        "target_words",
    ),
    before(
        "words without a text encoder",
        lambda b: b.add(
            "InversionMutualAttention",
            source_prompt="a cat",
            target_prompt="a dog",
            source_words="cat",
            target_words="dog",
        ),
        "text encoder",
        "clip",
    ),
    before(
        "a foreground's word that the prompt has not",
        lambda b: b.add(
            "InversionMutualAttention",
            clip=b.clip,
            source_prompt="a cat",
            target_prompt="a dog",
            source_words="bird",
            target_words="dog",
        ),
        "'bird'",
        "'source_prompt'",
        "a, cat",
    ),
    late(
        "KV-Edit with an empty mask",
        lambda b: b.add("InversionKVEdit", mask=b.mask(0.0)),
        "'mask' is empty",
    ),
    late(
        "KV-Edit with a full mask",
        lambda b: b.with_edit(b.add("InversionKVEdit", mask=b.mask(1.0))),
        "whole image",
        "background",
    ),
    late(
        "a mask of another size for KV-Edit",
        lambda b: b.with_edit(b.add("InversionKVEdit", mask=b.mask(1.0, 96, 64))),
        "96 x 64",
        "128 x 128",
    ),
    before("a word to view that the prompt has not", lambda b: b.view(prompt="a cat", words="dog"), "'dog'", "a, cat"),
    before("an empty prompt to view", lambda b: b.view(prompt="  "), "empty", "prompt"),
    late("blocks that do not exist", lambda b: b.view(blocks="attic"), "'attic'", "output", "middle"),
    late("a view of no steps", lambda b: b.view(start=0.9, end=0.1), "start", "0.9", "end", "0.1"),
    late("a view of another picture", lambda b: b.view(image=b.tensor("1,64,96,3")), "96 x 64", "128 x 128"),
    late("a view with another model", lambda b: b.view(model=b.family("sd15")[0]), "another model"),
]

OTHERS = [
    late(
        "a style on another grid",
        lambda b: b.with_edit(b.style(style=b.portrait(steps=1))),
        "1 step from",
        "2 steps from",
        "same noise levels",
    ),
    late(
        "a style of another model",
        lambda b: b.with_edit(b.style(style=b.inverted_of("sd15"))),
        "style",
        "another model",
    ),
    late("an empty garment", lambda b: b.garment(garment_mask=b.mask(0.0)), "garment_mask", "empty"),
    late("an empty region", lambda b: b.garment(region=b.mask(0.0)), "region", "empty"),
    late("a region of another size", lambda b: b.with_edit(b.garment(region=b.mask(1.0, 96, 64))), "96 x 64", "128"),
    late(
        "a garment on another grid",
        lambda b: b.with_edit(b.garment(garment=b.portrait(steps=1))),
        "1 step from",
        "same noise levels",
    ),
    late(
        "an empty garment to place",
        lambda b: b.add("InversionGarmentPlace", garment=b.scene, garment_mask=b.mask(0.0), region=b.mask()),
        "garment_mask",
        "empty",
    ),
    late(
        "a garment's mask of another size",
        lambda b: b.add("InversionGarmentPlace", garment=b.scene, garment_mask=b.mask(1.0, 64, 64), region=b.mask()),
        "64 x 64",
        "128 x 128",
    ),
    late(
        "two garments and three regions",
        lambda b: b.add(
            "InversionGarmentPlace",
            garment=b.tensor("2,64,64,3"),
            garment_mask=b.mask(1.0, 64, 64),
            region=b.tensor("3,64,64")[1],
        ),
        "2 garments",
        "3 regions",
    ),
    late(
        "a garment with NaN",
        lambda b: b.add(
            "InversionGarmentPlace", garment=b.tensor("1,128,128,3", "nan"), garment_mask=b.mask(), region=b.mask()
        ),
        "3 values",
        "NaN",
    ),
    late(
        "a video model's trajectory for Video Edit",
        lambda b: b.edited_of("wan", "InversionVideoEdit"),
        "video model",
        "Inversion Edit Sampler",
    ),
    before(
        "windows that hold no key frames",
        lambda b: b.by("InversionVideoEdit", spacing=8, window=4),
        "spacing",
        "8",
        "window",
        "4",
    ),
    late(
        "a clip with prompts for its frames",
        lambda b: b.by("InversionVideoEdit", target=b.odd_prompt("3,32,128")),
        "one prompt",
        "3",
    ),
    late(
        "masks for another number of frames",
        lambda b: b.by(
            "InversionVideoEdit",
            trajectory=b.invert(latent=b.encode(image=b.clip_of(3))),
            mask=b.tensor("2,128,128")[1],
        ),
        "2 masks",
        "3 images",
    ),
    late(
        "a clip of another length to report on",
        lambda b: b.add(
            "InversionReport",
            original=b.clip_of(3),
            reconstruction=b.clip_of(2),
            trajectory=b.inverted,
        ),
        "3 of 128 x 128",
        "2 of 128 x 128",
    ),
    late(
        "a portrait that shows the change already",
        lambda b: b.add("InversionToyboxScene", seed=23, change=shown_already(b)),
        "already shows",
        "seed 23",
    ),
    choice(
        "a change that the toybox has not", lambda b: b.add("InversionToyboxScene", change="hat: top"), "'hat: top'"
    ),
    before("a negative seed", lambda b: b.add("InversionToyboxScene", seed=-1), "-1", "0"),
    late(
        "an edit mask of another model",
        lambda b: b.add(
            "InversionEditMask",
            model=b.family("sd15")[0],
            trajectory=b.inverted,
            source=b.source,
            target=b.target,
        ),
        "another model",
    ),
    late(
        "an edit mask of one prompt",
        lambda b: b.add(
            "InversionEditMask",
            model=b.model,
            trajectory=b.inverted,
            source=b.source,
            target=b.source,
            method="Uni-Edit",
        ),
        "source",
        "target",
        "no difference",
    ),
    late("edges of a picture with NaN", lambda b: b.add("InversionEdges", image=b.tensor("1,64,64,3", "nan")), "NaN"),
    late("no VAE to view a trajectory with", lambda b: b.strip(vae=b.add("TestNothing")[2]), "no VAE"),
    late(
        "a trajectory viewed with another VAE",
        lambda b: b.strip(trajectory=b.inverted_of("sd15")),
        "4 channels",
        "Connect the VAE",
    ),
    late("a level that the trajectory has not", lambda b: b.strip(index=7), "1 image", "7"),
    late(
        "pictures of other shapes before and after",
        lambda b: b.before_after(after=b.tensor("1,64,192,3")),
        "128 x 128",
        "192 x 64",
    ),
    late(
        "two pictures before and three after",
        lambda b: b.before_after(before=b.tensor("2,64,64,3"), after=b.tensor("3,64,64,3")),
        "2 images",
        "3 after",
    ),
    late("an edit with NaN", lambda b: b.before_after(after=b.tensor("1,128,128,3", "nan")), "3 values", "NaN"),
    late(
        "a mask of another size before and after",
        lambda b: b.before_after(mask=b.mask(1.0, 96, 64)),
        "96 x 64",
        "128 x 128",
    ),
    late("an empty foreground", lambda b: b.add("InversionMutualAttention", source_mask=b.mask(0.0)), "'source_mask'"),
]


def flux_preset(bench: Bench) -> str:
    """A preset of KV Injection that was published for one network."""
    options = bench.graph.object_info["InversionKVInjection"]["input"]["required"]["preset"]
    choices = options[0] if isinstance(options[0], list) else options[1]["options"]
    return next(name for name in choices if name not in ("auto", "by depth"))


def shown_already(bench: Bench) -> str:
    """A change that the portrait of seed 23 has without it: it is by day or by night."""
    return "time: day"


def linked(bench: Bench, text: str) -> Node:
    """A text that comes through a link, which is not seen before its node runs."""
    return bench.add("PrimitiveString", value=text)


def scene_edit(bench: Bench, **settings: Any) -> Node:
    """An Attention Edit whose prompts are linked, so that its words are judged as it runs."""
    prompts = {"source_prompt": bench.scene[1], "target_prompt": bench.scene[2]}
    return bench.add("InversionAttentionEdit", **{"clip": bench.clip} | prompts | settings)


TEXTS = [
    before(
        "half of a character among weights",
        lambda b: scene_edit(b, word_weights=f"{HALF}: 2"),
        "'word_weights'",
        "half",
    ),
    before("half of a character in a prompt", lambda b: b.edit(target_prompt=f"a {HALF}"), "'target_prompt'", "half"),
    late(
        "half of a character among linked weights",
        lambda b: scene_edit(b, word_weights=linked(b, f"{HALF}: 2")),
        "'word_weights'",
        "half of a character, '\\ud800'",
    ),
    late(
        "half of a character among linked words of a blend",
        lambda b: scene_edit(b, blend_target_words=linked(b, HALF)),
        "'blend_target_words'",
        "half of a character",
    ),
    late("half of a character among linked words to view", lambda b: b.view(words=linked(b, HALF)), "'words'", "half"),
    late(
        "half of a character among linked methods",
        lambda b: b.add(
            "InversionCompare", model=b.model, vae=b.vae, image=b.scene, **b.words, methods=linked(b, HALF), steps=1
        ),
        "'methods'",
        "half",
    ),
    late("half of a character in a linked prefix", lambda b: b.save(linked(b, HALF)), "'filename_prefix'", "half"),
    late("a terminal's command among words", lambda b: b.view(words=linked(b, TERMINAL)), "\\x1b[2J\\u202e"),
    late("an endless text", lambda b: b.view(words=linked(b, "x" * 1_000_000)), "'words'", "1000000", "20000"),
]

NUMBERS = [
    late("guidance that is no number", lambda b: b.sample(guidance=NAN), "'guidance'", "1.0 to 30.0", "nan"),
    late(
        "a level that is no number",
        lambda b: b.add(
            "InversionEditMask", model=b.model, trajectory=b.inverted, source=b.source, target=b.target, level=NAN
        ),
        "'level'",
        "nan",
    ),
    late("a share that is no number", lambda b: b.view(threshold=NAN), "'threshold'", "0.0 to 1.0"),
    late(
        "a budget that is no number",
        lambda b: b.add("InversionAttentionMemory", attention_edit=b.attention, budget_gb=NAN),
        "'budget_gb'",
        "nan",
    ),
    late(
        "guidance out of range through a link",
        lambda b: b.sample(guidance=b.add("PrimitiveFloat", value=1e9)),
        "'guidance'",
        "1.0 to 30.0",
        "1000000000.0",
    ),
]

# Files


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

MISTAKES = [*PICTURES, *INVERSIONS, *EDITS, *ATTENTION, *OTHERS, *TEXTS, *NUMBERS, *NAMES, *FILES]
