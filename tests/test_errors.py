"""Bad arrays of every kind: the error that names them, and nothing changed."""

import datetime

import numpy as np
import pytest

import backpass as bp

ROWS = 6


class Opaque:
    pass


def masked(x):
    return np.ma.masked_array(x, mask=x > 0)


def structured(x):
    return np.zeros(len(x), dtype=[("a", "f4"), ("b", "f4")])


# What is no array of real numbers, made from one that is.
REFUSED = {
    "None": lambda x: None,
    "string": lambda x: "1 2 3",
    "bytes": lambda x: b"123",
    "object": lambda x: Opaque(),
    "strings": lambda x: x.astype(str),
    "byte strings": lambda x: x.astype(bytes),
    "objects": lambda x: x.astype(object),
    "list with None": lambda x: [[None] * 4] * len(x),
    "list of strings": lambda x: [["1"] * 4] * len(x),
    "complex": lambda x: x.astype(complex),
    "datetimes": lambda x: np.full(x.shape, np.datetime64("2020-01-01")),
    "timedeltas": lambda x: np.full(x.shape, np.timedelta64(1, "s")),
    "dates": lambda x: [datetime.date(2020, 1, 1)] * len(x),
    "masked": masked,
    "structured": structured,
    "long double": lambda x: x.astype(np.longdouble),
    "dict": lambda x: {"other": x},
    "generator": lambda x: (row for row in x),
    "ragged": lambda x: [[1.0, 2.0], [3.0]],
}


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, 4)).astype(np.float32)


@pytest.fixture
def y(rng):
    return rng.integers(0, 3, ROWS)


def settings(**changes):
    return {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(), "progress": False, **changes}


# Every public call that takes arrays, by the argument that is bad.
CALLS = {
    "fit x": ("x", lambda m, x, y, bad: m.fit(bad, y, **settings())),
    "fit y": ("y", lambda m, x, y, bad: m.fit(x, bad, **settings())),
    "fit sample_weight": ("sample_weight", lambda m, x, y, bad: m.fit(x, y, sample_weight=bad, **settings())),
    "fit validation x": ("validation x", lambda m, x, y, bad: m.fit(x, y, validation_data=(bad, y), **settings())),
    "fit validation y": ("validation y", lambda m, x, y, bad: m.fit(x, y, validation_data=(x, bad), **settings())),
    "evaluate x": ("x", lambda m, x, y, bad: m.evaluate(bad, y, loss=bp.CrossEntropy())),
    "evaluate y": ("y", lambda m, x, y, bad: m.evaluate(x, bad, loss=bp.CrossEntropy())),
    "predict": ("x", lambda m, x, y, bad: m.predict(bad)),
    "forward": ("x", lambda m, x, y, bad: m.forward(bad)),
    "backward": ("grad_output", lambda m, x, y, bad: (m.forward(x), m.backward(bad))),
    "step x": ("x", lambda m, x, y, bad: bp.Trainer(m, bp.CrossEntropy(), bp.Adam()).step(bad, y)),
    "step y": ("y", lambda m, x, y, bad: bp.Trainer(m, bp.CrossEntropy(), bp.Adam()).step(x, bad)),
    "value_and_grad": ("x", lambda m, x, y, bad: m.value_and_grad(bad, y, bp.CrossEntropy())),
    "loss prediction": ("prediction", lambda m, x, y, bad: bp.MSE().value_and_grad(bad, x)),
    "loss target": ("target", lambda m, x, y, bad: bp.MSE().value_and_grad(x, bad)),
    "hvp": ("vector", lambda m, x, y, bad: bp.hvp(m, bp.CrossEntropy(), x, y, bad)),
    "gradcheck": ("x", lambda m, x, y, bad: bp.gradcheck(m, bp.CrossEntropy(), bad, y)),
    "Graph": ("a", lambda m, x, y, bad: bp.Graph([a := bp.input((ROWS, 4), name="a")], [a])(bad)),
}
MAY_BE_NONE = {"fit sample_weight"}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_array_of_numbers_is_refused_by_name(model, x, y, call, kind):
    name, function = CALLS[call]
    if kind == "None" and call in MAY_BE_NONE:
        pytest.skip("None is how this argument is left out")
    before = model.flat_parameters.copy()
    error = {"ragged": ValueError, "dict": (TypeError, ValueError)}.get(kind, TypeError)
    with pytest.raises(error, match=rf"^\[\w+\] {name} "):
        function(model, x, y, REFUSED[kind](x))
    np.testing.assert_array_equal(model.flat_parameters, before)


