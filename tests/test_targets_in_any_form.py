"""Targets as dicts and tuples of arrays, losses of all outputs, losses that look at x."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator

ROWS, FEATURES, ACTIONS = 7, 4, 3


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return {
        "actions": rng.integers(0, ACTIONS, ROWS),
        "advantages": rng.standard_normal(ROWS),
        "mask": rng.random(ROWS) < 0.6,
        "view": rng.standard_normal((ROWS, 2, 2)),
    }


def make_model(dtype="float64"):
    layers = [bp.Dense(5, activation="tanh"), bp.Dense(ACTIONS)]
    return bp.Sequential(*layers, input_shape=FEATURES, seed=1, dtype=dtype)


def policy_gradient(logits, y):
    """By row, with something of every target in it."""
    log_probability = bp.take_label(logits, y["actions"]) - bp.log_sum_exp(logits)
    return -log_probability * y["advantages"] * y["mask"] + bp.mean(bp.square(y["view"]), [1, 2])


def by_place(logits, y):
    return policy_gradient(logits, dict(zip(("actions", "advantages", "mask", "view"), y, strict=True)))


def expected(logits, y):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    taken = log_probability[np.arange(len(logits)), y["actions"]]
    return -taken * y["advantages"] * y["mask"] + (y["view"] ** 2).mean(axis=(1, 2))


def fit(model, x, y, loss, **options):
    settings = {"optimizer": bp.SGD(0.1), "batch_size": 3, "seed": 3, "progress": False}
    return model.fit(x, y, loss=loss, **{**settings, **options})


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dict_and_a_tuple_give_the_value_by_formula(x, y, dtype):
    model, limit = make_model(dtype), 1e-5 if dtype == "float32" else 1e-13
    value = expected(model.predict(x).astype(np.float64), y).mean()
    for loss, given in ((policy_gradient, y), (by_place, tuple(y.values()))):
        assert model.value_and_grad(x, given, loss)[0] == pytest.approx(value, rel=limit)
        assert model.evaluate(x, given, loss=loss)["loss"] == pytest.approx(value, rel=limit)
        assert bp.Trainer(make_model(dtype), loss, bp.SGD(0.1)).step(x, given) == pytest.approx(value, rel=limit)
        assert bp.gradcheck(model, loss, x, given) < 1e-6


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_integers_of_any_width_are_indices(x, y, kind):
    given = {**y, "actions": y["actions"].astype(kind)}
    value = make_model().value_and_grad(x, given, policy_gradient)[0]
    assert value == make_model().value_and_grad(x, y, policy_gradient)[0]


def test_the_order_of_a_dict_is_free(x, y):
    turned = dict(reversed(y.items()))
    assert make_model().value_and_grad(x, turned, policy_gradient)[0] == pytest.approx(
        make_model().value_and_grad(x, y, policy_gradient)[0], rel=1e-15
    )


WAYS = {
    "validation": {"validation_data": True},
    "accumulate": {"accumulate": 3},
    "threads": {"threads": 2},
    "split": {"validation_split": 0.3},
}


@pytest.mark.parametrize("way", WAYS)
def test_fit_takes_them(x, y, way):
    def options(given):
        return {"epochs": 5, **WAYS[way], **({"validation_data": (x, given)} if way == "validation" else {})}

    first, second, places = make_model(), make_model(), tuple(y.values())
    history = fit(first, x, y, policy_gradient, **options(y))
    again = fit(second, x, places, by_place, **options(places))
    np.testing.assert_array_equal(first.flat_parameters, second.flat_parameters)
    assert history == again
    assert history["loss"][-1] < history["loss"][0]


def test_one_full_batch_is_the_step_by_formula(x, y):
    model, other = make_model(), make_model()
    fit(model, x, y, policy_gradient, batch_size=ROWS, shuffle=False)
    _, grads = other.value_and_grad(x, y, policy_gradient)
    for name, parameter in other.parameters().items():
        np.testing.assert_allclose(model.parameters()[name], parameter - 0.1 * grads[name], rtol=0, atol=1e-15)


def test_streams_carry_them(x, y):
    def chunks():
        for begin in range(0, ROWS, 2):
            yield x[begin : begin + 2], {name: part[begin : begin + 2] for name, part in y.items()}

    streamed, plain = make_model(), make_model()
    history = fit(streamed, bp.Stream(chunks), None, policy_gradient, shuffle=False, epochs=3)
    assert history == fit(plain, x, y, policy_gradient, shuffle=False, epochs=3)
    np.testing.assert_array_equal(streamed.flat_parameters, plain.flat_parameters)
    value = streamed.evaluate(bp.Stream(chunks), loss=policy_gradient)["loss"]
    assert value == pytest.approx(plain.evaluate(x, y, loss=policy_gradient)["loss"], rel=1e-14)


def test_augmentations_see_them_in_their_form(x, y):
    def without_advantage(rows, given, rng):
        assert (given["mask"].dtype, given["actions"].dtype) == (np.float64, np.int32)
        return rows, {**given, "advantages": 0 * given["advantages"]}

    model = make_model()
    history = fit(model, x, y, policy_gradient, augment=without_advantage)
    assert history["loss"][0] == pytest.approx((y["view"] ** 2).mean(), rel=1e-12)


def test_lbfgs_objective_and_second_derivatives_take_them(x, y):
    model = make_model()
    history = model.fit(x, y, loss=policy_gradient, optimizer=bp.LBFGS(), epochs=5, progress=False)
    assert history["loss"][-1] < history["loss"][0]
    objective = model.objective(x, y, policy_gradient)
    vector = generator("direction").standard_normal(model.n_parameters)
    theta, h = objective.x0, 1e-5
    difference = (objective.jac(theta + h * vector) - objective.jac(theta - h * vector)) / (2 * h)
    product = objective.hessp(theta, vector)
    np.testing.assert_allclose(product, difference, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(bp.hvp(model, policy_gradient, x, y, vector, random_step=0), product)


def test_a_loss_can_be_asked_alone(y, rng):
    class Own(bp.Loss):
        def forward(self, prediction, target):
            return policy_gradient(prediction, target)

    logits = rng.standard_normal((ROWS, ACTIONS))
    value, grad = Own().value_and_grad(logits, y)
    assert value == pytest.approx(expected(logits, y).mean(), rel=1e-14)
    assert grad.shape == logits.shape


class ByNumPy(bp.Loss):
    """Squares of (prediction - target) * mask."""

    def value_and_grad(self, prediction, target, sample_weight=None):
        assert target["steps"].dtype.kind == "i"
        error = (prediction - target["wanted"]) * target["mask"]
        return np.mean(error**2), 2 * error * target["mask"] / error.size


def test_losses_by_numpy_take_them(x, rng):
    y = {
        "wanted": rng.standard_normal((ROWS, ACTIONS)),
        "mask": rng.random((ROWS, ACTIONS)) < 0.5,
        "steps": np.arange(ROWS),
    }
    model = make_model()
    assert bp.gradcheck(model, ByNumPy(), x, y) < 1e-6
    expected = (((model.predict(x) - y["wanted"]) * y["mask"]) ** 2).mean()
    assert model.evaluate(x, y, loss=ByNumPy())["loss"] == pytest.approx(expected, rel=1e-14)


def test_no_targets(x):
    def energy(prediction):
        return bp.mean(bp.square(prediction), 1)

    model = make_model()
    expected = (model.predict(x) ** 2).mean()
    assert model.value_and_grad(x, None, energy)[0] == pytest.approx(expected, rel=1e-14)
    assert model.evaluate(x, (), loss=energy)["loss"] == pytest.approx(expected, rel=1e-14)
    assert bp.Trainer(model, energy, bp.SGD(0.1)).step(x, None) == pytest.approx(expected, rel=1e-14)
    assert fit(model, x, (), energy, epochs=9)["loss"][-1] < expected
    assert bp.gradcheck(model, energy, x, None) < 1e-6


@pytest.mark.row("A17")
def test_backprop_shows_the_deltas(x, y):
    model = make_model()
    layers = model.backprop(x, y, policy_gradient)
    _, grads = model.value_and_grad(x, y, policy_gradient)
    np.testing.assert_allclose(layers[0]["weight"], grads["0.weight"], rtol=0, atol=1e-15)


def test_plans_are_those_of_the_last_data(x, y):
    trainer = bp.Trainer(make_model(), policy_gradient, bp.SGD(0.1))
    trainer.step(x, y)
    assert "update" in str(trainer.plan(4))
    assert trainer.memory_estimate(4) > 0
    trainer.profile(4, repeats=1)


def test_forms_may_change_from_step_to_step(x, y):
    """Plans are told apart by the form."""

    def squares(prediction, target):
        return bp.square(prediction - target["a"]) if "a" in target else bp.square(prediction) * target["b"]

    trainer = bp.Trainer(make_model(), squares, bp.SGD(0.0))
    p = trainer.model.predict(x)
    for _ in range(2):
        assert trainer.step(x, {"a": p * 0}) == pytest.approx((p**2).mean(), rel=1e-13)
        assert trainer.step(x, {"b": np.full((ROWS, 1), 3.0)}) == pytest.approx(3 * (p**2).mean(), rel=1e-13)
