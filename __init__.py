"""Latent Inversion: edit real images by diffusion inversion. A ComfyUI node pack, a library and a command line.

    import latent_inversion as li

    inversion = li.load("folder of a model").invert("photo.png", "a photo of a cat")
    inversion.edit("a photo of a tiger").image.save("tiger.png")

Importing this package needs neither ComfyUI nor torch: a name of the library is imported when it is first asked for, and
ComfyUI calls `comfy_entrypoint`, which imports the nodes. docs/api.md explains the names.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.inversion import Inversion
    from .api.latents import edit_latent, wrap_denoiser
    from .api.model import Model, list_inversions, list_methods, list_presets, load
    from .api.report import Report
    from .api.result import EditResult
    from .pictures.errors import UserError

__version__ = "0.4.0"
__all__ = [
    "EditResult",
    "Inversion",
    "Model",
    "Report",
    "UserError",
    "edit_latent",
    "list_inversions",
    "list_methods",
    "list_presets",
    "load",
    "wrap_denoiser",
]
_HOMES = {
    "EditResult": "api.result",
    "Inversion": "api.inversion",
    "Report": "api.report",
    "UserError": "pictures.errors",
    "edit_latent": "api.latents",
    "wrap_denoiser": "api.latents",
    **dict.fromkeys(("Model", "list_inversions", "list_methods", "list_presets", "load"), "api.model"),
}

WEB_DIRECTORY = "./web"
"""Where ComfyUI finds the pack's scripts for the browser."""


def __getattr__(name: str) -> Any:
    """A name of the library, from the file that it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


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
