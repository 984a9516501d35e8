from enum import Enum

from _stand_in import names_of


class InterpolationMode(Enum):
    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


__getattr__ = names_of("torchvision.transforms.functional")
