"""Tensors of a graph where Python or NumPy would have numbers: refused, with what to write instead."""

import math
import operator

import numpy as np
import pytest

import backpass as bp

NUMBER = "is no number while a graph is built"
AROUND = r"a choice has no gradient\. bp\.softmax weighs .*straight-through"


@pytest.fixture
def x():
    return bp.Input(3)


@pytest.mark.row("A29")
@pytest.mark.parametrize(
    "choose",
    [np.argmax, np.argmin, np.argsort, np.nonzero, np.round, np.floor, lambda x: np.argmax(x, axis=1), np.rint,
     lambda x: np.isclose(x, 1), lambda x: np.searchsorted([0.0, 1.0], x)],
    ids=range(10),
)  # fmt: skip
def test_choices_name_the_ways_around(x, choose):
    with pytest.raises(TypeError, match=AROUND):
        choose(x)
    with pytest.raises(TypeError, match=AROUND):
        choose(bp.relu(x) * 2)


@pytest.mark.row("A29")
def test_sampling_from_a_tensor_is_refused(x):
    with pytest.raises(TypeError, match=r"has no elements while a graph is built: predict"):
        np.random.default_rng(0).choice(bp.softmax(x))
    with pytest.raises(TypeError, match=r"has no elements while a graph is built: predict"):
        np.random.default_rng(0).multinomial(1, bp.softmax(x))


@pytest.mark.row("A29")
@pytest.mark.parametrize(
    "ask",
    [bool, operator.not_, lambda x: 1 if x else 0, lambda x: x and x, lambda x: max(x, x), lambda x: sorted([x, x]),
     lambda x: any([x])],
    ids=range(7),
)  # fmt: skip
def test_a_tensor_is_neither_true_nor_false(x, ask):
    with pytest.raises(TypeError, match=r"neither true nor false .* bp\.where, bp\.maximum and bp\.minimum choose"):
        ask(x)


@pytest.mark.row("A29")
@pytest.mark.parametrize(
    "ask",
    [float, int, complex, operator.index, math.floor, math.ceil, math.trunc, math.exp, range,
     lambda x: [1, 2][x]],
    ids=range(10),
)  # fmt: skip
def test_a_tensor_is_no_number(x, ask):
    with pytest.raises(TypeError, match=NUMBER):
        ask(x)


@pytest.mark.parametrize("ask", [len, list, iter, tuple, reversed, lambda x: 1.0 in x, lambda x: [*x]], ids=range(7))
def test_a_tensor_has_no_elements_to_walk(x, ask):
    with pytest.raises(TypeError, match=r"no len|not iterable|has no elements"):
        ask(x)


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (np.exp, r"write bp\.exp"),
        (np.mean, r"write bp\.mean"),
        (lambda x: np.concatenate([x, x]), r"write bp\.concat"),
        (lambda x: np.where(x, x, x), r"write bp\.where"),
        (np.median, "it is for what predict or a Graph returns"),
        (np.asarray, "predict, or calling a Graph, computes them"),
    ],
    ids=range(6),
)
def test_functions_of_numpy_name_ours(x, call, cure):
    with pytest.raises(TypeError, match=cure):
        call(x)


def test_numbers_of_numpy_are_numbers(x):
    model = bp.Network(x, np.float32(2) * x + np.float64(1), seed=0)
    np.testing.assert_array_equal(model.predict([[1.0, 2, 3]]), [[3, 5, 7]])


def test_what_takes_numbers_still_says_so(x):
    with pytest.raises(TypeError, match=r"\[Dense\] units"):
        bp.Dense(x)
    with pytest.raises(TypeError, match=r"\[SGD\] learning_rate"):
        bp.SGD(x)
