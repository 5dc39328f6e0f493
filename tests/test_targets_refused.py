"""Targets in any form: what is refused, by name, and weights of either sign."""

import numpy as np
import pytest

import backpass as bp

ROWS = 6


def loss(prediction, target):
    return bp.square(prediction - target["y"]) * target["w"]


@pytest.fixture
def model():
    return bp.Sequential(bp.Dense(2), input_shape=3, seed=0, dtype="float64")


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, 3))


@pytest.fixture
def y(rng):
    return {"y": rng.standard_normal((ROWS, 2)), "w": np.ones((ROWS, 1))}


def calls(model, x, y, loss):
    """Every way in."""
    trainer = bp.Trainer(model, loss, bp.SGD(0.1))
    return {
        "fit": lambda: model.fit(x, y, loss=loss, optimizer=bp.SGD(0.1), progress=False),
        "step": lambda: trainer.step(x, y),
        "evaluate": lambda: model.evaluate(x, y, loss=loss),
        "value_and_grad": lambda: model.value_and_grad(x, y, loss),
        "hvp": lambda: bp.hvp(model, loss, x, y, np.ones(model.n_parameters)),
        "objective": lambda: model.objective(x, y, loss),
        "backprop": lambda: model.backprop(x, y, loss),
    }


FAULTS = {
    "rows": ({"w": np.ones((5, 1))}, ValueError, r"\[y\['w'\]\] has 5 rows, x 6"),
    "a number": ({"w": np.float64(1)}, ValueError, r"\[y\['w'\]\] must hold rows, got a single number"),
    "text": ({"w": ["a"] * ROWS}, TypeError, r"y\['w'\] must be an array of real numbers"),
    "none": ({"w": None}, TypeError, r"y\['w'\] must be an array of real numbers, got None"),
    "complex": ({"w": np.ones((ROWS, 1), complex)}, TypeError, r"y\['w'\] must be an array of real numbers"),
    "large": ({"w": np.full((ROWS, 1), 2**40)}, ValueError, r"\[y\['w'\]\] has a value in row 0 that is too large for"),
    "name": ({3: np.ones((ROWS, 1))}, TypeError, r"y must have names, got 3"),
    "empty name": ({"": np.ones((ROWS, 1))}, TypeError, r"y must have names, got ''"),
    "scalar": ({"w": 0}, ValueError, r"\[y\['w'\]\] must hold rows, got a single number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_by_name(model, x, y, fault):
    change, error, message = FAULTS[fault]
    before = model.flat_parameters.copy()
    for name, call in calls(model, x, {**y, **change}, loss).items():
        with pytest.raises(error, match=message):
            call()
        np.testing.assert_array_equal(model.flat_parameters, before, err_msg=name)


def test_what_is_not_finite_is_refused_by_name(model, x, y):
    y["w"][2] = np.nan
    for call in (calls(model, x, y, loss)["fit"], calls(model, x, y, loss)["evaluate"]):
        with pytest.raises(ValueError, match=r"y.*has a value that is not finite in row 2|nan"):
            call()


def test_losses_of_ours_take_no_dict(model, x, y):
    for name in ("fit", "step", "evaluate", "value_and_grad"):
        with pytest.raises((TypeError, ValueError), match="y"):
            calls(model, x, y, bp.MSE())[name]()
    with pytest.raises(
        ValueError,
        match=r"expected shape \(6, 2\), got \(6,\).*; arrays of any shape are given as several",
    ):
        model.evaluate(x, np.ones(ROWS), loss=lambda p, t: bp.square(p - t))


def test_metrics_need_one_array(model, x, y):
    with pytest.raises(ValueError, match=r"\[metrics\] need targets that are one array, got several or none"):
        model.evaluate(x, y, loss=loss, metrics="mae")
    with pytest.raises(ValueError, match=r"\[metrics\] need targets that are one array, got several or none"):
        model.fit(x, y, loss=loss, optimizer="sgd", metrics="mae", progress=False)


def test_streams_keep_one_form(model, x, y):
    def chunks():
        yield x[:3], {name: part[:3] for name, part in y.items()}
        yield x[3:], {**{name: part[3:] for name, part in y.items()}, "more": x[3:]}

    with pytest.raises(ValueError, match=r"\[y\] must have the same names, shapes and types in every chunk"):
        model.fit(bp.Stream(chunks, buffer=2), loss=loss, optimizer="sgd", batch_size=4, progress=False)


# Weights of either sign.


def squares(prediction, target):
    return bp.square(prediction - target)


def test_negative_weights_are_factors_in_losses_of_ones_own(model, x, y, rng):
    weight = np.array([1.0, -2.0, 0.5, 0.0, -1.0, 3.0])
    error = ((model.predict(x) - y["y"]) ** 2).mean(axis=1)
    expected = (weight * error).sum() / np.abs(weight).sum()
    assert model.value_and_grad(x, y["y"], squares, weight)[0] == pytest.approx(expected, rel=1e-13)
    assert model.evaluate(x, y["y"], loss=squares, sample_weight=weight)["loss"] == pytest.approx(expected, rel=1e-13)
    history = model.fit(x, y["y"], loss=squares, optimizer=bp.SGD(0.0), sample_weight=weight, batch_size=4,
                        progress=False)  # fmt: skip
    assert history["loss"][0] == pytest.approx(expected, rel=1e-13)
    with pytest.raises(ValueError, match="must be finite and not negative, got -2 in row 1; a loss of your own takes"):
        model.evaluate(x, y["y"], loss=bp.MSE(), sample_weight=weight)
    with pytest.raises(ValueError, match="sample_weight"):
        model.evaluate(x, y["y"], loss=squares, sample_weight=[1, 1, 1, 1, 1, np.inf])


def test_rows_that_weigh_nothing_are_not_computed_with(model, x, y):
    weight = np.array([1.0, -1.0, 0.0, 2.0, 0.0, 1.0])
    expected = model.value_and_grad(x, y["y"], squares, weight)
    y["y"][weight == 0] = np.inf
    found = model.value_and_grad(x, y["y"], squares, weight)
    assert found[0] == expected[0]
    for name, grad in found[1].items():
        np.testing.assert_array_equal(grad, expected[1][name])


def test_accumulated_batches_weigh_by_size(model, x, y):
    weight = np.array([1.0, -2.0, 0.5, 1.0, -1.0, 3.0])
    whole = bp.Sequential(bp.Dense(2), input_shape=3, seed=0, dtype="float64")
    options = {"loss": squares, "sample_weight": weight, "shuffle": False, "progress": False}
    whole.fit(x, y["y"], optimizer=bp.SGD(0.1), batch_size=6, **options)
    model.fit(x, y["y"], optimizer=bp.SGD(0.1), batch_size=2, accumulate=3, **options)
    np.testing.assert_allclose(model.flat_parameters, whole.flat_parameters, rtol=0, atol=1e-15)
