"""Captions of scenes: one canonical sentence per scene, and freer wordings for training."""

import random

from .scene import ATTRIBUTES, Scene

# Chance that a free caption keeps quiet about an attribute. The accessory is always told: no mention means none.
SILENCE = {"fur": 0.06, "shirt": 0.06, "pattern": 0.1, "place": 0.1, "time": 0.1, "style": 0.1, "accessory_color": 0.1}
TEMPLATES = (
    "a {style} of a {fur} {animal} {wearing} in a {pattern} {shirt} shirt , in the {place} at {time}",
    "{style} of one {fur} {animal} with a {pattern} {shirt} shirt {and_wearing} , {place} , {time}",
    "a {fur} {animal} {wearing} , {shirt} {pattern} shirt , {place} during the {time} , {style}",
    "in the {place} at {time} : a {style} of the {fur} {animal} in a {shirt} {pattern} shirt {and_wearing}",
    "this {style} shows a {fur} {animal} {wearing} and a {pattern} shirt in {shirt} . it is {time} in the {place}",
    "{time} , {place} , {animal} , {fur} fur , {pattern} {shirt} shirt {and_wearing} , {style}",
)
SYNONYMS = {
    "ginger": "orange",
    "gray": "grey",
    "rabbit": "bunny",
    "photo": "photograph",
    "sketch": "drawing",
    "striped": "stripy",
    "dotted": "spotted",
    "meadow": "grass",
    "snow": "winter",
    "sunset": "evening",
    "day": "daytime",
}
SYNONYM = 0.2  # chance of a synonym in a free caption
CANONICAL, SHORT = 0.5, 0.1  # shares of training captions


def caption(scene: Scene, rng: random.Random | None = None) -> str:
    """Return a caption of the scene.

    Without `rng` it is the canonical one, which names every attribute: two scenes that differ in one attribute have
    captions that differ in its words only. With `rng` the wording varies and attributes may go unmentioned.
    """
    if rng is None or rng.random() < CANONICAL:
        return canonical(scene)
    if rng.random() < SHORT / (1 - CANONICAL):
        return _short(scene, rng)
    template = rng.choice(TEMPLATES)
    words = {name: _worded(name, getattr(scene, name), rng) for name in ATTRIBUTES}
    accessory = _accessory(scene, words["accessory_color"])
    words |= {
        "wearing": f"wearing {accessory}" if accessory else "",
        "and_wearing": f"and {accessory}" if accessory else "",
    }
    return tidy(template.format(**words))


def canonical(scene: Scene) -> str:
    """Return the one full caption of the scene."""
    accessory = _accessory(scene, scene.accessory_color)
    wearing = f" wearing {accessory}" if accessory else ""
    return (
        f"a {scene.style} of a {scene.fur} {scene.animal}{wearing} in a {scene.pattern} {scene.shirt} shirt, "
        f"in the {scene.place} at {scene.time}"
    )


def tidy(text: str) -> str:
    """Remove the gaps that unmentioned attributes leave."""
    words = [word for word in text.split() if word]
    kept: list[str] = []
    for word in words:
        if word in {",", "."} and (not kept or kept[-1] in {",", "."}):
            continue
        kept.append(word)
    return " ".join(kept).replace(" ,", ",").replace(" .", ".").replace(" :", ":").strip(" ,")


def world_words() -> list[str]:
    """Return every word and mark that a caption can hold, sorted: the vocabulary."""
    words = {value for values in ATTRIBUTES.values() for value in values} | set(SYNONYMS.values())
    words |= {"no", "not", "without", "and", "an", "is", "picture", "image", "portrait", "wears", "has", "on"}
    words |= {word for template in TEMPLATES for word in template.split() if not word.startswith("{")}
    return sorted((words | {"a", "of", "wearing", "in", "the", "at", "shirt"}) - {"none"})


def _accessory(scene: Scene, colour: str) -> str:
    if scene.accessory == "none":
        return ""
    return f"{'a ' if scene.accessory == 'hat' else ''}{colour} {scene.accessory}".replace("  ", " ").strip()


def _worded(name: str, value: str, rng: random.Random) -> str:
    if rng.random() < SILENCE.get(name, 0.0):
        return ""
    return SYNONYMS.get(value, value) if rng.random() < SYNONYM else value


def _short(scene: Scene, rng: random.Random) -> str:
    """Return a few words only, as people type them."""
    choices = (
        f"a {scene.animal}",
        f"a {scene.fur} {scene.animal}",
        f"a {scene.animal} at {scene.time}",
        f"a {scene.style} of a {scene.animal}",
        f"{scene.fur} {scene.animal}, {scene.place}",
        f"a {scene.style} in the {scene.place} at {scene.time}",
    )
    told = "" if scene.accessory == "none" else f", {_accessory(scene, scene.accessory_color)}"
    return rng.choice(choices) + told
