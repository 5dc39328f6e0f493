"""Networks of any graph: several inputs and outputs, arrays that fit and that do not, integers."""

import copy

import numpy as np
import pytest

import backpass as bp
import reference
from registry import generator

ROWS = 7


def two_by_two(dtype="float64", seed=1):
    """Left (2) and right (3), which meet in a product; three logits, and one number that sees left once more."""
    left, right = bp.Input(2, dtype=dtype, name="left"), bp.Input(3, dtype=dtype, name="right")
    hidden = bp.Dense(4, activation="tanh")(left) * bp.Dense(4)(right)
    logits, number = bp.Dense(3)(hidden), bp.Dense(1)(bp.concat([hidden, left], 1))
    return bp.Network([left, right], [logits, number], seed=seed)


def outputs_of_reference(model, left, right):
    """The same in NumPy."""
    w = model.parameters()

    def dense(at, x):
        return reference.dense_forward(x, w[f"{at}.weight"], w[f"{at}.bias"])

    hidden = np.tanh(dense(0, left)) * dense(1, right)
    return [dense(2, hidden), dense(3, np.concatenate([hidden, left], axis=1))]


LOSSES = [bp.CrossEntropy(), bp.MSE()]


@pytest.fixture
def model():
    return two_by_two()


@pytest.fixture
def x(rng):
    return [rng.standard_normal((ROWS, 2)), rng.standard_normal((ROWS, 3))]


@pytest.fixture
def y(rng):
    return [rng.integers(0, 3, ROWS), rng.standard_normal((ROWS, 1))]


def fit(model, x, y, **options):
    settings = {"loss": LOSSES, "optimizer": bp.Adam(0.05), "batch_size": 3, "seed": 3, "progress": False}
    return model.fit(x, y, **{**settings, **options})


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


# Arrays in and out.


def test_outputs_are_those_of_the_reference(model, x):
    for ours, expected in zip(model.predict(x), outputs_of_reference(model, *x), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "form", [tuple, lambda x: {"left": x[0], "right": x[1]}, lambda x: {"right": x[1], "left": x[0]}],
    ids=["tuple", "dict", "dict in another order"],
)  # fmt: skip
def test_inputs_may_be_a_list_a_tuple_or_named(model, x, y, form):
    other = copy.deepcopy(model)
    assert_same(model.predict(form(x)), model.predict(x))
    assert_same(model.forward(form(x)), model.forward(x))
    assert model.value_and_grad(form(x), tuple(y), LOSSES)[0] == model.value_and_grad(x, y, LOSSES)[0]
    assert bp.gradcheck(model, LOSSES, form(x), tuple(y)) < 1e-6
    assert len(model.backprop(form(x), tuple(y), LOSSES)) == 4
    assert fit(model, form(x), tuple(y), validation_data=(form(x), y)) == fit(other, x, y, validation_data=(x, y))
    np.testing.assert_array_equal(model.flat_parameters, other.flat_parameters)


def test_rows_in_parts_or_none_at_all(model, rng):
    x = [rng.standard_normal((2500, 2)), rng.standard_normal((2500, 3))]  # more than one tile of predict
    whole = model.predict(x)
    for ours, expected in zip(model.predict(x, batch_size=7), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-15)
    assert_same(model.predict([x[0].astype(">f8"), x[1][::-1].copy()[::-1]]), whole)  # in place, or gathered
    assert [out.shape for out in model.predict([part[:0] for part in x])] == [(0, 3), (0, 1)]


def bad_inputs(left, right):
    return {
        "one": ([left], ValueError, "x must hold 2 arrays, got 1"),
        "three": ([left, right, right], ValueError, "x must hold 2 arrays, got 3"),
        "an array": (left, TypeError, "x must be a list of 2 arrays, got ndarray"),
        "a missing name": ({"left": left}, ValueError, 'x has no "right"'),
        "a wrong name": ({"left": left, "rigth": right}, ValueError, 'x has no "right"'),
        "a name too many": ({"left": left, "right": right, "top": right}, ValueError, "names that are no inputs"),
        "other rows": ([left, right[:-1]], ValueError, "inputs have 7 and 6 rows"),
        "swapped": ([right, left], ValueError, r"\[x: left\] expected shape \(batch, 2\), got \(7, 3\)"),
        "no array": ([left, None], TypeError, r"x\[1\] must be an array of real numbers, got None"),
    }


