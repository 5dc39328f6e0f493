"""Every optimizer against the reference, and what descent promises: direction, rate, stationary points."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import DTYPES, ISAS, OPTIMIZERS, by_name, generator, using_isa

CASES = by_name(OPTIMIZERS)


def small_model(dtype="float64", seed=3):
    return bp.Sequential(bp.Dense(5), bp.Tanh(), bp.Dense(2), input_shape=(4,), seed=seed, dtype=dtype)


def batch(rows=12):
    rng = generator("batch", rows)
    return rng.standard_normal((rows, 4)), rng.standard_normal((rows, 2))


@pytest.mark.row("O2")
@pytest.mark.row("O4")
@pytest.mark.row("O5")
@pytest.mark.row("O6")
@pytest.mark.row("O7")
@pytest.mark.row("O8")
@pytest.mark.row("P1")
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **CASES)
def test_steps_on_given_gradients_follow_the_formula(case, dtype, isa):
    """optimizer.step reads model.gradients(), whoever wrote them."""
    rng = generator(case.name)
    with using_isa(isa):
        model, optimizer, state = small_model(dtype), case.make(), {}
        w = model.flat_parameters.astype(np.float64)
        for _ in range(100):
            grad = rng.standard_normal(w.size).astype(dtype)
            model.flat_gradients[:] = grad
            optimizer.step(model)
            w = case.update(w, grad.astype(np.float64), state)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(model.flat_parameters, w, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(model.flat_gradients, grad)


@given(units=st.integers(1, 70), features=st.integers(1, 70), data=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("case", **CASES)
def test_steps_on_any_number_of_parameters(case, units, features, data):
    rng = np.random.default_rng(data)
    model = bp.Sequential(bp.Dense(units), input_shape=(features,), seed=data, dtype="float64")
    w, optimizer, state = model.flat_parameters.copy(), case.make(), {}
    for _ in range(3):
        grad = rng.standard_normal(w.size)
        model.flat_gradients[:] = grad
        optimizer.step(model)
        w = case.update(w, grad, state)
    np.testing.assert_allclose(model.flat_parameters, w, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", **CASES)
def test_trainer_steps_as_gradients_and_optimizer_do(case):
    """Trainer.step = forward, loss, backward, optimizer.step by hand."""
    x, y = batch()
    trained, by_hand = small_model(), small_model()
    trainer, optimizer = bp.Trainer(trained, bp.MSE(), case.make()), case.make()
    for _ in range(20):
        value = trainer.step(x, y)
        expected, grad = bp.MSE().value_and_grad(by_hand.forward(x), y)
        by_hand.zero_grad()
        by_hand.backward(grad)
        optimizer.step(by_hand)
        assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(trained.flat_parameters, by_hand.flat_parameters, rtol=1e-11, atol=1e-13)


@pytest.mark.row("A24")
@pytest.mark.parametrize("isa", ISAS)
def test_one_step_is_the_formula_bit_for_bit(isa):
    """theta - eta * g, rounded twice: no contraction on any path."""
    with using_isa(isa):
        model = small_model()
        w, grad = model.flat_parameters.copy(), generator("bits").standard_normal(model.n_parameters)
        model.flat_gradients[:] = grad
        bp.SGD(0.1).step(model)
    np.testing.assert_array_equal(model.flat_parameters, w - 0.1 * grad)


@pytest.mark.row("A24")
@pytest.mark.parametrize("isa", ISAS)
def test_a_step_of_the_trainer_is_the_formula_bit_for_bit(isa):
    x, y = batch()
    with using_isa(isa):
        model = small_model()
        w = model.flat_parameters.copy()
        bp.Trainer(model, bp.MSE(), bp.SGD(0.3)).step(x, y)
    np.testing.assert_array_equal(model.flat_parameters, w - 0.3 * model.flat_gradients)


@pytest.mark.row("O10")
def test_the_step_points_down_the_gradient():
    x, y = batch()
    model = small_model()
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.05))
    for _ in range(50):
        before = model.flat_parameters.copy()
        trainer.step(x, y)
        step = model.flat_parameters - before
        assert step @ model.flat_gradients < 0
        cosine = step @ model.flat_gradients / np.linalg.norm(step) / np.linalg.norm(model.flat_gradients)
        assert cosine == pytest.approx(-1, abs=1e-12)


# A convex quadratic: L(w) = 1/2 sum_i lambda_i w_i^2, as half the squared error of a linear map on scaled unit vectors.
CURVATURES = np.array([0.5, 1.0, 2.0, 4.0])


def quadratic(start):
    n = len(CURVATURES)
    model = bp.Sequential(bp.Dense(1, bias=False), input_shape=(n,), dtype="float64")
    model.parameters()["0.weight"][:] = start
    return model, np.diag(np.sqrt(n * CURVATURES)), np.zeros((n, 1))


@pytest.mark.row("O1")
@pytest.mark.parametrize("eta", [0.1, 0.3, 0.45])
def test_descent_on_a_quadratic_takes_the_steps_of_the_closed_form(eta):
    """w_i after t steps is (1 - eta lambda_i)^t w_i, so the slowest direction tells how many are needed."""
    model, x, y = quadratic(1.0)
    slowest = np.abs(1 - eta * CURVATURES).max()
    steps = math.ceil(math.log(1e-8) / math.log(slowest))
    trainer = bp.Trainer(model, bp.HalfMSE(), bp.SGD(eta))
    w = model.parameters()["0.weight"]
    for _ in range(steps - 1):
        trainer.step(x, y)
    assert np.abs(w).max() > 1e-8
    trainer.step(x, y)
    assert np.abs(w).max() <= 1e-8
    np.testing.assert_allclose(w[0], (1 - eta * CURVATURES) ** steps, rtol=1e-9, atol=1e-20)


@pytest.mark.row("O1")
def test_descent_diverges_beyond_two_over_the_largest_curvature():
    for eta, grows in ((0.99 * 2 / 4, False), (1.01 * 2 / 4, True)):
        model, x, y = quadratic(1.0)
        trainer = bp.Trainer(model, bp.HalfMSE(), bp.SGD(eta))
        losses = [trainer.step(x, y) for _ in range(200)]
        assert (losses[-1] > losses[0]) == grows


@pytest.mark.row("O12")
@pytest.mark.parametrize("case", **by_name([case for case in OPTIMIZERS if "weight_decay" not in case.settings]))
def test_nothing_moves_at_a_stationary_point(case):
    """The gradient is exactly zero: all targets are met."""
    model = small_model()
    x, _ = batch()
    y = model.predict(x)
    before = model.flat_parameters.copy()
    fit = {"loss": bp.MSE(), "epochs": 5, "batch_size": len(x), "seed": 0, "progress": False}
    history = model.fit(x, y, optimizer=case.make(), **fit)  # and nobody is warned: warnings are errors
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert not model.flat_gradients.any()
    assert history["loss"] == [0.0] * 5


@pytest.mark.row("O6")
def test_decoupled_decay_shrinks_the_weights_and_leaves_the_moments_alone():
    """Without gradients AdamW takes away the same part of every weight; Adam with decay moves all equally far."""
    decoupled, coupled = small_model(), small_model()
    before = decoupled.flat_parameters.copy()
    adamw, adam = bp.AdamW(0.01, weight_decay=0.1), bp.Adam(0.01, weight_decay=0.1)
    for _ in range(10):
        adamw.step(decoupled)
        adam.step(coupled)
    np.testing.assert_allclose(decoupled.flat_parameters, (1 - 0.01 * 0.1) ** 10 * before, rtol=1e-13)
    moved = np.abs(coupled.flat_parameters - before)[np.abs(before) > 0.2]
    np.testing.assert_allclose(moved, 10 * 0.01, rtol=0.1)


@pytest.mark.row("O6")
def test_decoupled_decay_follows_the_learning_rate_and_differs_from_coupled_decay():
    rng = generator("decay")
    models = {kind: small_model() for kind in ("AdamW", "Adam")}
    optimizers = {kind: getattr(bp, kind)(weight_decay=0.1) for kind in models}
    w, state = models["AdamW"].flat_parameters.copy(), {}
    for rate in np.geomspace(0.1, 0.001, 50):
        grad = rng.standard_normal(w.size)
        w = reference.adamw(w, grad, state, rate, weight_decay=0.1)
        for kind, model in models.items():
            model.flat_gradients[:] = grad
            optimizers[kind].learning_rate = rate
            optimizers[kind].step(model)
    np.testing.assert_allclose(models["AdamW"].flat_parameters, w, rtol=1e-12, atol=1e-13)
    assert np.abs(models["Adam"].flat_parameters - w).max() > 0.01


@pytest.mark.row("O7")
def test_the_first_step_of_rmsprop_worked_out_by_hand():
    """v = 0.01 * 3^2, so the step is 0.1 * 3 / (0.3 + eps), whatever the size of the gradient."""
    model = bp.Sequential(bp.Dense(2, bias=False), input_shape=1, dtype="float64")
    model.flat_parameters[:] = 5
    model.flat_gradients[:] = [3, -3000]
    bp.RMSprop(learning_rate=0.1).step(model)
    np.testing.assert_allclose(model.flat_parameters, [4, 6], rtol=0, atol=1e-7)


def descend(start, minimum, eta):
    """Initialize, step, take the new weight, repeat, report: the weights on the way down (w - minimum)^2."""
    model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64")
    weight = model.parameters()["0.weight"]
    weight[:] = start
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(eta))
    path = [weight.item()]
    while len(path) == 1 or abs(path[-1] - path[-2]) > 1e-5:
        trainer.step([[1.0]], [[minimum]])
        path.append(weight.item())
    return path


@pytest.mark.row("O9")
@pytest.mark.parametrize(("start", "minimum"), [(10.0, 3.0), (-4.0, 3.0), (0.0, -0.5)])
@pytest.mark.parametrize("eta", [0.1, 0.4])
def test_descent_on_a_curve_reports_its_path_to_the_minimum(start, minimum, eta):
    path = descend(start, minimum, eta)
    assert path[0] == start
    assert path[-1] == pytest.approx(minimum, abs=1e-3)
    np.testing.assert_allclose(
        path, minimum + (start - minimum) * (1 - 2 * eta) ** np.arange(len(path)), rtol=0, atol=1e-12
    )
    costs = (np.array(path) - minimum) ** 2
    assert (np.diff(costs) < 0).all()


@pytest.mark.row("A27")
@pytest.mark.parametrize("kind", ["SGD", "Adam", "NAdam", "RAdam", "Adamax", "RMSprop", "Lion"])
def test_an_optimizer_steps_with_gradients_that_are_not_ours(kind):
    """Least squares whose gradient NumPy computes: neither forward nor backward has run."""
    rng = generator("foreign")
    x, y = rng.standard_normal((30, 3)), rng.standard_normal(30)
    model = bp.Sequential(bp.Dense(1, bias=False), input_shape=3, dtype="float64", seed=0)
    optimizer, w = getattr(bp, kind)(0.05), model.parameters()["0.weight"]
    for t in range(3000):
        model.gradients()["0.weight"][:] = (w @ x.T - y) @ x / len(x)
        optimizer.learning_rate *= 1 if t < 1500 else 0.99
        optimizer.step(model)
    np.testing.assert_allclose(w[0], np.linalg.lstsq(x, y, rcond=None)[0], rtol=0, atol=1e-4)


@pytest.mark.row("O3")
def test_mini_batches_take_one_step_each():
    x, y = batch(12)
    whole, parts = small_model(), small_model()
    bp.Trainer(whole, bp.MSE(), bp.SGD(0.1)).step(x, y)
    trainer = bp.Trainer(parts, bp.MSE(), bp.SGD(0.1))
    for begin in range(0, 12, 5):
        trainer.step(x[begin : begin + 5], y[begin : begin + 5])
    by_fit = small_model()
    by_fit.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), batch_size=5, shuffle=False, progress=False)
    np.testing.assert_array_equal(by_fit.flat_parameters, parts.flat_parameters)
    assert not np.array_equal(whole.flat_parameters, parts.flat_parameters)


def test_the_learning_rate_can_be_changed_between_steps():
    model, optimizer = small_model(), bp.SGD(0.1)
    for rate in (0.1, 0.02):
        optimizer.learning_rate = rate
        before = model.flat_parameters.copy()
        model.flat_gradients[:] = 1
        optimizer.step(model)
        np.testing.assert_array_equal(model.flat_parameters, before - rate)


def test_state_goes_on_across_fits():
    """Two fits of three epochs with one optimizer are one fit of six."""
    x, y = batch()
    once, twice = small_model(), small_model()
    fit = {"loss": bp.MSE(), "batch_size": 12, "shuffle": False, "progress": False}
    once.fit(x, y, optimizer=bp.Adam(0.01), epochs=6, **fit)
    optimizer = bp.Adam(0.01)
    for _ in range(2):
        twice.fit(x, y, optimizer=optimizer, epochs=3, **fit)
    np.testing.assert_array_equal(once.flat_parameters, twice.flat_parameters)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_epsilon_hat_is_added_before_the_correction(amsgrad):
    options = {"learning_rate": 0.1, "betas": (0.8, 0.99), "eps": 0.3, "amsgrad": amsgrad, "epsilon_hat": True}
    model, adam, state = small_model(), bp.Adam(**options), {}
    expected = model.flat_parameters.copy()
    for step in range(5):
        gradient = np.random.default_rng(step).standard_normal(expected.size)
        model.flat_gradients[:] = gradient
        adam.step(model)
        expected = reference.adam(expected, gradient, state, **options)
    np.testing.assert_allclose(model.flat_parameters, expected, rtol=1e-13)
