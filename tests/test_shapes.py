"""Shapes that do not fit: what the errors say, and when they are raised."""

import numpy as np
import pytest

import backpass as bp
from registry import generator


def classifier():
    return bp.Sequential(bp.Dense(16), bp.ReLU(), bp.Dropout(0.1), bp.Dense(3), input_shape=4, seed=1)


@pytest.mark.row("C5")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x, y: m.predict(x[:, :3]), ("(batch, 4)", "(10, 3), for Dense 0")),
        (lambda m, x, y: m.forward(x[:, :3]), ("(batch, 4)", "(10, 3), for Dense 0")),
        (
            lambda m, x, y: m.fit(x[:, :3], y, optimizer=bp.SGD(0.1), loss=bp.CrossEntropy(), progress=False),
            ("(batch, 4)", "(10, 3), for Dense 0"),
        ),
        (lambda m, x, y: m.fit(x, y[:5], optimizer=bp.SGD(0.1), loss=bp.CrossEntropy(), progress=False), ("10", "5")),
        (lambda m, x, y: m.evaluate(x, y[:5], loss=bp.CrossEntropy()), ("10", "5")),
        (
            lambda m, x, y: m.fit(x, np.ones((10, 7)), loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False),
            ("(10, 3)", "(10, 7), for the output of Dense 3"),
        ),
        (lambda m, x, y: m.evaluate(x, np.ones((10, 7)), loss=bp.MSE()), ("(10, 3)", "for the output of Dense 3")),
        (
            lambda m, x, y: m.backprop(x[0], y, bp.CrossEntropy()),
            ("(4,), for Dense 0; one row alone has shape (1, 4)",),
        ),
        (lambda m, x, y: bp.MSE().value_and_grad(x, x[:, :3]), ("4", "3")),
    ],
)
def test_shapes_that_do_not_fit_are_errors_that_name_both_and_the_layer(call, words):
    rng = generator("shapes")
    x, y = rng.standard_normal((10, 4)), rng.integers(0, 3, 10)
    model = classifier()
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=r"^\[\w.*\] ") as caught:
        call(model, x, y)
    for word in words:
        assert word in str(caught.value)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.row("C5")
def test_each_input_and_output_of_a_network_has_its_layer():
    a, b = bp.Input(3, name="a"), bp.Input(4, name="b")
    body = bp.concat([bp.Dense(5)(a), bp.Dense(6)(b)], 1)
    model = bp.Network([a, b], [bp.Dense(2)(body), bp.square(body)], seed=0)
    rows = [np.ones((7, n)) for n in (3, 4, 2, 11)]
    loss = [bp.MSE(), bp.MSE()]
    with pytest.raises(ValueError, match=r"\[x: b\] expected shape \(batch, 4\), got \(7, 3\), for Dense 1$"):
        model.predict([rows[0], rows[0]])
    with pytest.raises(ValueError, match=r"\[y\] expected shape \(7, 2\), got \(7, 4\), for the output of Dense 2$"):
        model.value_and_grad(rows[:2], [rows[1], rows[3]], loss)
    with pytest.raises(ValueError, match=r"\[y\] expected shape \(7, 11\), got \(7, 4\)$"):  # no layer makes it
        model.value_and_grad(rows[:2], [rows[2], rows[1]], loss)


@pytest.mark.row("C5")
def test_shapes_known_while_building_are_checked_there():
    x, w = bp.input((3, 4)), bp.input((5, 6))
    with pytest.raises(ValueError, match=r"matmul.*4.*5"):
        x @ w
    with pytest.raises(ValueError, match=r"3, 4.*5, 6"):
        x + w
