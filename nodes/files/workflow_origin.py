"""With what a trajectory was made, read from the graph above a node: its prompts, its model's file, its LoRAs.

A CONDITIONING carries no text and a MODEL no name, so both are looked up in the prompt that ComfyUI runs. Where they
cannot be known - a text that another node works out - they are left empty.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...inversion_core.trajectory import Provenance
from ...inversion_core.wording import plain, whole

LONGEST, NAME, LORAS, DEPTH = 4000, 200, 20, 200
"""The most letters of a prompt and of a file's name, and the most LoRAs, that are kept; how far up a graph is followed."""
WEIGHTS = (".safetensors", ".sft", ".ckpt", ".gguf", ".pt", ".pth", ".bin")
PLAIN = {"value", "text", "string", "prompt"}
SAID_BY = {"InversionAttentionEdit": {1: "source_prompt", 2: "target_prompt"}, "ConditioningZeroOut": {0: ""}}
"""Nodes whose conditionings have texts of their own: the input that holds it, by output."""
TOYBOX = {"InversionToyboxScene", "InversionToyboxPair", "InversionToyboxVideo"}
"""Nodes that work their texts out from their widgets alone, at once."""


@dataclass(frozen=True)
class Spot:
    """One node of a prompt in API format, and the classes that ComfyUI knows, by name."""

    graph: Mapping[str, Any]
    classes: Mapping[str, Any]
    id: str
    depth: int = 0

    @property
    def kind(self) -> str:
        return str(self.graph.get(self.id, {}).get("class_type", ""))

    @property
    def inputs(self) -> dict[str, Any]:
        return dict(self.graph.get(self.id, {}).get("inputs", {}))

    def above(self, name: str) -> "tuple[Spot, int] | None":
        """The node whose output leads into an input, and the output's number; None if no link does."""
        link = self.inputs.get(name)
        if not isinstance(link, list) or len(link) != 2 or str(link[0]) not in self.graph or self.depth > DEPTH:
            return None
        return Spot(self.graph, self.classes, str(link[0]), self.depth + 1), int(link[1])

    def links(self, socket: str) -> "Iterator[tuple[Spot, int]]":
        """The nodes above that give a value of this kind."""
        for spot in map(self.above, self.inputs):
            if spot and _at(_outputs(self.classes.get(spot[0].kind)), spot[1]) == socket:
                yield spot

    def text(self, name: str) -> str:
        """The text of an input: its widget's, or that of a node above that holds a plain text."""
        given = self.inputs.get(name, "")
        if isinstance(given, str):
            return given
        spot = self.above(name)
        if spot is None:
            return ""
        node, output = spot
        if node.kind in TOYBOX and not any(isinstance(value, list) for value in node.inputs.values()):
            return str(self.classes[node.kind].execute(**node.inputs).result[output])
        only = next(iter(node.inputs), "")
        return node.text(only) if len(node.inputs) == 1 and only in PLAIN else ""


def complete(
    provenance: Provenance, graph: Mapping[str, Any] | None, node_id: Any, *, classes: Mapping[str, Any] | None = None
) -> Provenance:
    """The provenance of the trajectory that comes into a node, with what the graph above tells of prompts, checkpoint and LoRAs.

    As it is where the graph does not tell: a trajectory from a file brings its own.
    """
    known = _comfys_classes() if classes is None else classes
    above = Spot(graph or {}, known, str(node_id)).above("trajectory")
    while above and above[0].above("trajectory"):
        above = above[0].above("trajectory")
    if above is None or above[0].kind == "InversionLoadTrajectory":
        return provenance
    node = above[0]
    names = ("source", "negative") if node.inputs.get("guidance", 1) != 1 else ("source",)
    prompt, negative = (*(_join(prompts_of(node.above(name))) for name in names), "")[:2]
    checkpoint, loras = model_of(node)
    return shorten(
        replace(provenance, prompt=prompt or provenance.prompt, negative=negative, checkpoint=checkpoint, loras=loras)
    )


def shorten(provenance: Provenance) -> Provenance:
    """The same, of whose texts and names only so much is kept as can be shown."""
    checkpoint, *loras = (plain(name, NAME) for name in (provenance.checkpoint, *provenance.loras[:LORAS]))
    more = [f"and {len(provenance.loras) - LORAS} more"] if len(provenance.loras) > LORAS else []
    prompt, negative = (whole(text[:LONGEST]) for text in (provenance.prompt, provenance.negative))
    return replace(provenance, prompt=prompt, negative=negative, checkpoint=checkpoint, loras=(*loras, *more))


def prompts_of(place: tuple[Spot, int] | None, met: set[tuple[str, int]] | None = None) -> list[str]:
    """The texts in a conditioning, from the node that gives it upwards; what was `met` is not asked again."""
    met = set() if met is None else met
    if place is None or (place[0].id, place[1]) in met:
        return []
    node, output = place
    met.add((node.id, output))
    if node.kind in SAID_BY:
        return [node.text(SAID_BY[node.kind].get(output, ""))]
    if texts := [node.text(name) for name in _texts(node.classes.get(node.kind)) if name in node.inputs]:
        return texts
    above = list(node.links("CONDITIONING"))
    given = [place for place, kind in enumerate(_outputs(node.classes.get(node.kind))) if kind == "CONDITIONING"]
    if len(given) > 1 and len(given) == len(above) and output in given:  # positive and negative side by side
        above = [above[given.index(output)]]
    return [text for spot in above for text in prompts_of(spot, met)]


def model_of(node: Spot) -> tuple[str, tuple[str, ...]]:
    """The name of the model's file and those of its LoRAs, from the first applied on."""
    loras: list[str] = []
    while above := next(node.links("MODEL"), None):
        node = above[0]
        loras += [_file(value) for name, value in node.inputs.items() if "lora" in name and _is_file(value)]
    if node.kind == "InversionToyboxLoader":
        return f"toybox {node.inputs.get('model', '')}".strip(), tuple(reversed(loras))
    return _file(next(filter(_is_file, node.inputs.values()), "")), tuple(reversed(loras))


def _comfys_classes() -> Mapping[str, Any]:
    import nodes

    return nodes.NODE_CLASS_MAPPINGS


def _outputs(kind: Any) -> tuple[Any, ...]:
    return tuple(getattr(kind, "RETURN_TYPES", None) or ())


def _at(outputs: tuple[Any, ...], place: int) -> Any:
    return outputs[place] if 0 <= place < len(outputs) else None


def _texts(kind: Any) -> list[str]:
    """The inputs of a node's class that hold long texts: its prompts."""
    if kind is None:
        return []
    groups = kind.INPUT_TYPES()
    specs = {**groups.get("required", {}), **groups.get("optional", {})}
    return [name for name, spec in specs.items() if spec[0] == "STRING" and len(spec) > 1 and spec[1].get("multiline")]


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.lower().endswith(WEIGHTS)


def _file(name: str) -> str:
    return re.split(r"[\\/]", name)[-1]


def _join(texts: list[str]) -> str:
    return "\n".join(dict.fromkeys(filter(None, (text.strip() for text in texts))))