# Values.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("part", ["x", "y", "validation x", "validation y"])
def test_fit_refuses_what_is_not_finite(model, rng, part, dtype, value):
    parts = {"x": rng.standard_normal((ROWS, 4)).astype(dtype), "y": rng.standard_normal((ROWS, 3)).astype(dtype)}
    bad = {name: array.copy() for name, array in parts.items()}
    bad[part[-1]][4, 1] = value
    before = model.flat_parameters.copy()
    training = parts if "validation" in part else bad
    with pytest.raises(ValueError, match=rf"{part}\W.* row 4"):
        model.fit(training["x"], training["y"], validation_data=(bad["x"], bad["y"]), **settings(loss=bp.MSE()))
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("part", ["x", "y"])
def test_evaluate_refuses_what_is_not_finite_unless_told(model, rng, part):
    parts = {"x": rng.standard_normal((ROWS, 4)), "y": rng.standard_normal((ROWS, 3))}
    parts[part][4, 1] = np.nan
    with pytest.raises(ValueError, match=rf"{part}\W.* row 4"):
        model.evaluate(**parts, loss=bp.MSE())
    assert np.isnan(model.evaluate(**parts, loss=bp.MSE(), check_finite=False)["loss"])


def test_what_overflows_in_the_cast_is_an_error(model, x, y):
    huge = x.astype(np.float64)
    huge[2, 3] = 1e200
    before = model.flat_parameters.copy()
    for call in (lambda: model.fit(huge, y, **settings()), lambda: model.predict(huge), lambda: model.forward(huge)):
        with pytest.raises(ValueError, match=r"x\W.*float32"):
            call()
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("bad", [-1, 3, 1000, -(2**40)])
@pytest.mark.parametrize("dtype", ["int64", "int32", "float64"])
def test_a_label_out_of_range_is_named(model, x, y, bad, dtype):
    if dtype != "int64" and abs(bad) > 2**31:
        pytest.skip("does not fit the type")
    labels = y.astype(dtype)
    labels[4] = bad
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match="y" if dtype == "float64" else rf"\[0, 3\).*{bad}"):
        model.fit(x, labels, **settings())
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("weights", [-np.ones(ROWS), np.zeros(ROWS), np.full(ROWS, np.nan), np.ones(ROWS - 1)])
def test_sample_weights_that_make_no_mean_are_refused(model, x, y, weights):
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(x, y, sample_weight=weights, **settings())
    np.testing.assert_array_equal(model.flat_parameters, before)


# Shapes.


def test_a_vector_fits_one_output_and_nothing_else_is_broadcast(rng):
    one = bp.Sequential(bp.Dense(1), input_shape=4, seed=0)
    x = rng.standard_normal((ROWS, 4))
    assert one.evaluate(x, x[:, 0], loss=bp.MSE()) == one.evaluate(x, x[:, :1], loss=bp.MSE())
    for bad in (x[:, :2], x[:1], x[:, :1].T, np.float64(1.0), x[:, 0].reshape(ROWS, 1, 1)):
        with pytest.raises(ValueError, match=r"y\W"):
            one.evaluate(x, bad, loss=bp.MSE())


@pytest.mark.row("C5")
@pytest.mark.parametrize("shape", [(), (4,), (6, 3), (6, 5), (6, 4, 1)])
def test_rows_of_another_shape_are_refused(model, shape):
    with pytest.raises(ValueError, match=r"x\W.*4"):
        model.predict(np.zeros(shape))


def test_data_without_rows_is_refused_by_fit(model):
    with pytest.raises(ValueError, match=r"^\[fit\]"):
        model.fit(np.zeros((0, 4)), np.zeros(0, dtype=int), **settings())
    assert model.predict(np.zeros((0, 4))).shape == (0, 3)
