"""The order of an epoch's rows, given by a function in the place of shuffling."""

import numpy as np
import pytest

import backpass as bp

FIT = {"loss": bp.MSE(), "batch_size": 4, "progress": False}


def rows(n=10):
    x = np.random.default_rng(0).standard_normal((n, 3))
    return x, x.sum(axis=1)


def network():
    return bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(1), input_shape=3, seed=0, dtype="float64")


def test_each_epoch_takes_its_rows_in_the_order_given():
    (x, y), ours, theirs = rows(), network(), network()
    orders = [np.random.default_rng(seed).permutation(10) for seed in range(3)]
    asked = []

    def order(count):
        asked.append(count)
        return orders[len(asked) - 1].astype(np.int32)

    ours.fit(x, y, optimizer=bp.SGD(0.1), epochs=3, shuffle=order, metrics=["r2"], **FIT)
    trainer = bp.Trainer(theirs, bp.MSE(), bp.SGD(0.1))
    for each in orders:
        for begin in range(0, 10, 4):
            batch = each[begin : begin + 4]
            trainer.step(x[batch], y[batch])
    assert asked == [10, 10, 10]
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (lambda n: np.zeros(n, int), r"\[fit\] the order that shuffle gives must have each of the 10 rows once"),
        (lambda n: np.arange(n) - 1, r"must have each of the 10 rows once"),
        (lambda n: np.arange(n) + 1, r"must have each of the 10 rows once"),
        (lambda n: np.arange(n - 1), r"\[fit\] shuffle must give 10 integers, got an array of int64 and shape \(9,\)"),
        (lambda n: np.arange(n) / 1, r"\[fit\] shuffle must give 10 integers, got an array of float64"),
    ],
    ids=["twice", "below", "beyond", "too few", "no integers"],
)
def test_what_is_no_order_is_refused(order, words):
    model = network()
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=words):
        model.fit(*rows(), optimizer=bp.SGD(0.1), shuffle=order, **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_streams_and_lists_of_data_sets_take_none():
    with pytest.raises(ValueError, match="not for a stream"):
        network().fit(bp.Stream(lambda: [rows()]), optimizer=bp.SGD(0.1), shuffle=np.arange, **FIT)
    with pytest.raises(ValueError, match="no list of data sets"):
        network().fit([bp.Data(*rows())], optimizer=bp.SGD(0.1), shuffle=np.arange, **FIT)
    with pytest.raises(TypeError, match=r"\[fit\] shuffle must be True or False"):
        network().fit(*rows(), optimizer=bp.SGD(0.1), shuffle=1, **FIT)


def test_an_exception_within_it_ends_the_fit():
    with pytest.raises(ZeroDivisionError):
        network().fit(*rows(), optimizer=bp.SGD(0.1), shuffle=lambda n: 1 / 0, **FIT)
