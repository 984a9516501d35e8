"""Published methods, one per file, and the inversions by the name the field knows them by."""

from .direct import direct
from .inversions import INVERSIONS, Inversion, invert
from .negative_prompt import negative_prompt
from .null_text import optimize_null_text
from .ode import Ode, from_zero
from .with_null_text import with_null_text

__all__ = [
    "INVERSIONS",
    "Inversion",
    "Ode",
    "direct",
    "from_zero",
    "invert",
    "negative_prompt",
    "optimize_null_text",
    "with_null_text",
]
