"""The commands, a file each: `run` does it, and `options` says what it takes. A file is read when its command is run."""

from importlib import import_module
from types import ModuleType

COMMANDS = {
    "demo": "edit six images of the embedded toybox world and compare with the truth; needs nothing",
    "invert": "image -> trajectory file (.safetensors), and the reconstructed image",
    "edit": "image + old and new prompt -> edited image",
    "style": "image + the name or an image of a style -> restyled image",
    "try-on": "person + garment -> the person in the garment",
    "video": "clip + old and new prompt -> edited clip",
    "look": "where in the image each word of the prompt draws attention, and masks of words",
    "report": "how well the model can represent and retrace the image, and what to try if it cannot",
    "compare": "every method that fits the model on one image, side by side",
}
"""What each command is for, by its name."""


def load_command(name: str) -> ModuleType:
    """The file of a command."""
    return import_module(f".{name.replace('-', '_')}", __name__)
