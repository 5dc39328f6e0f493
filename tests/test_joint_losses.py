"""Losses that see all outputs of a network, and those that look at its inputs."""

import pickle

import numpy as np
import pytest

import backpass as bp

ROWS = 7


def actor_critic(outputs, y):
    logits, value = outputs
    log_probability = bp.take_label(logits, y["actions"]) - bp.log_sum_exp(logits)
    error = y["returns"] - bp.reshape(value, (None,))
    return bp.square(error) - log_probability * bp.stop_gradient(error)


def network(dtype="float64"):
    x = bp.Input(4, dtype=dtype)
    hidden = bp.Dense(5, activation="tanh")(x)
    return bp.Network(x, [bp.Dense(3)(hidden), bp.Dense(1)(hidden)], seed=1)


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, 4))


@pytest.fixture
def y(rng):
    return {"actions": rng.integers(0, 3, ROWS), "returns": rng.standard_normal(ROWS)}


def expected(model, x, y):
    logits, value = model.predict(x)
    log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    error = y["returns"] - value[:, 0]
    return (error**2 - log[np.arange(ROWS), y["actions"]] * error).mean()


def test_it_sees_all_outputs(x, y):
    model, loss = network(), bp.JointLoss(actor_critic)
    value = expected(model, x, y)
    assert model.value_and_grad(x, y, loss)[0] == pytest.approx(value, rel=1e-14)
    assert model.evaluate(x, y, loss=loss) == {"loss": pytest.approx(value, rel=1e-14)}
    history = model.fit(x, y, loss=loss, optimizer=bp.SGD(0.05), epochs=30, validation_data=(x, y), progress=False)
    assert list(history) == ["loss", "val_loss", "learning_rate"]
    assert history["loss"][0] == pytest.approx(value, rel=1e-14)
    assert history["loss"][-1] < value
    assert model.backprop(x, y, loss)


def test_the_gradient_is_right_and_tells_a_wrong_one(x, y):
    def whole(outputs, y):
        logits, value = outputs
        return bp.mean(bp.square(logits) * value, 1) + bp.square(bp.reshape(value, (None,)) - y["returns"])

    assert bp.gradcheck(network(), bp.JointLoss(whole), x, y) < 1e-6
    stopped = bp.gradcheck(network(), bp.JointLoss(actor_critic), x, y)
    assert stopped > 1e-3, stopped.where  # stop_gradient is no derivative


@pytest.mark.parametrize("form", ["array", "list", "tuple"])
def test_targets_come_in_any_form(x, rng, form):
    y = {"array": rng.standard_normal((ROWS, 1)), "list": [x, rng.integers(0, 3, ROWS)], "tuple": (x,)}[form]

    class Own(bp.JointLoss):
        def forward(self, outputs, target):
            logits, value = outputs
            if form == "list":
                return bp.mean(bp.square(target[0]), 1) * bp.take_label(logits, target[1])
            return bp.square(value - (target if form == "array" else bp.mean(target[0], 1, keepdims=True)))

    model = network()
    assert bp.gradcheck(model, Own(), x, y) < 1e-6
    history = model.fit(x, y, loss=Own(), optimizer="adam", batch_size=3, validation_split=0.3, progress=False)
    assert list(history) == ["loss", "val_loss", "learning_rate"]
    assert pickle.loads(pickle.dumps(bp.JointLoss(actor_critic))) == bp.JointLoss(actor_critic)


def test_sample_weights_count_rows(x, y):
    counts = np.array([1, 2, 0, 1, 3, 1, 1])
    model, loss = network(), bp.JointLoss(actor_critic)
    repeated = {name: part.repeat(counts) for name, part in y.items()}
    assert model.value_and_grad(x, y, loss, counts)[0] == pytest.approx(
        model.value_and_grad(x.repeat(counts, axis=0), repeated, loss)[0], rel=1e-13
    )


class ByNumPy(bp.JointLoss):
    def value_and_grad(self, prediction, target, sample_weight=None):
        logits, value = prediction
        return np.mean(logits**2) + np.mean(value**2), [2 * logits / logits.size, 2 * value / value.size]


