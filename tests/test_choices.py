"""Choices in the path of a gradient: refused where there is no other path; zeros where they are the definition."""

import numpy as np
import pytest

import backpass as bp

WAYS = r"only through {}, a choice, which has no gradient.*relaxation.*straight_through.*score function"


def input_of(size=3, name="x"):
    return bp.input((size,), "float64", name)


CHOICES = {
    "argmax": lambda x: bp.argmax(x),
    "argsort": lambda x: bp.argsort(x),
    "greater": lambda x: x > 0,
    "less": lambda x: bp.exp(x) < -1.0,
    "equal": lambda x: x == 2,
    "not_equal": lambda x: x != 2,
    "logical_not": lambda x: ~x,
    "isfinite": lambda x: bp.isfinite(x),
}


@pytest.mark.row("A29")
@pytest.mark.parametrize("name", CHOICES)
def test_a_gradient_through_a_choice_alone_names_it_and_the_ways_around(name):
    x, table = input_of(), bp.constant(np.arange(4.0), dtype="float64")
    chosen = CHOICES[name](bp.tanh(x) if name == "argmax" else x)
    y = bp.take(table, chosen) if chosen.dtype == "int32" else chosen * 2
    what = {"less": "(less|greater)"}.get(name, name)
    with pytest.raises(ValueError, match=r'"x" reaches the result ' + WAYS.format(what)):
        bp.gradients(bp.sum(y), [x])


@pytest.mark.row("A29")
def test_beside_a_path_that_has_a_gradient_a_choice_adds_none():
    x = input_of()
    y = bp.where(x > 0, x * 3, x) + (x > 1) * x
    (grad,) = bp.gradients(bp.sum(y), [x])
    np.testing.assert_array_equal(bp.Graph([x], [grad])([-1.0, 0.5, 2.0])[0], [1, 3, 4])


@pytest.mark.row("A29")
@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc", "sign", "step"])
def test_steps_have_zeros_by_definition(name):
    x = input_of()
    (grad,) = bp.gradients(bp.sum(getattr(bp, name)(x)), [x])
    np.testing.assert_array_equal(bp.Graph([x], [grad])([-1.3, 0.5, 2.2])[0], 0)


@pytest.mark.parametrize(
    "build",
    [bp.relu, bp.abs, lambda x: bp.maximum(x, 0), lambda x: bp.clip(x, -1, 1), bp.max],
    ids=range(5),
)
def test_second_derivatives_of_what_bends_are_zeros_without_an_error(build):
    x = input_of()
    (grad,) = bp.gradients(bp.sum(build(x)), [x])
    (second,) = bp.gradients(bp.sum(grad), [x])
    np.testing.assert_array_equal(bp.Graph([x], [second])([-1.3, 0.5, 2.2])[0], 0)


def test_what_a_result_does_not_depend_on_gets_zeros():
    x, other = input_of(), input_of(name="other")
    grads = bp.gradients(bp.sum((other > 0) * x), [x])
    np.testing.assert_array_equal(bp.Graph([x, other], grads)([1.0, 2, 3], [1.0, -1, 1])[0], [1, 0, 1])
    (none,) = bp.gradients(bp.sum(bp.stop_gradient(x)), [x])
    np.testing.assert_array_equal(bp.Graph([x], [none])([1.0, 2, 3])[0], 0)


@pytest.mark.row("A32")
def test_straight_through_is_hard_forward_and_the_identity_backward_exactly():
    x = input_of(4)
    values = np.array([0.1, -3.7, 1e15, 2.5])
    y = bp.straight_through(bp.round(x), x)
    results = bp.Graph([x], [y, *bp.gradients(bp.sum(y * y), [x])])(values)
    np.testing.assert_array_equal(results[0], np.round(values))
    np.testing.assert_array_equal(results[1], 2 * np.round(values))


# where, clip, power, ==.


def test_where_lets_nothing_of_what_is_not_chosen_through():
    chosen, a, b = input_of(4, "chosen"), input_of(4, "a"), input_of(4, "b")
    y = bp.where(chosen, a, b)
    arrays = [1.0, -2, 0, np.nan], [1.0, np.inf, np.nan, -np.inf], [np.nan, np.inf, 3, np.nan]
    value, da, db = bp.Graph([chosen, a, b], [y, *bp.gradients(bp.sum(y * y), [a, b])])(*arrays)
    np.testing.assert_array_equal(value, [1, np.inf, 3, -np.inf])
    np.testing.assert_array_equal(da, [2, np.inf, 0, -np.inf])
    np.testing.assert_array_equal(db, [0, 0, 6, 0])


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, -1, -2, 3.7, 64, 65])
def test_powers_are_those_of_numpy(exponent):
    x = input_of(5)
    values = np.array([0.0, 1.0, 2.0, 0.3, 7.0])
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(bp.Graph([x], [x**exponent])(values)[0], values ** float(exponent), rtol=1e-14)


def test_powers_of_zero():
    a, b = input_of(4, "a"), input_of(4, "b")
    y = a**b
    value, da, db = bp.Graph([a, b], [y, *bp.gradients(bp.sum(y), [a, b])])([0.0, 0, 0, -2], [0.0, 1, 2, 3])
    np.testing.assert_array_equal(value, [1, 0, 0, -8])
    np.testing.assert_array_equal(da, [0, 1, 0, 12])
    np.testing.assert_array_equal(db[:3], 0)


def test_equality_is_of_elements_and_identity_has_a_name():
    x, y = input_of(), input_of(name="y")
    assert bp.Graph([x, y], [x == y, x != 2])([1.0, 2, 3], [1.0, 0, 3])[0].tolist() == [1, 0, 1]
    assert x.id == bp.Graph([x], [x]).inputs[0].id != y.id
    with pytest.raises(TypeError, match=r"a\.id == b\.id"):
        bool(x == y)


def test_two_numbers_are_no_tensor():
    with pytest.raises(TypeError, match=r"\[power\] takes a tensor, got none"):
        bp.power(2, 3)
    with pytest.raises(ValueError, match=r"\[where\] types differ"):
        bp.where(input_of(), input_of(), bp.input((3,), "float32"))
