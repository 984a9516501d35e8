"""Published methods, one per file, and the inversions by the name the field knows them by."""

from .ddpm import edit_friendly
from .direct import direct
from .direct_edit import aligned, aligned_source
from .h_edit import h_edit, h_edit_source
from .inversions import INVERSIONS, Inversion, invert
from .ledits import Concept, ledits
from .negative_prompt import negative_prompt
from .null_text import optimize_null_text
from .ode import Ode, from_zero
from .prox_npi import hard_threshold, prox_npi, soft_threshold
from .with_null_text import with_null_text

__all__ = [
    "INVERSIONS",
    "Concept",
    "Inversion",
    "Ode",
    "aligned",
    "aligned_source",
    "direct",
    "edit_friendly",
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
    "with_null_text",
]
