"""The machine: instruction sets and threads."""

from __future__ import annotations

import os
from typing import Any

from backpass import _checks, _core
from backpass._warnings import warn_caller

__all__ = [
    "available_isas",
    "cpu_info",
    "get_include",
    "get_threads",
    "isa",
    "set_isa",
    "set_threads",
]

_told_of_precision = False


def tell_of_precision(where: str, precision: str, dtype: str) -> None:
    """Warns, once per process, where a precision is wished for that is computed as "highest" here."""
    global _told_of_precision
    if _told_of_precision or precision == "highest" or dtype != "float32":
        return
    if why := _core.reduced_precision_gap():
        _told_of_precision = True
        message = f'[{where}] precision "{precision}" is computed as "highest": {why}'
        warn_caller(message, UserWarning)


def isa() -> str:
    """The instruction set in use: "scalar", "neon", "avx2", "avx512" or "amx".

    It is the best that this machine has, capped by the environment variable BACKPASS_ISA and by `set_isa`.

    Example:
        >>> import backpass as bp
        >>> bp.isa() in bp.available_isas()
        True
    """
    return _core.isa()


def available_isas() -> list[str]:
    """The instruction sets that `set_isa` takes on this machine, slowest first.

    Example:
        >>> import backpass as bp
        >>> bp.available_isas()[0]
        'scalar'
    """
    return _core.available_isas()


def set_isa(name: str) -> None:
    """Chooses an instruction set for plans that are compiled from now on.

    Raises:
        ValueError: if this machine has no such one; the message lists those that it has.

    Example:
        >>> import backpass as bp
        >>> before = bp.isa()
        >>> bp.set_isa("scalar")
        >>> bp.isa()
        'scalar'
        >>> bp.set_isa(before)
    """
    if not isinstance(name, str):
        raise TypeError(f"[set_isa] name must be a string, got {name!r}")
    _core.set_isa(name)


def get_threads() -> int:
    """How many threads a call uses by default: the CPUs at hand, capped by OMP_NUM_THREADS and threadpoolctl.

    A call has at most four threads for each CPU, or 16 where that is more, whatever it asks for, and fewer where the
    system gives no more (`ulimit -u`, `ulimit -v`): `ThreadShortageWarning` says so once. Results are the same. Threads
    that a call has used sleep until the next call, and go after five seconds without one.

    Example:
        >>> import backpass as bp
        >>> bp.get_threads() >= 1
        True
    """
    return _core.get_threads()


def set_threads(threads: int) -> None:
    """Sets that number for the whole process. Results do not depend on it.

    Raises:
        ValueError: if it is not positive.

    Example:
        >>> import backpass as bp
        >>> before = bp.get_threads()
        >>> bp.set_threads(1)
        >>> bp.get_threads()
        1
        >>> bp.set_threads(before)
    """
    _core.set_threads(_checks.integer("set_threads", "threads", threads, minimum=1, bits=32))


def cpu_info() -> dict[str, Any]:
    """What is known of the processor.

    Returns:
        "brand", "features" (those that kernels can use), "logical_cpus" (that this process may run on) and
        "cpu_quota" (of its control group, in CPUs; 0 where there is none).

    Example:
        >>> import backpass as bp
        >>> sorted(bp.cpu_info())
        ['brand', 'cpu_quota', 'features', 'logical_cpus']
    """
    return _core.cpu_info()


def get_include() -> str:
    """The folder with the C++ headers, for `#include <backpass/backpass.h>`.

    Example:
        >>> import backpass as bp
        >>> bp.get_include().endswith("include")
        True
    """
    return os.path.join(os.path.dirname(__file__), "include")
