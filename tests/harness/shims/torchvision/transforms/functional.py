from enum import Enum

from _stand_in import names_of


class InterpolationMode(Enum):
    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"  # transformers looks these up where it finds a torchvision
    HAMMING = "hamming"
    LANCZOS = "lanczos"


__getattr__ = names_of("torchvision.transforms.functional")