def test_numpy_gives_a_gradient_for_each_output(x):
    assert bp.gradcheck(network(), ByNumPy(), x, None) < 1e-6
    broken = type("Broken", (ByNumPy,), {"value_and_grad": lambda self, p, t, w=None: (0.0, [p[0]])})()
    with pytest.raises(ValueError, match=r"\[Broken\] must give 2 gradients, got 1"):
        network().value_and_grad(x, None, broken)


def test_a_joint_loss_stands_alone(x, y):
    joint = bp.JointLoss(actor_critic)
    with pytest.raises(ValueError, match="JointLoss sees all outputs: it stands alone"):
        network().value_and_grad(x, y, [joint, joint])
    with pytest.raises(ValueError, match=r"\[loss_weights\] expected one for each of 1 loss, got 2"):
        network().evaluate(x, y, loss=joint, loss_weights=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"\[metrics\] need a network of one output"):
        network().evaluate(x, y, loss=joint, metrics="mae")
    with pytest.raises(TypeError, match=r"\[JointLoss\] function must compose a loss, got 3"):
        bp.JointLoss(3)
    with pytest.raises(NotImplementedError, match=r"\[JointLoss\] needs a function"):
        network().value_and_grad(x, y, bp.JointLoss())


# Losses that look at x.


def small(dtype="float64", inputs=2):
    layers = [bp.Dense(8, activation="tanh"), bp.Dense(1)]
    return bp.Sequential(*layers, input_shape=inputs, seed=1, dtype=dtype)


def slope_error(u, target, x):
    slope = bp.gradients(bp.sum(u), [x])[0]
    return bp.mean(bp.square(slope - target["slope"]), 1)


def test_derivatives_of_the_network_are_there(rng):
    model, x = small(), rng.standard_normal((ROWS, 2))
    slope = rng.standard_normal((ROWS, 2))
    model.forward(x)
    own = model.backward(np.ones((ROWS, 1)))
    value = model.value_and_grad(x, {"slope": slope}, slope_error)[0]
    assert value == pytest.approx(((own - slope) ** 2).mean(), rel=1e-13)
    assert bp.gradcheck(model, slope_error, x, {"slope": slope}) < 1e-6


def test_a_loss_of_derivatives_alone(rng):
    """u'' = -x."""

    def residual(u, x):
        first = bp.gradients(bp.sum(u), [x])[0]
        second = bp.gradients(bp.sum(first), [x])[0]
        return bp.square(second + x)

    model, x = small(inputs=1), rng.uniform(0, 1, (16, 1))
    assert bp.gradcheck(model, residual, x, None) < 1e-6
    history = model.fit(x, (), loss=residual, optimizer=bp.LBFGS(), epochs=80, progress=False)
    assert history["loss"][-1] < 1e-3 * history["loss"][0]


def test_several_inputs_come_as_a_list(rng):
    left, right = bp.Input(2, name="left", dtype="float64"), bp.Input(3, name="right", dtype="float64")
    model = bp.Network([left, right], bp.Dense(1)(bp.tanh(bp.Dense(4)(bp.concat([left, right], axis=1)))), seed=0)

    def steepness(u, x):
        return bp.sum(bp.square(bp.gradients(bp.sum(u), [x[1]])[0]), 1)

    assert bp.gradcheck(model, steepness, [rng.standard_normal((4, 2)), rng.standard_normal((4, 3))], None) < 1e-6


def test_who_looks_at_x_cannot_be_asked_alone(rng):
    class Slopes(bp.Loss):
        def forward(self, prediction, target, x):
            return slope_error(prediction, target, x)

    with pytest.raises(ValueError, match=r"\[Slopes\] looks at x, which only a model has"):
        Slopes().value_and_grad(np.ones((2, 1)), {"slope": np.ones((2, 2))})
    assert bp.gradcheck(small(), Slopes(), rng.standard_normal((3, 2)), {"slope": np.ones((3, 2))}) < 1e-6
