"""What is set and would be ignored is refused by name; what users' own classes set is theirs."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp


def network(**settings):
    return bp.Sequential(bp.Dense(2), bp.BatchNorm(), bp.Dense(1), input_shape=3, seed=0, **settings)


def functional():
    x = bp.Input(3)
    return bp.Network(x, bp.Dense(1)(x), seed=0)


def trainer():
    return bp.Trainer(network(), bp.MSE(), bp.SGD(0.1))


REFUSED = [
    (lambda: bp.SGD(0.1), "momentum", 0.9, "make another optimizer"),
    (lambda: bp.SGD(0.1), "clip_norm", 1.0, "make another optimizer"),
    (lambda: bp.SGD(0.1), "schedule", bp.StepDecay(1), "make another optimizer"),
    (lambda: bp.AdamW(), "weight_decay", 0.5, "make another optimizer"),
    (lambda: bp.AdamW(), "lr", 0.5, "learning_rate can be set"),
    (lambda: bp.Muon(), "steps", 3, "make another optimizer"),
    (lambda: bp.LBFGS(), "tolerance", 3, "make another optimizer"),
    (lambda: bp.EarlyStopping(), "patience", 1, "make another callback"),
    (lambda: bp.EarlyStopping(), "best", 1.0, "make another callback"),
    (lambda: bp.ReduceOnPlateau(), "factor", 0.5, "make another callback"),
    (lambda: bp.EMA(), "decay", 0.5, "make another callback"),
    (lambda: bp.Checkpoint("a"), "path", "b", "make another callback"),
    (lambda: bp.Checkpoint("a"), "best", 1.0, "make another callback"),
    (lambda: bp.StepDecay(3), "warmup", 2, "make another schedule"),
    (lambda: bp.StepDecay(3), "every", 2, "make another schedule"),
    (lambda: bp.L2(0.1), "factor", 0.2, "make another penalty"),
    (lambda: bp.Penalty(bp.norm), "pattern", "*.bias", "make another penalty"),
    (lambda: bp.Huber(), "delta", 2.0, "make another loss"),
    (lambda: bp.Dense(3), "units", 4, "make another layer"),
    (lambda: bp.Dense(3), "trainable", False, r"model.freeze\(\) keeps parameters"),
    (network, "trainable", False, r"model.freeze\(\) keeps parameters"),
    (network, "training", False, "nothing is to be switched"),
    (network, "layers", [], "append and pop change them"),
    (network, "seed", 1, "only a class of your own"),
    (network, "flat_parameters", 0.0, r"write into it, model.flat_parameters\[:\] = values"),
    (functional, "classes", 3, "only a class of your own"),
    (trainer, "loss", bp.MAE(), "make another trainer"),
    (trainer, "optimizer", bp.Adam(), "make another trainer"),
    (trainer, "recompute", True, "make another trainer"),
    (lambda: bp.SGD(0.1), "decay", "matrices", "make another optimizer"),
]


@pytest.mark.parametrize(("make", "name", "value", "cure"), REFUSED, ids=range(len(REFUSED)))
def test_what_would_be_ignored_cannot_be_set(make, name, value, cure):
    made = make()
    before = repr(made)
    with pytest.raises(AttributeError, match=rf"^\[{type(made).__name__}\] {name} cannot be set: {cure}"):
        setattr(made, name, value)
    assert repr(made) == before


def test_the_learning_rate_can_be_set():
    sgd = bp.SGD(0.1)
    sgd.learning_rate = 0.5
    assert sgd.learning_rate == sgd.current_learning_rate == 0.5


class Mine(bp.Adam):
    def __init__(self, name):
        self.name = name
        super().__init__(0.1)
        self.weight_decay = 0.5


class Stopping(bp.EarlyStopping):
    patience = 3


class Model(bp.Sequential):
    pass


class Counting(bp.Callback):
    def on_epoch_end(self, trainer, logs):
        self.epochs = trainer.epochs_seen = logs["epoch"] + 1


class Loop(bp.Trainer):
    pass


def test_classes_of_users_have_attributes_of_their_own():
    optimizer, stopping, counting = Mine("a"), Stopping("loss"), Counting()
    model = Model(bp.Dense(1), input_shape=1, seed=0)
    model.trainable, stopping.note = False, "b"
    loop = Loop(model, bp.MSE(), optimizer)
    loop.fit([[1.0]], [[2.0]], epochs=2, callbacks=[stopping, counting], progress=False)
    assert (counting.epochs, loop.epochs_seen, optimizer.weight_decay, stopping.note) == (2, 2, 0.5, "b")
    for same in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        assert (same(optimizer).name, same(model).trainable, same(stopping).note) == ("a", False, "b")


@pytest.mark.parametrize("views", ["parameters", "gradients", "states"])
def test_an_entry_of_a_model_is_written_by_setting_it(views):
    model = network()
    name = "1.running_mean" if views == "states" else "0.bias"

    def shown():
        return getattr(model, views)()

    shown()[name] = [3, 4]
    assert shown()[name].tolist() == [3, 4]
    shown()[name] += 1
    assert shown()[name].tolist() == [4, 5]
    shown().update({name: np.ones(2)})
    assert shown()[name].tolist() == [1, 1]
    entries = shown()
    entries |= {name: 7.0}
    assert shown()[name].tolist() == [7, 7]
    for wrong, error in (({"0.biases": [1, 2]}, KeyError), ({name: [1, 2, 3]}, ValueError)):
        with pytest.raises(error):
            shown().update(wrong)
    assert shown()[name].tolist() == [7, 7]


def test_copies_of_parameters_are_plain_dicts():
    model = network()
    for kept in (copy.deepcopy(model.parameters()), pickle.loads(pickle.dumps(model.parameters()))):
        assert type(kept) is dict
        kept["0.bias"][:] = kept["2.bias"][:] = 3
        kept["0.bias"] = None
    assert type(model.parameters().copy()) is type(model.parameters() | {}) is dict
    assert model.parameters()["0.bias"].tolist() == [0, 0]
