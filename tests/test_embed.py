"""A C++ program outside the tree trains, saves and predicts the same bits as Python, in both directions."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from conftest import shell

ROOT = Path(__file__).resolve().parent.parent
ROWS = 400

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory, core_prefix):
    """The folder of the examples, built against the installed library."""
    folder = tmp_path_factory.mktemp("embed")
    shell("cmake", "-S", ROOT / "tests" / "embed", "-B", folder, f"-DCMAKE_PREFIX_PATH={core_prefix}")
    shell("cmake", "--build", folder)
    return folder


@pytest.fixture
def program(programs):
    return programs / "spirals"


def run(program, command, model):
    """What the program printed, its inputs and its predictions."""
    inputs, predictions = model.with_suffix(".inputs"), model.with_suffix(".predictions")
    out = shell(program, command, model, inputs, predictions)
    words = dict(line.split() for line in out.splitlines())
    x = np.fromfile(inputs, dtype=np.float32).reshape(ROWS, 2)
    return words, x, np.fromfile(predictions, dtype=np.float32).reshape(ROWS, 2)


def labels():
    return np.arange(ROWS) % 2


@pytest.mark.row("D12")
def test_python_predicts_the_bits_of_what_cpp_trained(program, tmp_path):
    path = tmp_path / "spirals.safetensors"
    words, x, predictions = run(program, "train", path)
    assert float(words["accuracy"]) > 0.99
    model = bp.load(path)
    np.testing.assert_array_equal(model.predict(x), predictions)
    assert np.mean(model.predict(x).argmax(axis=1) == labels()) == float(words["accuracy"])


@pytest.mark.row("D12")
def test_cpp_goes_on_with_what_python_trained_and_python_reads_it_back(program, tmp_path):
    path = tmp_path / "spirals.safetensors"
    _, x, _ = run(program, "train", tmp_path / "unused.safetensors")
    model = bp.Sequential(bp.Dense(16), bp.GELU(), bp.Dropout(0.1), bp.Dense(2), input_shape=(2,), seed=3)
    fit = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(1e-2), "progress": False}
    before = model.fit(x, labels(), epochs=50, seed=1, **fit)
    model.save(path)

    _, _, predictions = run(program, "predict", path)
    np.testing.assert_array_equal(model.predict(x), predictions)

    words, _, predictions = run(program, "resume", path)
    assert float(words["loss"]) < before["loss"][-1]
    resumed = bp.load(path)
    np.testing.assert_array_equal(resumed.predict(x), predictions)
    assert not np.array_equal(resumed.flat_parameters, model.flat_parameters)


def test_the_program_reports_a_broken_file(program, tmp_path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not a model")
    done = subprocess.run([program, "predict", path, path, path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "spirals:" in done.stderr


@pytest.mark.row("A16")
def test_a_graph_of_two_inputs_and_outputs_trains_in_cpp_and_python_reads_it(programs, tmp_path):
    """The program also goes forward and backward one layer at a time, and compares."""
    path = tmp_path / "two_heads.safetensors"
    layers = shell(programs / "two_heads", path).splitlines()
    assert layers == ["Dense 0 32", "Dense 0 0", "Residual 2 544", "Affine 3 32", "Dense 4 17", "Dense 5 34"]
    model = bp.load(path)
    assert model.n_parameters == 32 + 544 + 32 + 17 + 34
    value, kind = model.predict({"left": np.zeros((2, 3)), "right": np.ones((2, 3))})
    assert value.shape == (2, 1)
    assert kind.shape == (2, 2)


def test_watchers_and_averages_act_in_cpp_as_in_python(programs):
    rates, best, weight = shell(programs / "watched").splitlines()
    model, sgd = (
        bp.Sequential(bp.Dense(1), input_shape=1, seed=0, dtype="float64"),
        bp.SGD(0.05, schedule=bp.ExponentialDecay(0.9)),
    )
    plateau = bp.ReduceOnPlateau("loss", factor=0.5, patience=1, threshold=0.9)
    stopping, average = bp.EarlyStopping("loss", patience=3, restore_best=False), bp.EMA(0.5)
    fit = {"loss": bp.MSE(), "optimizer": sgd, "epochs": 12, "batch_size": 4, "shuffle": False, "progress": False}
    x = np.arange(4.0)[:, None]
    history = model.fit(x, 2 * x + 1, callbacks=[plateau, stopping, average], **fit)
    assert [float(rate) for rate in rates.split()] == history["learning_rate"]
    assert len(set(history["learning_rate"])) > 1
    assert int(best) == stopping.best_epoch
    assert float(weight) == model.parameters()["0.weight"].item()


def test_steps_are_guarded_and_epochs_weighed_in_cpp(programs):
    assert shell(programs / "guarded") == ""


def test_a_fit_that_is_interrupted_in_cpp_goes_on_to_the_same_bits(programs, tmp_path):
    assert shell(programs / "resumed", tmp_path) == "the same bits\n"


def test_threads_at_once_calls_from_within_and_interrupts_in_cpp(programs):
    assert shell(programs / "at_once").splitlines() == [
        "several threads predict the same",
        "a layer cannot call its own network",
        "a prediction ends",
        "a fit ends",
        "a step ends",
    ]
