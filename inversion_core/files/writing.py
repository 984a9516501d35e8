"""Files that are written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place in the end, or is gone if that fails; links are followed.

    It has the rights of the file in whose place it comes, or those that the system gives to a new one. Raises OSError as
    the file system does, and where `path` is a folder or a device.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is a folder or a device, so no file can be written there.")
    temporary = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        mode = (path if path.exists() else temporary).stat().st_mode
        yield temporary
        temporary.chmod(mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
