"""The smallest network there is, worked by hand.

x = 1 -> w1 = 0.5 -> sigmoid -> w2 = -0.3 -> sigmoid -> y, target 1, half the squared error, learning rate 1, no biases.
"""

import math

import numpy as np
import pytest

import backpass as bp

W1, W2, TARGET = 0.5, -0.3, 1.0


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def by_hand():
    """Every symbol of the forward and backward table."""
    z1 = W1 * 1.0
    h = sigmoid(z1)
    z2 = W2 * h
    y = sigmoid(z2)
    dy = y - TARGET
    dz2 = dy * y * (1 - y)
    dh = dz2 * W2
    dz1 = dh * h * (1 - h)
    return {
        "z1": z1, "h": h, "z2": z2, "y": y, "loss": dy**2 / 2, "dy": dy, "slope2": y * (1 - y), "dz2": dz2,
        "dw2": dz2 * h, "dh": dh, "dz1": dz1, "dw1": dz1 * 1.0,
    }  # fmt: skip


FORWARD = {"z1": 0.5, "h": 0.622, "z2": -0.187, "y": 0.453, "loss": 0.150}
BACKWARD = {"dy": -0.547, "slope2": 0.248, "dz2": -0.135, "dw2": -0.0840, "dh": 0.0405, "dz1": 0.00952, "dw1": 0.00952}
EXACT = {"dy": -0.5465493, "slope2": 0.2478332, "dz2": -0.1354530, "dw2": -0.0843140, "dh": 0.0406359, "dz1": 0.0095496}


@pytest.fixture
def model():
    hidden, output = (bp.Dense(1, activation="sigmoid", bias=False) for _ in range(2))
    net = bp.Sequential(hidden, output, input_shape=(1,), dtype="float64")
    net.parameters()["0.weight"][:] = W1
    net.parameters()["1.weight"][:] = W2
    return net


X, Y = np.array([[1.0]]), np.array([[TARGET]])


def test_the_table_by_hand_is_the_table_of_the_book():
    hand = by_hand()
    for name, rounded in {**FORWARD, **BACKWARD}.items():
        assert hand[name] == pytest.approx(rounded, rel=5e-3), name
    for name, digits in EXACT.items():
        assert hand[name] == pytest.approx(digits, abs=6e-8), name


def ours(model):
    """The same symbols, from backprop."""
    hidden, output = model.backprop(X, Y, bp.HalfMSE())
    return {
        "z1": hidden["z"], "h": hidden["a"], "z2": output["z"], "y": output["a"], "dz2": output["delta"],
        "dz1": hidden["delta"], "dw2": output["weight"], "dw1": hidden["weight"],
    }  # fmt: skip


@pytest.mark.row("A8")
def test_forward_table(model):
    hand, table = by_hand(), ours(model)
    for name in ("z1", "h", "z2", "y"):
        assert table[name].item() == pytest.approx(hand[name], abs=1e-9), name
    assert model.predict(X).item() == pytest.approx(hand["y"], abs=1e-15)
    value, _ = bp.HalfMSE().value_and_grad(model.predict(X), Y)
    assert value == pytest.approx(hand["loss"], abs=1e-15)


@pytest.mark.row("A9")
def test_backward_table(model):
    hand, table = by_hand(), ours(model)
    _, grad = bp.HalfMSE().value_and_grad(model.forward(X), Y)
    assert grad.item() == pytest.approx(hand["dy"], abs=1e-9)
    for name in ("dz2", "dw2", "dz1", "dw1"):
        assert table[name].item() == pytest.approx(hand[name], abs=1e-9), name
    assert table["dz2"].item() / grad.item() == pytest.approx(hand["slope2"], abs=1e-9)
    dx = model.backward(grad)
    assert dx.item() == pytest.approx(hand["dz1"] * W1, abs=1e-9)
    assert model.gradients()["1.weight"].item() == pytest.approx(hand["dw2"], abs=1e-15)
    assert model.gradients()["0.weight"].item() == pytest.approx(hand["dw1"], abs=1e-15)


@pytest.mark.row("A9")
def test_gradient_of_the_hidden_unit(model):
    """dh, at the seam between the layers: the gradient to the input of the upper half."""
    hand = by_hand()
    upper = bp.Sequential(bp.Dense(1, activation="sigmoid", bias=False), input_shape=(1,), dtype="float64")
    upper.parameters()["0.weight"][:] = W2
    _, grad = bp.HalfMSE().value_and_grad(upper.forward(np.array([[hand["h"]]])), Y)
    assert upper.backward(grad).item() == pytest.approx(hand["dh"], abs=1e-15)


@pytest.mark.row("A10")
def test_one_update(model):
    trainer = bp.Trainer(model, bp.HalfMSE(), bp.SGD(1.0))
    assert trainer.step(X, Y) == pytest.approx(0.1493580, abs=6e-8)
    w1, w2 = model.parameters()["0.weight"].item(), model.parameters()["1.weight"].item()
    assert (w1, w2) == pytest.approx((0.4904504, -0.2156860), abs=6e-8)
    assert (w1, w2) == pytest.approx((0.490, -0.216), rel=5e-3)
    loss = model.evaluate(X, Y, loss=bp.HalfMSE())["loss"]
    assert loss == pytest.approx(0.1422541, abs=6e-8)
