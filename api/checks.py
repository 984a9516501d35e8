"""What a request cannot ask for, in sentences, before anything is loaded. Arguments stand in backticks."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..inversion_core.dial import PRESETS
from ..inversion_core.methods import EDITORS
from ..inversion_core.solvers import SOLVERS
from ..inversion_core.wording import nearest, quoted
from ..pictures.errors import UserError
from .control import ALIGNMENTS, SHARES

if TYPE_CHECKING:
    from .request import EditRequest

DIALLED = ("direct", "ddim")
"""The methods that a preset and its strength turn; the others have a strength of their own, a share of the steps."""


def check_values(asked: "EditRequest") -> None:
    """Raises UserError at names that there are not, numbers out of range, and a target that is no text or empty."""
    for what, value, names in (
        ("method", asked.method, EDITORS),
        ("preset", asked.preset, PRESETS),
        ("align", asked.align, ALIGNMENTS),
        ("share", asked.share, SHARES),
    ):
        if value is not None:
            check_name(what, value, names)
    for name, most in (("strength", 1.0), ("cross", 1.0), ("self_attention", 1.0), ("guidance", 100.0)):
        number = getattr(asked, name)
        if number is not None and not (isinstance(number, int | float) and 0 <= number <= most):
            raise UserError(f"`{name}` must be a number between 0 and {most:g}; got {quoted(number)}.")
    check_prompt(asked.target, "target prompt")
    if not asked.target.strip():
        raise UserError("The target prompt is empty. Describe in `target` what the image should show.")
    if isinstance(asked.words, str):
        raise UserError(f"`words` must be a list of words, such as ['cat', 'dog']; got {quoted(asked.words)}.")


def check_together(asked: "EditRequest") -> None:
    """Raises UserError at settings that do not go together."""
    if asked.preset is not None and asked.method not in DIALLED:
        raise UserError(
            f"`preset` turns the methods {' and '.join(DIALLED)}, but {asked.method} has settings of its own. Leave `preset` out."
        )
    if asked.weights and not asked.holds_words:
        raise UserError("`weights` acts while `cross` lasts, but `cross` is 0. Raise `cross`.")
    if asked.kv_edit and asked.mask is None and not asked.find_region:
        raise UserError("`kv_edit` redraws a region. Name a mask image with `mask`, or add `find_region`.")
    if asked.find_region and asked.mask is not None:
        raise UserError("`mask` names the region and `find_region` looks for one. Use only one of the two.")


def check_method(asked: "EditRequest") -> None:
    """Raises UserError at settings that the method cannot take."""
    method, editor = asked.method, asked.editor
    if asked.few_steps and (asked.negative or editor.uncond):
        raise UserError(
            "`few_steps` models take no negative prompt. Edit with `method` direct or ddim, without `negative`."
        )
    if asked.negative is not None and editor.own_negative:
        raise UserError(
            f"`negative` works with methods such as direct and ddim, but {method} sets its own negative prompt. Leave `negative` "
            "out, or choose another method."
        )
    if asked.seed is not None and not editor.draws_noise:
        raise UserError(f"`seed` is for methods that draw noise, but {method} draws none. Leave `seed` out.")
    if editor.inversion is None and asked.kv_edit:
        raise UserError(
            f"`kv_edit` keeps the background of a trajectory, but {method} follows no trajectory. Choose a method such as direct."
        )


def check_inversion(method: str, inversion: str | None, stored: bool) -> None:
    """Raises UserError if the method edits along no trajectory of that inversion, or along none that is `stored`."""
    editor = EDITORS[method]
    if inversion is not None and editor.inversion != "ddim":
        how = "needs no inversion" if editor.inversion is None else f"inverts the image by '{editor.inversion}'"
        raise UserError(
            f"`inversion` is for methods that edit along DDIM inversion, but {method} {how}. Leave `inversion` out."
        )
    if inversion in SOLVERS and editor.solvers and inversion not in editor.solvers:
        raise UserError(f"{method} edits along DDIM inversion, not along '{inversion}'. Leave `inversion` out.")
    if editor.inversion is None and stored:
        raise UserError(f"`trajectory` is of no use to {method}, which needs no inversion. Leave `trajectory` out.")


def check_name(what: str, name: object, names: Iterable[str]) -> None:
    """Raises UserError unless the name is one of the names; the most similar is offered."""
    if name not in (known := list(names)):
        raise UserError(
            f"There is no `{what}` {quoted(name)}.{nearest(str(name), known)} Choose from: {', '.join(known)}."
        )


def check_prompt(prompt: object, what: str) -> None:
    """Raises UserError unless the prompt is a text."""
    if not isinstance(prompt, str):
        raise UserError(f"The {what} must be a text, such as 'a photo of a cat'; got a {type(prompt).__name__}.")
