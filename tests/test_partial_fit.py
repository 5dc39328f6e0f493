"""One pass at a time: what `partial_fit` goes on with."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from test_fit import FIT, network, rows


def test_partial_fit_goes_on_with_loss_optimizer_and_random_numbers():
    x, y = rows()
    ours, theirs = network(), network()
    optimizer = bp.Adam()
    for _ in range(3):
        theirs.fit(x, y, optimizer=optimizer, **FIT)
    ours.partial_fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam())
    ours.partial_fit(x, y)
    assert ours.partial_fit(x, y).epochs == 1
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)
    assert ours.partial_fit([(x, y)] * 2).epochs == 1
    with pytest.raises(ValueError, match=r"\[partial_fit\] loss must be given"):
        network().partial_fit(x, y)


def test_a_refused_fit_is_forgotten():
    x, y = rows()
    ours, theirs = network(), network()
    for model in (ours, theirs):
        model.partial_fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1))
    for refused in ({"x": x[:5]}, {"loss": bp.MSE()}, {"callbacks": bp.EarlyStopping("no")}):
        with pytest.raises(ValueError, match=r"^\["):
            ours.fit(**{"x": x, "y": y, "optimizer": bp.SGD(9.0), **FIT, **refused})
    for model in (ours, theirs):
        model.partial_fit(x, y)
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


def test_a_fit_that_ended_in_the_middle_is_gone_on_from():
    x, y = rows()

    class Fail(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            raise ValueError("enough")

    model, optimizer = network(), bp.SGD(0.1)
    with pytest.raises(ValueError, match="enough"):
        model.fit(x, y, optimizer=optimizer, callbacks=Fail(), **FIT)
    before = optimizer.steps
    model.partial_fit(x, y)
    assert optimizer.steps == 2 * before


def test_models_that_no_fit_of_their_own_has_trained_ask_for_an_optimizer():
    x, y = rows()
    model = network()
    bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1)).fit(x, y, progress=False)
    for each in (model, copy.deepcopy(model)):
        with pytest.raises(
            ValueError, match=r"^\[partial_fit\] optimizer must be given: this model has no fit or partial_fit"
        ):
            each.partial_fit(x, y)


def test_models_are_pickled_without_a_loss_that_cannot_be():
    x, _ = rows()

    class Local(bp.Loss):
        def forward(self, prediction, target):
            return bp.abs(prediction - target)

    for loss, kept in ((Local(), False), (bp.MSE(), True)):
        model = network()
        model.fit(x, np.ones((75, 3)), loss=loss, optimizer=bp.SGD(0.1), progress=False)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.flat_parameters, model.flat_parameters)
        assert (again._last_loss is not None) == kept
        assert model._last_loss is loss
