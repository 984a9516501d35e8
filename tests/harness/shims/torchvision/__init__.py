"""Stands in for torchvision, whose published builds do not import beside a CPU torch.

ComfyUI imports torchvision at start-up but uses none of it for image diffusion models. There is no
dist-info on purpose: transformers must go on thinking that torchvision is absent.
"""

from _stand_in import names_of

from . import models, ops, transforms

__version__ = "0.0.0+stand.in"
__getattr__ = names_of("torchvision")
