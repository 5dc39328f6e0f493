"""The four equations of backpropagation, and the eight derivatives of a network with one hidden layer.

Columns, as in the textbooks: x is (in,), z = W x + b. What `backprop` shows has a row for each sample.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import LOSSES, by_name, generator

ELEMENTWISE = [name for name in reference.ACTIVATIONS if name != "identity"]


def random_network(rng, depth):
    """Dense layers of any width, each with some activation."""
    names = [ELEMENTWISE[rng.integers(len(ELEMENTWISE))] for _ in range(depth)]
    layers = [bp.Dense(int(rng.integers(1, 8)), activation=name) for name in names]
    model = bp.Sequential(*layers, input_shape=int(rng.integers(1, 8)), seed=int(rng.integers(1000)), dtype="float64")
    for name, value in model.parameters().items():
        if name.endswith("bias"):
            value[:] = rng.uniform(-0.5, 0.5, value.shape)
    return model, names


def close(ours, expected):
    """To 1e-12 of the largest element, or of 1e-4: a delta may be all rounding of what cancels."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12 * max(1e-4, np.abs(expected).max()))


@pytest.mark.row("A3")
@pytest.mark.row("A4")
@pytest.mark.row("A5")
@pytest.mark.row("A6")
@pytest.mark.row("A17")
@given(depth=st.integers(1, 6), rows=st.integers(1, 9), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, derandomize=True)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_the_four_equations(case, depth, rows, seed):
    """Each from the formula, sample by sample, with the z, a and delta that backprop shows."""
    rng = generator(depth, rows, seed)
    model, names = random_network(rng, depth)
    x = rng.uniform(-1, 1, (rows, *model.input_shape))
    output = model.predict(x)
    y = case.target(rng, rows, output.shape[1])
    layers = model.backprop(x, y, case.make())
    weights = [model.parameters()[f"{at}.weight"] for at in range(depth)]
    slopes = [reference.ACTIVATIONS[name].derivative(layer["z"]) for name, layer in zip(names, layers, strict=True)]
    _, to_output = case.make().value_and_grad(output, y)

    before = x  # a_{l-1}
    for at, layer in enumerate(layers):
        for row in range(rows):
            z = weights[at] @ before[row] + model.parameters()[f"{at}.bias"]
            close(layer["z"][row], z)
            close(layer["a"][row], reference.activate(names[at], z))
            if at == depth - 1:  # delta_L = grad_a L * sigma'(z_L)
                close(layer["delta"][row], to_output[row] * slopes[at][row])
            else:  # delta_l = (W_{l+1}^T delta_{l+1}) * sigma'(z_l)
                close(layer["delta"][row], (weights[at + 1].T @ layers[at + 1]["delta"][row]) * slopes[at][row])
        # dL/dW_l = delta_l a_{l-1}^T and dL/db_l = delta_l, summed over samples
        close(layer["weight"], sum(np.outer(layer["delta"][row], before[row]) for row in range(rows)))
        close(layer["bias"], sum(layer["delta"]))
        before = layer["a"]


# Input, hidden, output: sigmoid twice, L = (y - yhat)^2 / 2.


@pytest.fixture
def net(rng):
    layers = [bp.Dense(4, activation="sigmoid"), bp.Dense(2, activation="sigmoid")]
    model = bp.Sequential(*layers, input_shape=3, seed=1, dtype="float64")
    model.flat_parameters[:] = rng.standard_normal(model.n_parameters)
    return model


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def eight_derivatives(model, x, y):
    """From left to right as one would write them down: every symbol stands for itself."""
    W1, b1, W2, b2 = model.parameters().values()
    z1 = W1 @ x + b1
    h = sigmoid(z1)
    z2 = W2 @ h + b2
    yhat = sigmoid(z2)

    dyhat = yhat - y
    dz2 = dyhat * yhat * (1 - yhat)
    dW2 = np.outer(dz2, h)
    db2 = dz2
    dh = W2.T @ dz2
    dz1 = dh * h * (1 - h)
    dW1 = np.outer(dz1, x)
    db1 = dz1
    return {"yhat": dyhat, "z2": dz2, "W2": dW2, "b2": db2, "h": dh, "z1": dz1, "W1": dW1, "b1": db1}


def eight_of_ours(model, x, y):
    """From backprop; the two by an activation's output from the gradient that the layer above hands down."""
    hidden, output = model.backprop(x[None], y[None], bp.HalfMSE())
    _, dyhat = bp.HalfMSE().value_and_grad(output["a"], y[None])
    upper = bp.Sequential(bp.Dense(2, activation="sigmoid"), input_shape=4, dtype="float64")
    upper.load_weights({f"0.{part}": model.parameters()[f"1.{part}"] for part in ("weight", "bias")})
    upper.forward(hidden["a"])
    dh = upper.backward(dyhat)
    return {
        "yhat": dyhat[0], "z2": output["delta"][0], "W2": output["weight"], "b2": output["bias"],
        "h": dh[0], "z1": hidden["delta"][0], "W1": hidden["weight"], "b1": hidden["bias"],
    }  # fmt: skip


def loss_after(model, x, y, symbol):
    """The loss as a function of one symbol, with everything that comes before it held."""
    W1, b1, W2, b2 = model.parameters().values()
    given = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

    def loss(value):
        s = {**given, symbol: value}
        s.setdefault("z1", s["W1"] @ x + s["b1"])
        s.setdefault("h", sigmoid(s["z1"]))
        s.setdefault("z2", s["W2"] @ s["h"] + s["b2"])
        s.setdefault("yhat", sigmoid(s["z2"]))
        return ((y - s["yhat"]) ** 2).sum() / 2

    values = {"z1": W1 @ x + b1}
    values["h"] = sigmoid(values["z1"])
    values["z2"] = W2 @ values["h"] + b2
    values["yhat"] = sigmoid(values["z2"])
    return loss, {**given, **values}[symbol]


@pytest.mark.row("A7")
@pytest.mark.parametrize("symbol", ["yhat", "z2", "W2", "b2", "h", "z1", "W1", "b1"])
def test_the_eight_derivatives(net, rng, symbol):
    x, y = rng.standard_normal(3), rng.uniform(0, 1, 2)
    expected = eight_derivatives(net, x, y)[symbol]
    close(eight_of_ours(net, x, y)[symbol], expected)
    loss, at = loss_after(net, x, y, symbol)
    assert reference.relative_error(expected, reference.numerical_gradient(loss, at)) < 1e-10


@pytest.mark.row("A7")
def test_one_step_down_the_eight_derivatives(net, rng):
    x, y = rng.standard_normal(3), rng.uniform(0, 1, 2)
    derivatives = eight_derivatives(net, x, y)
    before = [value.copy() for value in net.parameters().values()]
    loss = bp.Trainer(net, bp.HalfMSE(), bp.SGD(0.5)).step(x[None], y[None])
    for name, was, now in zip(("W1", "b1", "W2", "b2"), before, net.parameters().values(), strict=True):
        close(now, was - 0.5 * derivatives[name])
    assert net.evaluate(x[None], y[None], loss=bp.HalfMSE())["loss"] < loss
