"""What the stand-in packages beside this file are made of: names that resolve, and fail only when called."""

from types import new_class


def names_of(package: str):
    """A module `__getattr__` (PEP 562) for a package that is not here."""

    def __getattr__(name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)

        def __init__(self, *args, **options):
            raise NotImplementedError(f"{package}.{name}: {package.split('.')[0]} is a stand-in of the tests")

        return new_class(name, exec_body=lambda body: body.update(__init__=__init__))

    return __getattr__