def bad_targets(labels, numbers):
    return {
        "one": ([labels], ValueError, "y must hold 2 arrays, got 1"),
        "an array": (numbers, TypeError, "y must be a list of 2 arrays, got ndarray"),
        "other rows": ([labels, numbers[:-1]], ValueError, "expected 7 rows as x has, got shape"),
        "swapped": ([numbers, labels], ValueError, r"\[y\]"),
        "a label too high": ([labels + 3, numbers], ValueError, r"labels must be in \[0, 3\)"),
        "no array": ([labels, "1"], TypeError, r"y\[1\] must be an array of real numbers, got a string"),
    }


CALLS = {
    "predict": lambda model, x, y: model.predict(x),
    "forward": lambda model, x, y: model.forward(x),
    "evaluate": lambda model, x, y: model.evaluate(x, y, loss=LOSSES),
    "fit": fit,
    "validate": lambda model, x, y: fit(model, *good_data(), validation_data=(x, y)),
    "step": lambda model, x, y: bp.Trainer(model, LOSSES, bp.SGD(0.1)).step(x, y),
    "value_and_grad": lambda model, x, y: model.value_and_grad(x, y, LOSSES),
    "hvp": lambda model, x, y: bp.hvp(model, LOSSES, x, y, np.ones(model.n_parameters)),
    "objective": lambda model, x, y: model.objective(x, y, LOSSES).fun(model.flat_parameters),
}


def good_data():
    rng = generator("good")
    return [rng.standard_normal((5, 2)), rng.standard_normal((5, 3))], [rng.integers(0, 3, 5), rng.standard_normal(5)]


def refuses(model, call, x, y, error, message):
    before = model.flat_parameters.copy()
    with pytest.raises(error, match=message):
        CALLS[call](model, x, y)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert np.isfinite(fit(model, *good_data())["loss"]).all()


@pytest.mark.row("C5")
@pytest.mark.parametrize("kind", bad_inputs(np.ones(1), np.ones(1)))
@pytest.mark.parametrize("call", CALLS)
def test_inputs_that_do_not_fit_are_told_and_change_nothing(model, x, y, call, kind):
    bad, error, message = bad_inputs(*x)[kind]
    refuses(model, call, bad, y, error, message)


@pytest.mark.row("C5")
@pytest.mark.parametrize("kind", bad_targets(np.ones(1), np.ones(1)))
@pytest.mark.parametrize("call", [call for call in CALLS if call not in ("predict", "forward")])
def test_targets_that_do_not_fit_are_told_and_change_nothing(model, x, y, call, kind):
    bad, error, message = bad_targets(*y)[kind]
    refuses(model, call, x, bad, error, message)


def test_an_input_that_nothing_reads_has_a_gradient_of_zeros(rng):
    used, unused = bp.Input(2, dtype="float64", name="used"), bp.Input(3, dtype="float64", name="unused")
    model = bp.Network([used, unused], bp.Dense(1)(used), seed=0)
    x = [rng.standard_normal((4, 2)), rng.standard_normal((4, 3))]
    model.forward(x)
    to_used, to_unused = model.backward(np.ones((4, 1)))
    assert to_used.all()
    np.testing.assert_array_equal(to_unused, np.zeros((4, 3)))


def test_an_output_needs_its_inputs():
    x, z = bp.Input(2), bp.Input(2, name="z")
    with pytest.raises(ValueError, match="z"):
        bp.Network(x, x + z)


@pytest.fixture
def picker():
    """The logit of a label that is an input."""
    rows, label = bp.Input(3, dtype="float64", name="rows"), bp.Input((), dtype="int32", name="label")
    return bp.Network([rows, label], bp.reshape(bp.take_label(bp.Dense(4)(rows), label), (None, 1)), seed=1)


# Integers.


def test_integers_are_an_input_like_others(picker, rng):
    x, labels, y = rng.standard_normal((ROWS, 3)), rng.integers(0, 4, ROWS), rng.standard_normal((ROWS, 1))
    w = picker.parameters()
    expected = reference.dense_forward(x, w["0.weight"], w["0.bias"])[np.arange(ROWS), labels]
    np.testing.assert_allclose(picker.predict([x, labels])[:, 0], expected, rtol=1e-13)
    assert bp.gradcheck(picker, bp.MSE(), [x, labels], y) < 1e-6
    picker.forward([x, labels])
    to_rows, to_labels = picker.backward(np.ones((ROWS, 1)))
    np.testing.assert_allclose(to_rows, w["0.weight"][labels], rtol=1e-13)
    assert not to_labels.any()
    losses = fit(picker, [x, labels.astype(np.uint8)], y, loss=bp.MSE(), epochs=100)["loss"]
    assert losses[-1] < 0.2 * losses[0]


def test_real_numbers_are_no_integers(picker):
    with pytest.raises(TypeError, match=r"x\[1\].*integers"):
        picker.predict([np.ones((2, 3)), np.ones(2)])
