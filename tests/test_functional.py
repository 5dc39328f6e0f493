"""Models as pure functions of their parameters."""

import numpy as np
import pytest

import backpass as bp
from registry import generator


def model(dtype="float64"):
    layers = bp.Dense(6, activation="tanh"), bp.BatchNorm(), bp.Dropout(0.5), bp.Dense(2)
    return bp.Sequential(*layers, input_shape=3, seed=0, dtype=dtype)


def data(rows=5):
    rng = generator("functional")
    return rng.standard_normal((rows, 3)), rng.standard_normal((rows, 2))


def loss_of(f):
    return lambda p, x, y: bp.mean(bp.square(f(p, x) - y))


def test_it_predicts_what_the_model_predicts():
    net, (x, y) = model(), data()
    net.fit(x, y, loss="mse", optimizer="sgd", epochs=2)
    f, parameters = net.functional()
    np.testing.assert_allclose(f(parameters, x), net.predict(x), rtol=1e-14)
    np.testing.assert_allclose(f(parameters, x[0]), net.predict(x[:1])[0], rtol=1e-14)
    parameters["3.bias"] += 1  # a copy
    np.testing.assert_allclose(f(parameters, x), net.predict(x) + 1, rtol=1e-13)


@pytest.mark.row("X3")
def test_gradients_of_examples_and_ensembles():
    net, (x, y) = model(), data()
    f, p = net.functional()
    loss = loss_of(f)
    each = bp.vmap(bp.grad(loss), in_axes=(None, 0, 0))(p, x, y)
    for i in range(len(x)):
        expected = bp.grad(loss)(p, x[i], y[i])
        for name in p:
            np.testing.assert_allclose(each[name][i], expected[name], rtol=1e-12, atol=1e-14)
    many = bp.tree.map(lambda a: np.stack([a, 2 * a, -a]), p)
    together = bp.vmap(f, in_axes=(0, None))(many, x)
    for k, scale in enumerate((1, 2, -1)):
        alone = f(bp.tree.map(lambda a, scale=scale: scale * a, p), x)
        np.testing.assert_allclose(together[k], alone, rtol=1e-12, atol=1e-14)


def test_a_gradient_through_a_step():
    """MAML: the loss after one step of descent, by the parameters before it."""
    net, (x, y) = model(), data()
    f, p = net.functional()
    loss = loss_of(f)

    def after_a_step(p, x, y):
        return loss(bp.tree.map(lambda a, g: a - 0.1 * g, p, bp.grad(loss)(p, x, y)), x, y)

    got = bp.grad(after_a_step)(p, x, y)
    h, name = 1e-5, "0.weight"
    for at in ((0, 0), (3, 2)):
        ends = []
        for sign in (1, -1):
            moved = {**p, name: p[name].copy()}
            moved[name][at] += sign * h
            ends.append(bp.compile(after_a_step)(moved, x, y))
        assert got[name][at] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_arrays_say_in_which_type_it_computes(dtype):
    """A model of float32 has derivatives in float64, and the other way round."""
    net, (x, y) = model(dtype=dtype), data()
    net.fit(x, y, loss="mse", optimizer="sgd", epochs=2)
    f, p = net.functional()
    twin = bp.tree.map(np.float64, p)
    double = model()
    double.load_weights(bp.tree.map(np.float64, net.state_dict()))
    assert f(twin, x).dtype == np.float64
    np.testing.assert_allclose(f(twin, x), double.predict(x), rtol=1e-13)
    single = f(bp.tree.map(np.float32, p), x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double.predict(x), rtol=1e-4, atol=1e-5)
    assert f(p, x[0]).dtype == np.dtype(dtype)
    expected = bp.grad(loss_of(double.functional()[0]))(twin, x, y)
    for name, grad in bp.grad(loss_of(f))(twin, x, y).items():
        np.testing.assert_allclose(grad, expected[name], rtol=1e-10, atol=1e-14)


def test_what_does_not_fit_is_refused():
    f, p = model().functional()
    x, _ = data()
    with pytest.raises(ValueError, match=r"parameters must be a dict of \['0.weight'"):
        f({"w": x}, x)
    with pytest.raises(ValueError, match="needs 1 inputs, got 2"):
        f(p, x, x)
    with pytest.raises(ValueError, match="expected shape"):
        f(p, x[:, :2])


def trained(dtype):
    layers = bp.Dense(6, activation="tanh"), bp.BatchNorm(), bp.Dropout(0.5), bp.Dense(2)
    return bp.Sequential(*layers, input_shape=3, seed=4, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_training_it_is_a_step_of_a_trainer(dtype):
    """Dropout and running statistics too: the same random numbers, the same states."""
    x, y = (a.astype(dtype) for a in data(8))
    net, mse, adam = trained(dtype), bp.MSE(), bp.Adam(0.05)
    f, parameters, states = net.functional(training=True)

    @bp.compile(seed=4)
    def step(parameters, states, optimizer_state, x, y):
        def error(parameters):
            prediction, moved = f(parameters, states, x)
            return mse(prediction, y), moved

        (value, moved), gradients = bp.value_and_grad(error, has_aux=True)(parameters)
        return *adam.apply(parameters, gradients, optimizer_state), moved, value

    optimizer_state = adam.init(parameters)
    trainer = bp.Trainer(net, mse, bp.Adam(0.05))
    for _ in range(6):
        expected = trainer.step(x, y)
        parameters, optimizer_state, states, value = step(parameters, states, optimizer_state, x, y)
        np.testing.assert_allclose(value, expected, rtol=1e-5 if dtype == "float32" else 1e-13)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for got, wanted in ((parameters, net.parameters()), (states, net.states())):
        assert {*got} == {*wanted}
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_in_training_members_of_an_ensemble_draw_for_themselves():
    net, (x, _) = model(), data(64)
    f, parameters, states = net.functional(training=True)
    both = bp.tree.map(lambda a: np.stack([a, a]), (parameters, states))
    y, moved = bp.vmap(f, in_axes=(0, 0, None))(*both, x)
    assert np.abs(y[0] - y[1]).max() > 0.1
    np.testing.assert_allclose(moved["1.running_mean"][0], moved["1.running_mean"][1], rtol=1e-12)


def test_in_training_too_few_rows_are_refused():
    f, parameters, states = model().functional(training=True)
    with pytest.raises(ValueError, match="needs at least 2 values per channel in training"):
        f(parameters, states, np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"\[functional\] states must be a dict of"):
        f(parameters, {}, np.ones((4, 3)))
