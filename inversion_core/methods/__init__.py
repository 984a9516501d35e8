"""Published methods, one per file, and the inversions by the name the field knows them by."""

from .attention_view import word_attention
from .chord_edit import chord_edit
from .chunked import Chunked, chunks_of
from .clip import Window, edit_clip, windows
from .ddcm import ddcm
from .ddpm import EditFriendly
from .delta import Rule, delta_edit
from .diff_edit import diff_edit_mask
from .direct import direct
from .direct_edit import aligned, aligned_source
from .flow_align import flow_align
from .flow_edit import flow_edit
from .h_edit import h_edit, h_edit_source
from .inversions import INVERSIONS, Inversion, invert
from .ledits import Concept, ledits
from .negative_prompt import negative_prompt
from .null_text import optimize_null_text
from .ode import Ode, from_slope, from_zero
from .prox_npi import hard_threshold, prox_npi, soft_threshold
from .rf_inversion import RfInversion, controlled
from .turbo_edit import turbo_edit
from .uni_edit import uni_edit, uni_edit_mask
from .with_null_text import with_null_text

__all__ = [
    "INVERSIONS",
    "Chunked",
    "Concept",
    "EditFriendly",
    "Inversion",
    "Ode",
    "RfInversion",
    "Rule",
    "Window",
    "aligned",
    "aligned_source",
    "chord_edit",
    "chunks_of",
    "controlled",
    "ddcm",
    "delta_edit",
    "diff_edit_mask",
    "direct",
    "edit_clip",
    "flow_align",
    "flow_edit",
    "from_slope",
    "from_zero",
    "h_edit",
    "h_edit_source",
    "hard_threshold",
    "invert",
    "ledits",
    "negative_prompt",
    "optimize_null_text",
    "prox_npi",
    "soft_threshold",
    "turbo_edit",
    "uni_edit",
    "uni_edit_mask",
    "windows",
    "with_null_text",
    "word_attention",
]
