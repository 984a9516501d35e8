"""What goes wrong in people's hands: bad inputs, the words with which they are refused, and where."""

from .attention import ATTENTION
from .bench import Mistake
from .edits import EDITS
from .files import FILES, NAMES
from .inversions import INVERSIONS
from .pictures import PICTURES
from .references import REFERENCES
from .widgets import NUMBERS, TEXTS

MISTAKES: list[Mistake] = [
    *(*PICTURES, *INVERSIONS, *EDITS, *ATTENTION, *REFERENCES),
    *(*TEXTS, *NUMBERS, *NAMES, *FILES),
]
