"""Published methods that edit a picture by two prompts, one per file, in the order in which nodes and tables show them."""

from . import (
    by_inversion,
    chord_edit,
    ddcm,
    ddim,
    direct,
    direct_edit,
    edit_friendly,
    exact,
    flow_align,
    flow_edit,
    h_edit,
    ledits,
    negative_prompt,
    null_text,
    prox_npi,
    rf_inversion,
    steer_flow,
    turbo_edit,
    uni_edit,
)
from .editor import EditJob, Editor, WrongInversion
from .published import USUAL, Settings, kind_of

_LISTED: dict[str, tuple[Editor, ...]] = {
    "guidance": (ddim.EDITOR, null_text.EDITOR, negative_prompt.EDITOR, prox_npi.EDITOR),
    "solvers": by_inversion.EDITORS,
    "exact": exact.EDITORS,
    "anchoring": (direct.EDITOR, direct_edit.EDITOR, *h_edit.EDITORS),
    "stochastic": (edit_friendly.EDITOR, ledits.EDITOR),
    "flow control": (rf_inversion.EDITOR,),
    "delta": (flow_edit.EDITOR, flow_align.EDITOR, ddcm.EDITOR, uni_edit.EDITOR, steer_flow.EDITOR),
    "few steps": (turbo_edit.EDITOR, chord_edit.EDITOR),
}

GROUPS = {group: {editor.name: editor for editor in editors} for group, editors in _LISTED.items()}
"""The methods by group and name."""
EDITORS: dict[str, Editor] = {name: editor for group in GROUPS.values() for name, editor in group.items()}
"""All methods by name."""

__all__ = ["EDITORS", "GROUPS", "USUAL", "EditJob", "Editor", "Settings", "WrongInversion", "kind_of"]
