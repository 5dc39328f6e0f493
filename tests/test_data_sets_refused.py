"""Data sets that do not fit: told by name, and nothing changes; and what a differential equation needs of them."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def model():
    return bp.Sequential(bp.Dense(2), input_shape=3, seed=0, dtype="float64")


X, Y = np.ones((6, 3)), np.ones((6, 2))
GOOD = bp.Data(X, Y, loss=bp.MSE(), name="good")

FAULTS = {
    "no loss": ([bp.Data(X, Y), GOOD], {}, TypeError, "missing 1 required keyword-only argument: 'loss'"),
    "rows of y": ([GOOD, bp.Data(X, Y[:5], loss="mse", name="edge")], {}, ValueError, "6 rows .*in data set edge"),
    "shape of x": ([GOOD, bp.Data(X[:, :2], Y, loss="mse")], {}, ValueError, "in data set 1"),
    "text": ([GOOD, bp.Data("x", Y, loss="mse")], {}, TypeError, "data set 1: x must be an array"),
    "nan": ([GOOD, bp.Data(X * np.nan, Y, loss="mse")], {}, ValueError, "not finite in row 0.*in data set 1"),
    "no rows": ([GOOD, bp.Data(X[:0], Y[:0], loss="mse")], {}, ValueError, "needs at least one row, in data set 1"),
    "twice": ([GOOD, GOOD], {}, ValueError, 'names of their own, got "good" twice'),
    "number": ([GOOD, 3], {}, TypeError, "must hold Data alone, got int"),
    "weights of rows": ([GOOD, bp.Data(X, Y, loss="mse", sample_weight=[-1] * 6)], {}, ValueError, "not negative"),
    "all weigh 0": ([GOOD, bp.Data(X, Y, loss="mse", sample_weight=[0] * 6)], {}, ValueError, "must not be zero"),
    "loss_weights": ([GOOD, bp.Data(X, Y, loss="mse", loss_weights=[1, 2])], {}, ValueError, "loss_weights"),
    "loss_weights alone": ([GOOD, bp.Data(X, Y, loss_weights=[1])], {}, ValueError, "must come with a loss"),
    "y": (GOOD, {"y": Y}, ValueError, "y must not be given beside data sets: each has its own"),
    "sample_weight": ([GOOD], {"sample_weight": np.ones(6)}, ValueError, "sample_weight must not be given beside"),
    "class_weight": ([GOOD], {"class_weight": "balanced"}, ValueError, "class_weight must not be given beside"),
    "augment": ([GOOD], {"augment": bp.augment.noise(0.1)}, ValueError, "augment must not be given beside"),
    "split": ([GOOD], {"validation_split": 0.5}, ValueError, "validation_split must not be given beside"),
    "metrics": ([GOOD, bp.Data(X, loss=lambda z: z, name="free")], {"metrics": "mae"}, ValueError,
                r"\[metrics\] need targets that are one array.*in data set free"),
    "no metrics": ([bp.Data(X, Y, loss="mse", metrics=[3])], {}, TypeError, r"\[metrics\] a metric is a name"),
    "metrics twice": ([GOOD], {"metrics": ["mae", "mae"]}, ValueError, "got 'mae' twice"),
    "classes": ([bp.Data(X, Y, loss="mse", class_weight="balanced")], {}, ValueError, "needs integer labels"),
    "y beside a stream": ([bp.Data(bp.Stream(list), Y, loss="mse")], {}, ValueError, "the chunks of a stream hold"),
    "an empty stream": ([GOOD, bp.Data(list, loss="mse", name="s")], {}, ValueError, "at least one row.*data set s"),
    "a bad chunk": ([GOOD, bp.Data(lambda: [(X[:, :2], Y)], loss="mse", name="s")], {}, ValueError, "in data set s"),
    "L-BFGS": ([GOOD, bp.Data(lambda: [(X, Y)], loss="mse")], {"optimizer": bp.LBFGS()}, ValueError, "takes arrays"),
    "validation": ([GOOD], {"validation_data": [bp.Data(X, Y[:5], name="v")]}, ValueError, "in validation set v"),
    "validated": ([GOOD], {"validation_data": [bp.Data(X, Y), 3]}, TypeError, "must hold Data alone, got int"),
    "drop_last": ([GOOD], {"drop_last": True}, ValueError, "drop_last leaves no row.*in data set good"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_changes_nothing(model, fault):
    sets, options, error, message = FAULTS[fault]
    before, optimizer = model.flat_parameters.copy(), bp.SGD(0.1)
    with pytest.raises(error, match=message):
        model.fit(sets, progress=False, **{"optimizer": optimizer, **options})
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert optimizer.steps == 0


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"weight": "a"}, TypeError), ({"weight": np.nan}, ValueError), ({"weight": None}, TypeError),
     ({"batch_size": 0}, ValueError), ({"batch_size": 1.5}, TypeError), ({"name": ""}, ValueError),
     ({"name": 3}, TypeError), ({"augment": 3}, TypeError)],
)  # fmt: skip
def test_settings_are_checked(settings, error):
    with pytest.raises(error, match=next(iter(settings))):
        bp.Data(X, Y, **settings)


def test_they_are_sealed_and_copied():
    with pytest.raises(AttributeError, match="weight cannot be set: make another one"):
        GOOD.weight = 3
    assert repr(GOOD) == "Data(..., loss=MSE(), name='good')"
    for other in (pickle.loads(pickle.dumps(GOOD)), copy.deepcopy(GOOD)):
        assert repr(other) == repr(GOOD)


def test_sparse_tables_are_refused():
    rows = bp.Input(2, dtype="int32")
    table = bp.Network(rows, bp.Dense(1)(bp.Flatten()(bp.Embedding(5, 3, sparse=True)(rows))), seed=0)
    x, y = np.array([[0, 1], [2, 3]]), np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="is sparse: its gradients are not kept from batch to batch"):
        table.fit([bp.Data(x, y), bp.Data(x, y)], loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False)


def test_a_loss_that_is_not_finite_updates_nothing(model):
    class Broken(bp.Loss):
        def value_and_grad(self, prediction, target, sample_weight=None):
            return np.nan, prediction

    before = model.flat_parameters.copy()
    for order in ([GOOD, bp.Data(X, Y, loss=Broken())], [bp.Data(X, Y, loss=Broken()), GOOD]):
        with pytest.raises(bp.DivergedError, match="first in the loss"):
            model.fit(order, optimizer=bp.SGD(0.1), progress=False)
        np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.row("G25")
def test_poisson_equation_with_boundary_and_interior():
    """u'' = -pi^2 sin(pi x) within, u = 0 at both ends: u = sin(pi x)."""

    def residual(u, target, x):
        first = bp.gradients(bp.sum(u), [x])[0]
        return bp.square(bp.gradients(bp.sum(first), [x])[0] - target)

    x = np.linspace(0, 1, 40)[:, None]
    model = bp.Sequential(bp.Dense(12, activation="tanh"), bp.Dense(1), input_shape=1, seed=0, dtype="float64")
    inside = bp.Data(x, -(np.pi**2) * np.sin(np.pi * x), loss=residual, name="inside")
    ends = bp.Data([[0.0], [1.0]], [[0.0], [0.0]], loss=bp.MSE(), weight=100.0, name="ends")
    history = model.fit([inside, ends], optimizer=bp.LBFGS(), epochs=400, progress=False)
    assert list(history) == ["loss", "loss_inside", "loss_ends", "learning_rate"]
    assert np.abs(model.predict(x) - np.sin(np.pi * x)).max() < 1e-3
