"""Runs the scripts in docs/examples, each once, and keeps what came of it."""

import contextlib
import functools
import importlib.util
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import backpass as bp

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
sys.path.append(str(FOLDER))  # one may use another
NEEDS = {"parquet": ["pyarrow"], "siren": ["sklearn", "PIL"]}


@functools.cache
def module(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Run(NamedTuple):
    seconds: float
    result: dict
    printed: list
    left: list
    losses: list  # of each model that it fitted, in order


@contextlib.contextmanager
def losses_of_fits():
    """By model, those of all its fits one after the other."""
    found, fit = {}, bp.Trainer.fit

    def kept(self, *args, **options):
        history = fit(self, *args, **options)
        found.setdefault(id(self.model), (self.model, []))[1].extend(history["loss"])
        return history

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bp.Trainer, "fit", kept)
        yield found


@functools.cache
def run(name):
    """Once, in a folder of its own."""
    for needed in NEEDS.get(name, ()):
        pytest.importorskip(needed)
    printed = io.StringIO()
    with (tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(printed),
          losses_of_fits() as fits):  # fmt: skip
        example, started = module(name), time.perf_counter()
        result = example.main()
        seconds, left = time.perf_counter() - started, [*Path(folder).iterdir()]
    losses = [losses for _, losses in fits.values()]
    return Run(seconds, result, printed.getvalue().splitlines(), left, losses)


def result_of(name):
    """What `main` returned."""
    return run(name).result
