"""Runs hostile calls, one after the other, and says what came of each: whoever reads knows where it ended.

Standard input: a JSON list of [target, parameter, value]. The descriptor given as argument: "start" before each call,
and its outcome after it, a JSON string each on a line of its own; "ok" where it is as it should be.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import backpass as bp
from hostile import surface
from hostile.arguments import EVERY, arguments, model, x
from hostile.values import VALUES, HostileError

MEMORY = 2 << 30  # bytes beyond those of the start
SECONDS = 5
# Work that a caller asked for: it may take as long as it takes, where signals end it.
LONG = {"epochs", "steps", "repeats", "n", "max_line_search", "history_size", "start_epoch"}
NOT_OURS = ("incompatible function arguments", "incompatible constructor", "Unable to cast", "Unregistered type",
            "std::", "basic_string", "vector::", "bad optional", "bad_variant")  # fmt: skip
CLEAN = (TypeError, ValueError, IndexError, OverflowError, MemoryError, OSError, NotImplementedError, ImportError,
         HostileError)  # fmt: skip


class Interrupted(BaseException):
    """The time is over."""


def interrupt(signum, frame):
    raise Interrupted


def judge(error, target, parameter):
    """ "ok", or what is wrong with the error."""
    text = str(error)
    if isinstance(error, Interrupted):
        return "ok" if parameter in {EVERY, *LONG} else f"more than {SECONDS} s"
    if isinstance(error, MemoryError):
        return "ok"
    if any(part in text for part in NOT_OURS):
        return f"{type(error).__name__}: {text[:200]}"
    ours = text.startswith("[")
    mapping = isinstance(error, LookupError) and target.startswith(("History.", "Tensor.__getitem__"))
    if isinstance(error, CLEAN) or mapping or (isinstance(error, RuntimeError) and ours):
        return "ok"
    if isinstance(error.__cause__, HostileError) or isinstance(error.__context__, HostileError):
        return "ok"
    return f"{type(error).__name__}: {text[:200]}"


def fail_with_system_error():
    raise SystemError("of the test")


# By which the runner itself is tested.
FAULTS = {
    "test: abort": os.abort,
    "test: stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "test: error": fail_with_system_error,
}


def call(target, parameter, value):
    function = target.make()
    hostile = VALUES[value]() if value else None
    positional, named = arguments(target.name, target.parameters, parameter, hostile)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        result = function(*positional, **named)
        repr(result)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def outcome(target, parameter, value):
    try:
        call(target, parameter, value)
    except BaseException as error:
        return judge(error, target.name, parameter)
    return "ok"


def main(report):
    todo, targets = json.load(sys.stdin), surface.targets()
    targets |= {name: surface.Target(name, lambda fault=fault: fault, ()) for name, fault in FAULTS.items()}
    used = model()
    before = used.predict(x())
    threads, isa = bp.get_threads(), bp.isa()
    signal.signal(signal.SIGALRM, interrupt)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    for name, parameter, value in todo:
        report("start")
        said = outcome(targets[name], parameter, value)
        bp.set_threads(threads)
        bp.set_isa(isa)
        if not np.array_equal(used.predict(x()), before):
            said = "another model predicts something else"
        report(said)


if __name__ == "__main__":
    pipe = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main(lambda said: print(json.dumps(said), file=pipe, flush=True))
