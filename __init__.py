"""Latent Inversion: a ComfyUI node pack, and the library and command line beneath it.

Importing this package needs neither ComfyUI nor torch: ComfyUI calls `comfy_entrypoint`, and only then
are the nodes imported.
"""

from typing import Any

WEB_DIRECTORY = "./web"
"""Where ComfyUI finds the pack's scripts for the browser."""


async def comfy_entrypoint() -> Any:
    """ComfyUI's way in: the extension whose nodes this pack brings."""
    from comfy_api.latest import ComfyExtension

    class LatentInversionExtension(ComfyExtension):
        async def get_node_list(self) -> list[type]:
            from .nodes import node_list
            from .nodes.files.routes import register

            register()
            return node_list()

    return LatentInversionExtension()
