from _stand_in import names_of

from . import functional
from .functional import InterpolationMode

__getattr__ = names_of("torchvision.transforms")
