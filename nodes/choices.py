"""What ComfyUI does not look at before it runs a node: choices that do not exist, and values that are not what their socket says."""

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from comfy_api.latest import io

from .checks import check_conditioning, check_image, check_latent, check_loaded, check_mask, check_samples, check_vae
from .prompt_words import check_clip

VALUES: dict[str, Callable[[str, Any], None]] = {
    "MODEL": lambda name, model: check_loaded(model, name),
    "CLIP": lambda name, clip: check_clip(clip, name),
    "VAE": lambda name, vae: check_vae(vae, name),
    "CONDITIONING": check_conditioning,
    "IMAGE": check_image,
    "MASK": check_mask,
    "LATENT": check_latent,
    "LATENT_TRAJECTORY": lambda name, record: check_trajectory(name, record),
}
"""What raises ValueError at a value that is not of its socket's type, by the type."""


@cache
def choosing(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node, which raises ValueError when it is run with a choice or a value that its schema has not."""
    execute = node.execute.__func__  # type: ignore[attr-defined]

    @wraps(execute)
    def checked(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> io.NodeOutput:
        check_choices(cls, inputs)
        check_values(cls, inputs)
        return execute(cls, *args, **inputs)

    node.execute = classmethod(checked)
    return node


def check_choices(node: type[io.ComfyNode], inputs: dict[str, Any]) -> None:
    """Raises ValueError at a choice that does not exist; what the node's own `validate_inputs` sees is left to it."""
    own = inspect.signature(node.validate_inputs).parameters
    for choice in node.define_schema().inputs:
        if isinstance(choice, io.Combo.Input) and choice.id in inputs and choice.id not in own:
            value, options = inputs[choice.id], list(choice.options or ())
            if value not in options:
                raise ValueError(f"'{choice.id}' has no choice '{value}'. There are: {', '.join(map(str, options))}.")


def check_values(node: type[io.ComfyNode], inputs: dict[str, Any]) -> None:
    """Raises ValueError at a value that is not what its socket says: nothing, no picture, numbers that are not finite."""
    for socket in node.define_schema().inputs:
        given = inputs.get(socket.id)
        check = VALUES.get(socket.get_io_type())
        if check is not None and (given is not None or not socket.optional):
            check(socket.id, given)


def check_trajectory(name: str, record: Any) -> None:
    """Raises ValueError if there is no trajectory of pictures or videos."""
    if record is None:
        raise ValueError(f"There is no trajectory at '{name}': connect one, from an inversion node or Load Trajectory.")
    check_samples(f"The trajectory at '{name}'", record.trajectory.xs[-1])
