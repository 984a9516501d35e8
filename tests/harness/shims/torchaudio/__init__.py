"""Stands in for torchaudio, whose published builds do not import beside a CPU torch."""

from _stand_in import names_of

from . import functional, transforms

__version__ = "0.0.0+stand.in"
__getattr__ = names_of("torchaudio")
