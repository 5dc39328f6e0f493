"""Files that are written as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def replacing(path: str | bytes | os.PathLike[str]) -> Iterator[str]:
    """Gives a name to write to, which becomes `path` at the end; after an error `path` is what it was.

    Links are followed, and what is no regular file (a pipe, a device) is written directly.
    """
    target = os.path.realpath(os.fsdecode(path))
    if os.path.exists(target) and not os.path.isfile(target):
        yield target
        return
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", os.path.dirname(target))
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
