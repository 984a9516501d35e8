from _stand_in import names_of

__getattr__ = names_of("torchvision.ops")
