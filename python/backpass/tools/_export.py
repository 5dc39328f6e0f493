"""`backpass export MODEL`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from backpass.exchange import to_c, to_numpy, to_onnx
from backpass.models import load

_ENDINGS = {"onnx": ".onnx", "c": ".h", "numpy": ".py"}


def export(options: argparse.Namespace) -> int:
    """Writes a saved model in a form for others, and says where and what."""
    if options.to != "c" and (options.int8 or options.name):
        raise ValueError(f"--int8 and --name are for --to c, not for --to {options.to}")
    out = options.out or Path(options.model).with_suffix(_ENDINGS[options.to])
    said = _WRITERS[options.to](load(options.model), out, options)
    print(f"{options.model} as {said}: {out}")
    return 0


def _onnx(model: Any, out: Path, options: argparse.Namespace) -> str:
    to_onnx(model, out)
    return "an ONNX graph"


def _numpy(model: Any, out: Path, options: argparse.Namespace) -> str:
    to_numpy(model, out)
    return "a program for NumPy"


def _c(model: Any, out: Path, options: argparse.Namespace) -> str:
    name = options.name or re.sub(r"^[^A-Za-z]+|\W", "_", out.stem, flags=re.ASCII).lstrip("_") or "model"
    made = to_c(model, out, name=name, weights="int8" if options.int8 else "float")
    return f"a C header with {made.bytes:,} bytes of weights, {name}_predict works in {made.workspace:,} bytes"


_WRITERS = {"onnx": _onnx, "c": _c, "numpy": _numpy}
