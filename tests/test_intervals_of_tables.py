"""Intervals of predicted numbers, by the errors on held-out rows: how often they hold, files, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest

from backpass.sklearn import TabularRegressor
from backpass.tables import TableModel
from backpass.tables._files import read_table, write_table
from backpass.tables._intervals import MOST, kept, reach


def drawn(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, rows)
    return {"x": x, "y": x**2 + rng.normal(0, 0.5, rows)}


@pytest.fixture(scope="module")
def model():
    return TableModel(seed=0, epochs=40, validation_fraction=0.3).fit(drawn(1500, 0), "y")


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_they_hold_as_often_as_they_say(model, coverage):
    table = drawn(4000, 1)
    low, high = model.predict_interval(table, coverage).T
    assert ((low <= table["y"]) & (table["y"] <= high)).mean() == pytest.approx(coverage, abs=0.04)
    np.testing.assert_allclose((low + high) / 2, model.predict(table), atol=1e-5)


def test_the_distance_is_the_one_of_the_formula():
    assert reach([1.0, 2.0, 3.0, 4.0], 0.6) == 3.0  # ceil(5 * 0.6)
    assert reach([1.0, 2.0, 3.0, 4.0], 0.8) == 4.0
    many = kept(np.random.default_rng(0).permutation(np.arange(1, 100_001) / 100_000))
    assert len(many) == MOST
    assert reach(many, 0.9) == pytest.approx(0.901, abs=1e-3)


@pytest.mark.parametrize("settings", [{"n_ensembles": 3}, {"preset": "tabm"}, {"preset": "realmlp"}])
def test_every_network_tells_of_its_own_rows(settings):
    model = TableModel(**settings, hidden=(8,), epochs=3).fit(drawn(300, 0), "y")
    assert len(model.distances) == (300 if "n_ensembles" in settings else 45)
    assert list(model.distances) == sorted(model.distances)


def test_a_file_has_them_and_an_older_one_says_so(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = TableModel.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_interval(drawn(9, 2)), model.predict_interval(drawn(9, 2)))
    again.distances = ()
    with pytest.raises(ValueError, match="the file is older than intervals"):
        again.predict_interval(drawn(9, 2))


def test_what_is_refused(model):
    for coverage in (0, 1, -0.5, float("nan")):
        with pytest.raises(ValueError, match="coverage must be within 0 and 1"):
            model.predict_interval(drawn(9, 2), coverage)
    with pytest.raises(ValueError, match=r"450 held-out rows tell of a coverage up to 0\.998, got 0\.999"):
        model.predict_interval(drawn(9, 2), 0.999)
    with pytest.raises(RuntimeError, match="must be fitted"):
        TableModel().predict_interval(drawn(9, 2))
    classes = TableModel(epochs=1).fit({"x": np.arange(20.0)}, np.arange(20) % 2)
    with pytest.raises(ValueError, match="a class is predicted"):
        classes.predict_interval({"x": [1.0]})


def test_estimators_have_them():
    table = drawn(300, 0)
    model = TabularRegressor(max_iter=5, random_state=0).fit(table["x"][:, None], table["y"])
    limits = model.predict_interval(table["x"][:, None], 0.8)
    assert limits.shape == (300, 2)
    assert (limits[:, 0] < limits[:, 1]).all()


def test_the_command_line_writes_them_and_nothing_else(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    write_table(tmp_path / "new.csv", {"x": np.linspace(-1, 1, 5)})
    given = [sys.executable, "-m", "backpass", "predict", "m.safetensors", "new.csv", "--interval", "0.8"]
    run = subprocess.run([*given, "--out", "/dev/stdout"], cwd=tmp_path, capture_output=True, text=True, check=True)
    (tmp_path / "out.csv").write_text(run.stdout)
    found = read_table(tmp_path / "out.csv")
    assert list(found) == ["y", "y low", "y high"]
    limits = model.predict_interval({"x": np.linspace(-1, 1, 5)}, 0.8)
    np.testing.assert_allclose(np.stack([found["y low"], found["y high"]], axis=1), limits, rtol=1e-5)
    assert run.stderr == "5 predictions in /dev/stdout\n"
