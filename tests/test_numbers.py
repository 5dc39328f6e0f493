"""What becomes a number is a number: nothing is made into one, cut off or wrapped round in silence."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import backpass as bp
from backpass import _checks

NO_NUMBERS = {
    "string": "1.0",
    "bytes": b"1",
    "None": None,
    "bool": True,
    "NumPy bool": np.True_,
    "complex": 1 + 0j,
    "NumPy complex": np.complex128(1),
    "date": datetime.date(2020, 1, 1),
    "datetime64": np.datetime64("2020-01-01"),
    "timedelta64": np.timedelta64(1, "s"),
    "array of a string": np.array("1.0"),
    "array of one": np.array([1.0]),
    "masked": np.ma.masked,
    "masked array": np.ma.masked_array(1.0, mask=True),
    "list": [1.0],
}
NUMBERS = [1, 1.0, np.float32(1), np.float64(1), np.int8(1), np.uint64(1), np.array(1.0), Fraction(1), Decimal(1)]


@pytest.mark.parametrize("given", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_is_no_number_is_refused(given):
    with pytest.raises(TypeError, match="must be a number"):
        _checks.number("here", "it", given)
    with pytest.raises(TypeError, match="must be a number"):
        bp.SGD(learning_rate=given)


@pytest.mark.parametrize("given", NUMBERS, ids=lambda given: type(given).__name__)
def test_what_is_a_number_is_taken(given):
    assert _checks.number("here", "it", given) == 1.0


# Initial weights by a function.

NO_WEIGHTS = {
    "complex": lambda shape: np.ones(shape, complex),
    "dates": lambda shape: np.full(shape, np.datetime64("2020-01-01")),
    "None": lambda shape: None,
    "rows of None": lambda shape: [[None] * shape[1]] * shape[0],
    "strings": lambda shape: np.ones(shape).astype(str),
    "objects": lambda shape: np.ones(shape, object),
    "masked": lambda shape: np.ma.masked_array(np.ones(shape), mask=True),
    "generator": lambda shape: (row for row in np.ones(shape)),
}


@pytest.mark.parametrize("give", NO_WEIGHTS.values(), ids=NO_WEIGHTS)
def test_initial_weights_that_are_no_numbers_are_refused(give):
    with pytest.raises(TypeError, match=r"\[initializer\] .* must be an array of real numbers"):
        bp.Sequential(bp.Dense(2, weight_init=lambda shape, rng: give(shape)), input_shape=3)


def test_initial_weights_must_fit():
    for give, match in (
        (lambda shape, rng: np.ones((2, 2)), r"shape \(2, 3\), got \(2, 2\)"),
        (lambda shape, rng: np.full(shape, 1e300), "1e\\+300"),
    ):
        with pytest.raises(ValueError, match=rf"\[initializer\] .*{match}"):
            bp.Sequential(bp.Dense(2, weight_init=give), input_shape=3)
    model = bp.Sequential(
        bp.Dense(2, weight_init=lambda shape, rng: [[1, 2, 3], [4, 5, 6]]), input_shape=3, dtype="float64"
    )
    assert model.parameters()["0.weight"].tolist() == [[1, 2, 3], [4, 5, 6]]


# Labels.


@pytest.fixture
def classifier():
    return bp.Sequential(bp.Dense(3), input_shape=2, seed=0)


X, LABELS = np.ones((6, 2), np.float32), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("dtype", ["int64", "uint64", "uint32"])
def test_a_label_that_augment_returns_is_not_wrapped_round(classifier, dtype):
    before = classifier.flat_parameters.copy()
    large = 2**32 + 1 if dtype != "uint32" else 2**32 - 1

    def replace(x, y, rng):
        y = y.astype(dtype)
        y[0] = large
        return x, y

    with pytest.raises(ValueError, match=r"\[augment\] y must hold integers of 32 bits"):
        classifier.fit(X, LABELS, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), augment=replace)
    np.testing.assert_array_equal(classifier.flat_parameters, before)


@pytest.mark.parametrize("part", ["x", "y"])
def test_a_number_that_augment_returns_does_not_become_infinite(part):
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)

    def replace(x, y, rng):
        large = {"x": x.astype(np.float64), "y": y.astype(np.float64)}
        large[part][0] = 1e300
        return large["x"], large["y"]

    with pytest.raises(ValueError, match=rf"\[augment\] {part} has a value in row 0 that is too large for float32"):
        model.fit(X, X[:, :1], loss=bp.MSE(), optimizer=bp.SGD(0.1), augment=replace)


def test_mixup_takes_labels_of_its_classes_only():
    mix = bp.augment.mixup(1.0, classes=3)
    for bad in (-1, 3):
        labels = LABELS.copy()
        labels[4] = bad
        with pytest.raises(ValueError, match=rf"\[mixup\] labels must be in \[0, 3\), got {bad} in row 4"):
            mix(X, labels, np.random.default_rng(0))


@pytest.mark.parametrize("bad", [-7, 2**40, 99, 3, 1.5, np.nan])
def test_balanced_weights_refuse_labels_of_no_class(bad):
    with pytest.raises(ValueError, match=r"\[balanced_class_weights\] labels must be integers in \[0, 3\).* in row 3"):
        bp.balanced_class_weights([0, 1, 2, bad], 3)


def test_balanced_weights_go_by_the_labels_that_count(classifier):
    labels = np.array([0, 0, 1, 2, -100, -100])
    assert bp.balanced_class_weights(labels, 3, ignore_index=-100) == bp.balanced_class_weights([0, 0, 1, 2], 3)
    loss = bp.CrossEntropy(ignore_index=-100)
    history = classifier.fit(X, labels, loss=loss, optimizer=bp.SGD(0.1), class_weight="balanced")
    assert np.isfinite(history["loss"]).all()


def test_backprop_does_not_wrap_labels_round_and_refuses_strings(classifier):
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\), got 4294967296"):
        classifier.backprop(X, LABELS + 2**32, bp.CrossEntropy())
    with pytest.raises(TypeError, match="must be an array of real numbers"):
        classifier.backprop(X, LABELS.astype(str), bp.CrossEntropy())


# Weights of classes and losses.


@pytest.mark.parametrize(
    "given",
    [{0: 1.0}, {1.0, 2.0}, "12", 1.0, np.ones((1, 3)), ["1", "2"], np.array(["1", "2"]), (w for w in (1.0, 2.0))],
    ids=["dict", "set", "string", "number", "matrix", "strings", "array of strings", "generator"],
)
def test_class_weights_are_numbers_in_a_row(given):
    with pytest.raises(TypeError, match="class_weight must be"):
        bp.CrossEntropy(class_weight=given)


def test_class_weights_of_a_frame_are_refused_and_of_a_series_are_its_values():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match="class_weight must be a list of numbers"):
        bp.CrossEntropy(class_weight=pandas.DataFrame({0: [1.0], 1: [2.0]}))
    assert bp.CrossEntropy(class_weight=pandas.Series([1.0, 2.0])).class_weight == (1.0, 2.0)
    assert bp.CrossEntropy(class_weight=np.array([1, 2])).class_weight == (1.0, 2.0)


# Numbers that are too large for the model's type.


def test_a_graph_refuses_what_its_inputs_cannot_hold():
    x, rows = bp.input((2,), name="x"), bp.input((2,), "int32", "rows")
    double = bp.Graph([x], [x * 2.0])
    with pytest.raises(ValueError, match=r'"x"\] has a value in row 1 that is too large for float32'):
        double([1.0, 1e300])
    np.testing.assert_array_equal(double([1.0, np.inf])[0], [2.0, np.inf])
    table = bp.Graph([x, rows], [bp.take(bp.reshape(x, (2, 1)), rows)])
    with pytest.raises(ValueError, match=r'"rows"\] has a value in row 0 that is too large for int32'):
        table([1.0, 2.0], [2**32, 0])
    with pytest.raises(ValueError, match=r'"rows"\] must hold integers'):
        table([1.0, 2.0], [0.5, 0.0])


@pytest.mark.parametrize("part", ["x", "y", "vector"])
def test_hvp_refuses_what_the_model_cannot_hold(part):
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
    given = {"x": X.astype(np.float64), "y": np.ones((6, 1)), "vector": np.ones(3)}
    given[part][2] = 1e300
    with pytest.raises(ValueError, match="too large for float32"):
        bp.hvp(model, bp.MSE(), given["x"], given["y"], given["vector"])


def test_an_optimizer_refuses_a_state_that_its_model_cannot_hold():
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam())
    trainer.step(X, X[:, :1])
    state = trainer.optimizer.state_dict()
    state["slots"]["exp_avg"]["0.weight"] = np.full((1, 2), 1e300)
    with pytest.raises(ValueError, match=r'exp_avg of "0\.weight" has a number that is too large for float32'):
        trainer.optimizer.load_state_dict(state)
    assert np.isfinite(trainer.optimizer.state_dict()["slots"]["exp_avg"]["0.weight"]).all()


# Numbers that functions of one's own return.


class Own(bp.Loss):
    def __init__(self, value, grad=None):
        self.given = value, grad

    def value_and_grad(self, prediction, target):
        value, grad = self.given
        return value, prediction - target if grad is None else grad


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_the_value_of_an_own_loss_is_a_number(value):
    model = bp.Sequential(bp.Dense(2), input_shape=2, seed=0)
    before = model.flat_parameters.copy()
    with pytest.raises(TypeError, match=r"\[Own\] its value must be a number"):
        bp.Trainer(model, Own(value), bp.SGD(0.1)).step(X, X)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("grad", ["12", np.ones((6, 2), complex), np.ma.masked_array(X, mask=True), X.astype(str)])
def test_the_gradient_of_an_own_loss_is_numbers(grad):
    model = bp.Sequential(bp.Dense(2), input_shape=2, seed=0)
    with pytest.raises(TypeError, match=r"\[Own\] its gradient must be an array of real numbers"):
        bp.Trainer(model, Own(1.0, grad), bp.SGD(0.1)).step(X, X)


@pytest.mark.parametrize("value", ["1.0", None, 1j, np.complex128(1), np.array("1"), [1.0], np.array([1.0])])
def test_a_metric_returns_a_number(classifier, value):
    def mine(y_true, y_pred):
        return value

    with pytest.raises(TypeError, match=r"\[metrics\]"):
        classifier.evaluate(X, LABELS, loss=bp.CrossEntropy(), metrics=mine)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1), np.array(1.0)])
def test_a_metric_may_return_a_number_of_numpy(classifier, value):
    def mine(y_true, y_pred):
        return value

    assert classifier.evaluate(X, LABELS, loss=bp.CrossEntropy(), metrics=mine)["mine"] == 1.0
