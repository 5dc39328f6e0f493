"""model.objective: the loss as a function that SciPy minimises, with no optimizer of ours."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, LOSSES, by_name, generator

optimize = pytest.importorskip("scipy.optimize")


def small_model(dtype="float64", *more):
    return bp.Sequential(bp.Dense(5, activation="tanh"), *more, bp.Dense(3), input_shape=4, seed=2, dtype=dtype)


def sample(case, rows=25):
    rng = generator("objective", case.name)
    return rng.standard_normal((rows, 4)), case.target(rng, rows, 3)


MSE = LOSSES[0]


@pytest.mark.row("A27")
@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-ncg"])
def test_scipy_fits_a_network(method):
    """The targets come from a network of the same shape, so that the loss can be brought to nothing."""
    x, _ = sample(MSE, rows=60)
    teacher = small_model()
    teacher.flat_parameters[:] = generator("teacher").standard_normal(teacher.n_parameters)
    model = small_model()
    objective = model.objective(x, teacher.predict(x), bp.MSE())
    start = objective.fun(objective.x0)
    hessian = {} if method == "L-BFGS-B" else {"hessp": objective.hessp}
    found = optimize.minimize(
        objective.fun, objective.x0, method=method, jac=objective.jac, options={"maxiter": 300}, **hessian
    )
    assert found.fun < 1e-4 * start
    model.flat_parameters[:] = found.x
    assert model.evaluate(x, teacher.predict(x), loss=bp.MSE())["loss"] == pytest.approx(found.fun, rel=1e-12)


@pytest.mark.row("A27")
def test_value_and_gradient_in_one_call_lead_to_the_same_minimum():
    x, y = sample(MSE)
    objective = small_model().objective(x, y, bp.MSE())
    apart = optimize.minimize(objective.fun, objective.x0, jac=objective.jac, method="L-BFGS-B")
    together = optimize.minimize(objective, objective.x0, jac=True, method="L-BFGS-B")
    np.testing.assert_array_equal(apart.x, together.x)
    assert apart.nfev == together.nfev


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_value_and_gradient_are_those_of_the_model(case, dtype):
    x, y = sample(case)
    model = small_model(dtype)
    objective = model.objective(x, y, case.make())
    theta = objective.x0 + 0.25
    value, gradient = objective(theta)
    np.testing.assert_array_equal(model.flat_parameters, theta.astype(dtype))
    expected, by_name = model.value_and_grad(x, y, case.make())
    assert value == expected == objective.fun(theta)
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(gradient, np.concatenate([part.ravel() for part in by_name.values()]))
    np.testing.assert_array_equal(gradient, objective.jac(theta))


@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_the_hessian_is_the_slope_of_the_gradient(case):
    x, y = sample(case)
    objective = small_model().objective(x, y, case.make())
    theta, vector = objective.x0, generator("vector").standard_normal(objective.x0.size)

    def slope(h):
        return (objective.jac(theta + h * vector) - objective.jac(theta - h * vector)) / (2 * h)

    expected = (4 * slope(5e-4) - slope(1e-3)) / 3
    np.testing.assert_allclose(objective.hessp(theta, vector), expected, rtol=1e-7, atol=1e-9)


def test_dropout_masks_stay_the_same():
    x, y = sample(MSE)
    model = small_model("float64", bp.Dropout(0.5))
    objective = model.objective(x, y, bp.MSE())
    theta, vector = objective.x0, np.ones(model.n_parameters)
    value, product = objective.fun(theta), objective.hessp(theta, vector)
    assert objective.fun(theta + 1) != value
    assert objective.fun(theta) == value
    np.testing.assert_array_equal(objective.hessp(theta, vector), product)


def test_float32_models_are_minimised_too():
    x, y = sample(MSE)
    model = small_model("float32")
    objective = model.objective(x, y, bp.MSE())
    exact = small_model("float64").objective(x, y, bp.MSE())
    found = optimize.minimize(objective, objective.x0, jac=True, method="L-BFGS-B", options={"maxiter": 50})
    assert found.fun < 0.7 * objective.fun(objective.x0)
    assert exact.fun(found.x) == pytest.approx(found.fun, rel=1e-5)
    assert objective.hessp(objective.x0, objective.x0).dtype == np.float64


def test_what_is_returned_belongs_to_the_caller():
    x, y = sample(MSE)
    objective = small_model().objective(x, y, bp.MSE())
    theta = objective.x0.copy()
    first = objective.jac(theta)
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(objective.jac(theta), kept)
    theta += 1
    assert not np.array_equal(objective.jac(theta), kept)


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e39])
def test_a_theta_that_is_not_finite_is_refused_and_changes_nothing(bad):
    x, y = sample(MSE)
    model = small_model("float32")
    objective = model.objective(x, y, bp.MSE())
    before = model.flat_parameters.copy()
    theta = objective.x0.copy()
    theta[3] = bad
    for ask in (objective, objective.fun, objective.jac, lambda t: objective.hessp(t, theta)):
        with pytest.raises(ValueError, match=r"\[objective\] theta has a number that is not finite as float32"):
            ask(theta)
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_errors_name_what_is_wrong():
    x, y = sample(MSE)
    model = small_model()
    objective = model.objective(x, y, bp.MSE())
    n = model.n_parameters
    with pytest.raises(ValueError, match=rf"\[objective\] theta must have shape \({n},\), got \({n - 1},\)"):
        objective.fun(np.zeros(n - 1))
    with pytest.raises(TypeError, match=r"\[objective\] theta must be an array of real numbers"):
        objective.jac(["1"] * n)
    with pytest.raises(ValueError, match="vector"):
        objective.hessp(objective.x0, np.zeros(n + 1))
    with pytest.raises(TypeError, match=r"\[objective\] loss"):
        model.objective(x, y, 0.5)
    with pytest.raises(ValueError, match="y"):
        model.objective(x, y[:-1], bp.MSE())


def test_a_model_without_shapes_is_built_for_x():
    x, y = sample(MSE)
    model = bp.Sequential(bp.Dense(3), seed=0)
    with pytest.raises(ValueError, match="y"):
        model.objective(x, y[:-1], bp.MSE())
    with pytest.raises(RuntimeError, match="no shapes"):
        model.flat_parameters  # noqa: B018
    assert model.objective(x, y, bp.MSE()).x0.size == model.n_parameters == 15
