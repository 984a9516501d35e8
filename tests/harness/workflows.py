"""Workflows as the front end saves them, turned into API prompts; whatever the front end would shrug at is an error here."""

from typing import Any

UI_ONLY = {"Note", "MarkdownNote"}
OFF = (2, 4)
"""The modes of nodes that the front end leaves out: muted and bypassed."""
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
"""A choice that brings inputs of its own. What was a plain choice may have become one; front ends read the saved value."""
SEEDS = ("seed", "noise_seed")
"""Numbers of these names get a control from the front end, whether their node asks for it or not."""


class WorkflowError(AssertionError):
    """What is wrong with a workflow."""


def require(condition: Any, message: str) -> None:
    if not condition:
        raise WorkflowError(message)


def api_prompt(workflow: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """The API prompt of a workflow in UI format 0.4. Raises WorkflowError unless it fits the nodes' schemas in everything."""
    require(workflow["version"] == 0.4, "the version is not 0.4")
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {link[0]: link for link in workflow["links"]}
    require(len(nodes) == len(workflow["nodes"]) and len(links) == len(workflow["links"]), "ids occur twice")
    require(workflow["last_node_id"] >= max(nodes) and workflow["last_link_id"] >= max(links), "last ids are too low")
    for link in links.values():
        check_link(link, nodes)
    for node in nodes.values():
        for output in node["outputs"]:
            for link in output["links"] or []:
                require(link in links, f"node {node['id']} names a link {link} that is not there")
    off = {number for number, node in nodes.items() if node["mode"] in OFF}
    for number, source, _, target, *_ in links.values():
        require(target in off or source not in off, f"link {number} comes from a node that is switched off")
    graphs = {graph["id"]: graph for graph in workflow.get("definitions", {}).get("subgraphs", [])}
    made, within = {}, {}
    for number, node in nodes.items():
        if number in off or node["type"] in UI_ONLY:
            continue
        if node["type"] in graphs:
            inner, within[str(number)] = subgraph_prompt(node, graphs[node["type"]], links, info)
            made |= inner
        else:
            made[str(number)] = {"class_type": node["type"], "inputs": inputs_of(node, links, info)}
    for entry in made.values():
        entry["inputs"] = {name: from_within(value, within) for name, value in entry["inputs"].items()}
    return made


def subgraph_prompt(
    node: dict[str, Any], graph: dict[str, Any], links: dict[int, Any], info: dict[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    """The nodes of a subgraph that stands on the canvas, and where each of its outputs comes from."""
    from .blueprints import expanded

    entries = [(entry["name"], links[entry["link"]]) for entry in node["inputs"] if entry["link"] is not None]
    given = {name: [str(link[1]), link[2]] for name, link in entries}
    blueprint = {"version": 0.4, "nodes": [node], "definitions": {"subgraphs": [graph]}}
    inner, outputs = expanded(blueprint, given, info, prefix=str(node["id"]))
    return inner, [outputs[slot["name"]] for slot in node["outputs"]]


def from_within(value: Any, within: dict[str, list[Any]]) -> Any:
    """A link to a subgraph's output as the link to the node in it; other values as they are."""
    return within[value[0]][value[1]] if isinstance(value, list) and value[0] in within else value


def check_link(link: list[Any], nodes: dict[int, Any]) -> None:
    number, source, slot, target, place, kind = link
    out, into = nodes[source]["outputs"][slot], nodes[target]["inputs"][place]
    require(number in (out["links"] or []) and into["link"] == number, f"link {number} is not known at both its ends")
    require(out["type"] == kind, f"link {number} is a {kind}, but comes from a {out['type']}")
    fits = kind == into["type"] or into["type"] == "*" or kind == "*"
    require(fits, f"link {number} of {kind} leads into {into['name']}, a {into['type']}")


def inputs_of(node: dict[str, Any], links: dict[int, Any], info: dict[str, Any]) -> dict[str, Any]:
    kind = node["type"]
    require(kind in info, f"no node is called {kind}")
    schema = info[kind]
    specs = {**schema["input"].get("required", {}), **schema["input"].get("optional", {})}
    if "latent-inversion" not in schema["python_module"]:  # newer ComfyUIs give their own nodes further options
        had = {*schema["input"].get("required", {}), *(entry["name"] for entry in node["inputs"])}
        specs = {name: spec for name, spec in specs.items() if name in had}
    check_sockets(node, schema, specs)
    values = widget_values(node, specs)
    for entry in node["inputs"]:
        if entry["link"] is not None:
            link = links[entry["link"]]
            values[entry["name"]] = [str(link[1]), link[2]]
    missing = set(schema["input"].get("required", {})) - set(values)
    require(not missing, f"{kind} lacks {sorted(missing)}")
    return values


def check_sockets(node: dict[str, Any], schema: dict[str, Any], specs: dict[str, Any]) -> None:
    kind = node["type"]
    names = [entry["name"] for entry in node["inputs"]]
    require(
        set(names) == set(specs) and len(names) == len(specs), f"{kind} has the inputs {sorted(specs)}, not {names}"
    )
    for entry in node["inputs"]:
        wanted = specs[entry["name"]][0]
        wanted = "COMBO" if isinstance(wanted, list) or wanted == DYNAMIC else wanted
        require(entry["type"] == wanted, f"{kind}.{entry['name']} is a {wanted}, not a {entry['type']}")
    outputs = [(output["type"], output["name"]) for output in node["outputs"]]
    wanted = list(zip(schema["output"], schema["output_name"], strict=True))
    if "latent-inversion" not in schema["python_module"]:
        wanted = wanted[: len(outputs)]  # newer versions of ComfyUI give its own nodes further outputs
    require(outputs == wanted, f"{kind} has the outputs {wanted}, not {outputs}")


def widget_values(node: dict[str, Any], specs: dict[str, Any]) -> dict[str, Any]:
    """The values of all widgets by name; every one is checked, and none may be left over."""
    rest, found = list(node["widgets_values"]), {}
    take_values(node["type"], specs, rest, found)
    require(not rest, f"{node['type']} has values left over: {rest}")
    return found


def take_values(owner: str, specs: dict[str, Any], rest: list[Any], found: dict[str, Any], within: str = "") -> None:
    """Move the values of widgets from the saved `rest` to `found`, those that a choice brings behind it."""
    for plain, (kind, *more) in specs.items():
        name, options = within + plain, more[0] if more else {}
        if (
            options.get("hidden")
            or options.get("forceInput")
            or not (isinstance(kind, list) or kind in WIDGETS or kind == DYNAMIC)
        ):
            continue
        require(rest, f"{owner} has no value for {name}")
        found[name] = rest.pop(0)
        if kind == DYNAMIC:
            take_values(owner, inputs_of_choice(options, found[name]), rest, found, f"{name}.")
            continue
        check_value(f"{owner}.{name}", kind, options, found[name])
        if options.get("control_after_generate", kind == "INT" and name in SEEDS):
            require(rest.pop(0) in ("fixed", "increment", "decrement", "randomize"), f"{name} lacks its control")
        if options.get("image_upload") or options.get("video_upload"):
            require(rest.pop(0) == "image", f"{name} lacks its upload button")


def inputs_of_choice(options: dict[str, Any], value: Any) -> dict[str, Any]:
    """The inputs that a dynamic combo's choice brings."""
    brought = {choice["key"]: choice["inputs"] for choice in options["options"]}
    require(value in brought, f"{value!r} is none of {list(brought)}")
    return {**brought[value].get("required", {}), **brought[value].get("optional", {})}


def check_value(name: str, kind: Any, options: dict[str, Any], value: Any) -> None:
    if kind in ("INT", "FLOAT"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        require(number and (kind == "FLOAT" or value == int(value)), f"{name} is {value!r}, not a {kind}")
        low, high = options.get("min", value), options.get("max", value)
        require(low <= value <= high, f"{name} is {value}, outside {low} to {high}")
    elif kind == "STRING":
        require(isinstance(value, str), f"{name} is {value!r}, not a text")
    elif kind == "BOOLEAN":
        require(isinstance(value, bool), f"{name} is {value!r}, not true or false")
    else:
        choices = kind if isinstance(kind, list) else options.get("options", [])
        uploads = options.get("image_upload") or options.get("video_upload")
        from_disk = not choices or uploads or name.endswith(("_name", "Trajectory.file"))  # files: not here, but there
        require(value in choices or from_disk, f"{name} is {value!r}, none of {choices}")
