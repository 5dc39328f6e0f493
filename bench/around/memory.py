"""Peak memory while training, above what the imports took: each contender in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..table import Table
from ..train.cases import CASES, TIMED_LEARNING_RATE, make_problem
from ..train.contender import load_contender

CASE, STEPS = "mnist-wide", 5
CONTENDERS = ("backpass-step", "numpy", "torch-eager", "torch-by-hand", "jax-jit", "sklearn")


def kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def peak_of(name: str, case: str, threads: int) -> int:
    """Bytes: the peak from here on, less what is resident now, with the library and the batch in place."""
    problem = make_problem(CASES[case], threads)
    kind = load_contender(name)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = kilobytes("VmRSS:")
    contender = kind(problem)
    contender.reset(TIMED_LEARNING_RATE)
    contender.train(STEPS)
    return (kilobytes("VmHWM:") - before) * 1024


def measure(name: str, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", __name__, name, CASE, str(threads)]
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, env=here)
    return json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip()[-200:]}


def table() -> Table:
    return Table(f"Peak memory above import while training {CASE}", ["contender", "MB"], f"{STEPS} steps.")


def row(name: str, found: dict[str, Any]) -> list[str]:
    return [name, f"{found['bytes'] / 1e6:.0f}" if "bytes" in found else "failed"]


if __name__ == "__main__":
    print(json.dumps({"bytes": peak_of(sys.argv[1], sys.argv[2], int(sys.argv[3]))}))
