"""What each command takes, a file each, read without torch: `add_options` says it."""

from importlib import import_module
from types import ModuleType


def load_options(name: str) -> ModuleType:
    """The file of a command's options."""
    return import_module(f".{name.replace('-', '_')}", __name__)
