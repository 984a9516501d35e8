"""The pack's ComfyUI nodes. Importing this package needs no ComfyUI; `node_list` does."""


def node_list() -> list[type]:
    """Every node class, in the order of the menus."""
    return []
