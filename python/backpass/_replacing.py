"""Files that are written as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def check_folder(path: str) -> None:
    """Says so before long work whose result would have no place."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", folder)


@contextmanager
def replacing(path: str | bytes | os.PathLike[str]) -> Iterator[str]:
    """Gives a name to write to, which becomes `path` at the end; after an error `path` is what it was.

    Links are followed, and what is no regular file (a pipe, a device) is written directly.
    """
    name = os.fsdecode(path)
    if os.path.exists(name) and not os.path.isfile(name):
        yield name
        return
    target = os.path.realpath(name)
    check_folder(target)
    folder, ending = os.path.dirname(target), os.path.splitext(target)[1]  # by the ending a writer knows the form
    temporary = os.path.join(folder, f".backpass-{os.getpid()}-{secrets.token_hex(8)}{ending}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
