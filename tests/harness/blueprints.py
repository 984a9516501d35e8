"""Subgraph blueprints as the front end saves them, expanded into nodes of an API prompt; what does not fit is an error."""

from collections.abc import Mapping
from typing import Any

from .workflows import WorkflowError, check_link, inputs_of, require

INPUTS, OUTPUTS = -10, -20
"""The ids of a subgraph's own two ends."""


def definition_of(blueprint: Mapping[str, Any]) -> dict[str, Any]:
    """The subgraph that a blueprint holds. Raises WorkflowError unless its one node shows the subgraph's inputs and outputs."""
    require(blueprint["version"] == 0.4, "the version is not 0.4")
    (node,), (definition,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    require(node["type"] == definition["id"], "the node is not one of the subgraph")
    for side in ("inputs", "outputs"):
        shown, own = ([(slot["name"], slot["type"]) for slot in one[side]] for one in (node, definition))
        require(shown == own, f"the node shows the {side} {shown}, the subgraph has {own}")
    inner = {str(one["id"]): one for one in definition["nodes"]}
    for number, name in node["properties"]["proxyWidgets"]:
        names = [entry["name"] for entry in inner[number]["inputs"] if "widget" in entry]
        require(name in names, f"the node shows a widget {name} of {inner[number]['type']}, which has {names}")
    return definition


def expanded(
    blueprint: Mapping[str, Any], given: Mapping[str, Any], info: Mapping[str, Any], prefix: str = "inner"
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """A blueprint's nodes for an API prompt, and the link of each output; `given` are links and values by input name.

    Widgets that are not given keep the blueprint's values. Raises WorkflowError for what fits no schema, or is missing.
    """
    definition = definition_of(blueprint)
    nodes = {node["id"]: node for node in definition["nodes"]} | ends_of(definition)
    ends = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = {link["id"]: [link[key] for key in ends] for link in definition["links"]}
    for link in links.values():
        check_link(link, nodes)
    names = [slot["name"] for slot in definition["inputs"]]
    require(set(given) <= set(names), f"{sorted(set(given) - set(names))} are no inputs; there are {names}")
    prompt, outputs = {}, {}
    for node in definition["nodes"]:
        entries = [keep(entry, links, names, given) for entry in node["inputs"]]
        values = inputs_of({**node, "inputs": entries}, links, info)
        for name, value in values.items():
            values[name] = moved(value, names, given, prefix)
        prompt[f"{prefix}:{node['id']}"] = {"class_type": node["type"], "inputs": values}
    for slot in definition["outputs"]:
        (number,) = slot["linkIds"]
        outputs[slot["name"]] = [f"{prefix}:{links[number][1]}", links[number][2]]
    return prompt, outputs


def ends_of(definition: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """The subgraph's two ends as nodes, for the check of links."""
    outputs = [{**slot, "links": slot["linkIds"]} for slot in definition["inputs"]]
    inputs = [{**slot, "link": slot["linkIds"][0]} for slot in definition["outputs"]]
    return {INPUTS: {"outputs": outputs, "inputs": []}, OUTPUTS: {"outputs": [], "inputs": inputs}}


def keep(
    entry: dict[str, Any], links: Mapping[int, list[Any]], names: list[str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """An input, cut off from the subgraph's own if nothing is given there."""
    link = links.get(entry["link"]) if entry["link"] is not None else None
    if link is None or link[1] != INPUTS or names[link[2]] in given:
        return entry
    if "widget" not in entry:
        raise WorkflowError(f"nothing is connected to {names[link[2]]}")
    return {**entry, "link": None}


def moved(value: Any, names: list[str], given: Mapping[str, Any], prefix: str) -> Any:
    """A widget's value as it is, a link to its place in the prompt."""
    if not isinstance(value, list):
        return value
    return given[names[value[1]]] if value[0] == str(INPUTS) else [f"{prefix}:{value[0]}", value[1]]
