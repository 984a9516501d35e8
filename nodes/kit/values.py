"""What sockets carry, looked at before a node works with it."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from .checks import check_finite, check_vae, rgb
from .prompt_text import check_clip


def check_values(sockets: Sequence[Any], inputs: dict[str, Any]) -> None:
    """Raises ValueError at a value that is not what its socket says: nothing, no picture, numbers that are not finite."""
    for socket in sockets:
        given = inputs.get(socket.id)
        check = VALUES.get(socket.get_io_type())
        if check is not None and (given is not None or not socket.optional):
            check(given, socket.id)


def check_loaded(model: Any, name: str) -> None:
    """Raises ValueError if there is no model."""
    if model is None:
        raise ValueError(
            f"There is no model at '{name}': the node before gave none. Load a checkpoint that contains one, and connect it at '{name}'."
        )


def check_image(image: Any, name: str) -> None:
    """Raises ValueError if there are no pictures `[batch, height, width, channels]`, or their values are not finite."""
    if not isinstance(image, Tensor) or image.ndim != 4 or 0 in image.shape[:3]:
        raise ValueError(
            f"There is no image at '{name}': got {_shape(image)}, expected images of at least one pixel, [batch, height, width, "
            "channels]. Connect an image."
        )
    rgb(image)


def check_mask(mask: Any, name: str) -> None:
    """Raises ValueError if there are no masks `[batch, height, width]`, or their values are not finite."""
    if (
        not isinstance(mask, Tensor)
        or 0 in mask.shape
        or mask.ndim not in (2, 3, 4)
        or mask.shape[1:-2] not in ((), (1,))
    ):
        raise ValueError(
            f"There is no mask at '{name}': got {_shape(mask)}, expected masks of at least one pixel, [batch, height, width]. Connect a mask."
        )
    check_finite(f"The mask at '{name}'", mask)


def check_latent(latent: Any, name: str = "latent") -> None:
    """Raises ValueError if there is no LATENT of pictures or videos, or its values are not finite."""
    if latent is None:
        raise ValueError(
            f"There is no latent at '{name}': the node before gave none. Connect an image through Inversion Encode."
        )
    samples = latent.get("samples") if isinstance(latent, dict) else None
    if getattr(samples, "is_nested", False):
        raise ValueError(
            f"The latent at '{name}' holds video and sound together. Separate them (LTXV Separate AV Latent), and connect the video latent."
        )
    check_samples(samples, f"The latent at '{name}'")


def check_samples(samples: Any, what: str) -> None:
    """Raises ValueError if these are no latents of pictures or videos, or their values are not finite."""
    if not isinstance(samples, Tensor) or samples.ndim not in (4, 5) or 0 in samples.shape:
        raise ValueError(
            f"{what} holds no image: got {_shape(samples)}, expected [batch, channels, height, width], for a video [batch, channels, "
            "frames, height, width], with no side of 0. Encode an image with Inversion Encode."
        )
    check_finite(what, samples)


def check_conditioning(prompt: Any, name: str) -> None:
    """Raises ValueError if there is no prompt."""
    if not prompt:
        raise ValueError(f"The conditioning '{name}' is empty. Connect a prompt from CLIP Text Encode.")
    for embedding in (entry[0] for entry in prompt if isinstance(entry[0], Tensor)):
        if embedding.ndim != 3 or 0 in embedding.shape:
            raise ValueError(
                f"The conditioning '{name}' holds no prompt: got {_shape(embedding)}, expected embeddings [batch, tokens, width]. "
                "Connect a prompt from CLIP Text Encode."
            )
        check_finite(f"The conditioning '{name}'", embedding)


def check_trajectory(record: Any, name: str) -> None:
    """Raises ValueError if there is no trajectory of pictures or videos."""
    if record is None:
        raise ValueError(f"There is no trajectory at '{name}'. Connect an inversion node or Load Trajectory.")
    check_samples(record.trajectory.xs[-1], f"The trajectory at '{name}'")


def _shape(value: Any) -> str:
    return f"the shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a value of type {type(value).__name__}"


VALUES: dict[str, Callable[[Any, str], None]] = {
    "MODEL": check_loaded,
    "CLIP": check_clip,
    "VAE": check_vae,
    "CONDITIONING": check_conditioning,
    "IMAGE": check_image,
    "MASK": check_mask,
    "LATENT": check_latent,
    "LATENT_TRAJECTORY": check_trajectory,
}
"""What raises ValueError at a value that is not what a socket of that type promises, given the value and the socket's name."""
