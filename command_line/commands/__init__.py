"""The commands, a file each: `add_options` says what it takes, `run` does it. A file is read when its command is asked for."""

from importlib import import_module
from types import ModuleType

COMMANDS = {
    "demo": "edit six pictures of the embedded toybox world and compare with the truth; needs nothing",
    "invert": "picture -> trajectory file (.safetensors), and the picture that it gives back",
    "edit": "picture + old and new description -> edited picture",
    "style": "picture + the name or a picture of a style -> restyled picture",
    "try-on": "person + garment -> the person in the garment",
    "video": "clip + old and new description -> edited clip",
    "look": "where in the picture each word of its description draws attention, and masks of words",
    "report": "how well the model can hold and retrace the picture, and what to try if it cannot",
    "compare": "every method that fits the model on one picture, side by side",
}
"""What each command is for, by its name."""


def load_command(name: str) -> ModuleType:
    """The file of a command."""
    return import_module(f".{name.replace('-', '_')}", __name__)
