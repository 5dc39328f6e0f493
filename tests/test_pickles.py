"""Pickles and copies go on like what they were made of."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp

FIT = {"loss": bp.CrossEntropy(), "batch_size": 4, "progress": False}
COPIES = {"pickle": lambda it: pickle.loads(pickle.dumps(it)), "deepcopy": copy.deepcopy}


@pytest.fixture
def dropping():
    """A model whose steps depend on its random counters."""
    return bp.Sequential(bp.Dense(8, activation="relu"), bp.Dropout(0.5), bp.BatchNorm(), bp.Dense(3), seed=2)


@pytest.mark.parametrize("made", COPIES)
def test_a_model_goes_on_with_the_random_numbers_of_the_original(dropping, data, made):
    dropping.fit(*data, optimizer=bp.SGD(0.1), epochs=2, **FIT)
    again = COPIES[made](dropping)
    for model in (dropping, again):  # dropout, and the order of the rows
        model.fit(*data, optimizer=bp.SGD(0.1), epochs=2, **FIT)
    np.testing.assert_array_equal(dropping.flat_parameters, again.flat_parameters)
    np.testing.assert_array_equal(dropping.forward(data[0]), again.forward(data[0]))


@pytest.mark.parametrize("made", COPIES)
def test_a_model_keeps_its_loss_and_what_is_frozen(dropping, data, made):
    dropping.fit(*data, optimizer=bp.SGD(0.1), loss_weights=[2.0], **FIT)
    dropping.freeze("0.*", "2.running_var")
    again = COPIES[made](dropping)
    assert again.frozen == ("0.weight", "0.bias", "2.running_var")
    assert again.evaluate(*data) == dropping.evaluate(*data)
    losses = [model.partial_fit(*data, optimizer=bp.SGD(0.1))["loss"] for model in (dropping, again)]
    assert losses[0] == losses[1]


def test_a_model_without_shapes_is_copied_too():
    again = pickle.loads(pickle.dumps(bp.Sequential(bp.Dense(2), seed=5)))
    assert (again.seed, again.input_shape) == (5, None)


OPTIMIZERS = {
    "SGD": lambda: bp.SGD(0.1),
    "Adam": lambda: bp.Adam(0.01, clip_norm=1.0, schedule=bp.CosineAnnealing(9)),
    "Muon": lambda: bp.Muon(groups=[bp.Group("*.bias", learning_rate=0.5)]),
}


@pytest.mark.parametrize("made", COPIES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_trainer_goes_on_like_the_original(dropping, data, made, optimizer):
    trainer = bp.Trainer(dropping, bp.CrossEntropy(), OPTIMIZERS[optimizer](), loss_weights=[0.5], recompute=True)
    trainer.fit(*data, epochs=2, batch_size=4, progress=False)
    again = COPIES[made](trainer)
    assert again.model is not trainer.model
    assert repr(again) == repr(trainer)
    assert again.optimizer.steps == 10
    for one in (trainer, again):
        one.step(*data)
        one.fit(*data, epochs=1, batch_size=8, progress=False)
    np.testing.assert_array_equal(trainer.model.flat_parameters, again.model.flat_parameters)
    ours, theirs = trainer.optimizer.state_dict(), again.optimizer.state_dict()
    assert ours["steps"] == theirs["steps"] == 14
    for slot, arrays in ours["slots"].items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, theirs["slots"][slot][name])


def test_a_trainer_that_has_done_nothing_is_copied_too():
    again = pickle.loads(pickle.dumps(bp.Trainer(bp.Sequential(bp.Dense(1), seed=0), bp.MSE(), bp.Adam())))
    assert np.isfinite(again.step([[1.0]], [[2.0]]))


def test_a_copied_optimizer_leaves_the_original_with_its_model(model, data):
    adam = bp.Adam()
    trainer = bp.Trainer(model, bp.CrossEntropy(), adam)
    trainer.step(*data)
    copied = copy.deepcopy(adam)
    other = copy.deepcopy(model)
    for each, optimizer in ((model, adam), (other, copied)):
        bp.Trainer(each, bp.CrossEntropy(), optimizer).step(*data)
    np.testing.assert_array_equal(model.flat_parameters, other.flat_parameters)
    with pytest.raises(ValueError, match="already steps another network"):
        copied.step(model)


def test_a_trainer_prints_what_it_is_made_of():
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
    assert repr(bp.Trainer(model, bp.MSE(), bp.SGD(0.1))).startswith("Trainer(Sequential(Dense(")
    shown = repr(bp.Trainer(model, bp.MSE(), bp.SGD(0.1), threads=2, recompute=True, activation_dtype="bfloat16"))
    assert shown.endswith(", recompute=True, activation_dtype='bfloat16', threads=2)")
    assert ", MSE(), SGD(learning_rate=0.1" in shown
