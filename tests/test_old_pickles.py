"""Pickles of builds whose modules had other names: `backpass._layers` and the like, before there were rooms."""

import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from backpass._moved import MOVED

OLD = Path(__file__).parent / "pickles" / "before_rooms.pickle"


@pytest.fixture(scope="module")
def old():
    return pickle.loads(OLD.read_bytes())


def test_models_of_then_predict_the_same_bits(old):
    np.testing.assert_array_equal(old["model"].predict(old["x"]), old["predictions"])
    assert type(old["model"]) is bp.Sequential
    assert type(old["network"]) is bp.Network
    np.testing.assert_array_equal(old["parameters"]["0.weight"], old["model"].parameters()["0.weight"])


def test_trainers_and_optimizers_of_then_go_on(old):
    trainer = old["trainer"]
    before = trainer.model.flat_parameters.copy()
    trainer.fit(old["x"], np.arange(8) % 2, epochs=1, batch_size=4, progress=False)
    assert type(trainer.optimizer) is bp.Muon
    assert not np.array_equal(before, trainer.model.flat_parameters)


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("layers", [bp.Dense, bp.Embedding, bp.Concat, bp.RMSNorm, bp.Softmax, bp.Flatten]),
        ("losses", [bp.MSE, bp.Huber, bp.Focal, bp.BinaryCrossEntropy]),
        ("optimizers", [bp.SGD, bp.Adam, bp.Lion, bp.Muon, bp.LBFGS]),
        ("schedules", [bp.CosineAnnealing, bp.StepDecay, bp.OneCycle]),
        ("callbacks", [bp.EarlyStopping, bp.BoldDriver, bp.ReduceOnPlateau, bp.EMA]),
    ],
)
def test_descriptions_of_then_are_of_the_classes_of_today(old, kind, classes):
    assert [type(one) for one in old[kind]] == classes


def test_settings_of_then_are_kept(old):
    assert old["losses"][1].delta == 2.0
    assert "momentum=0.9" in repr(old["optimizers"][0])
    assert type(old["history"]) is bp.History
    assert len(old["history"]["loss"]) == 1


def test_every_class_and_function_is_found_by_its_old_name():
    old = pickle.loads((OLD.parent / "names_before_rooms.pickle").read_bytes())
    assert len(old) > 100
    assert [name for name, thing in old.items() if getattr(bp, name) is not thing] == []


@pytest.mark.parametrize("name", MOVED)
def test_old_names_are_the_modules_of_today(name):
    assert import_module(f"backpass.{name}") is import_module(f"backpass.{MOVED[name]}")


def test_nothing_is_imported_by_an_old_name():
    code = "import sys, backpass; print([n for n in backpass._moved.MOVED if f'backpass.{n}' in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_names_that_never_were_are_refused():
    with pytest.raises(ModuleNotFoundError, match=r"backpass\._nothing"):
        import_module("backpass._nothing")
