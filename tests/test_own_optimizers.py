"""Optimizers written in Python: composed of operations, and with NumPy."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, TOLERANCE

FIT = {"loss": bp.CrossEntropy(), "batch_size": 6, "progress": False}


class Composed(bp.Optimizer):
    """SGD with momentum, of operations."""

    slots = ("velocity",)

    def __init__(self, learning_rate=0.1, momentum=0.9, weight_decay=0.0, **options):
        self.momentum = momentum
        settings = {"learning_rate": learning_rate, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__("Composed", settings, **options)

    def update(self, weight, grad, slots, learning_rate, step):
        velocity = slots["velocity"] * self.momentum + grad
        return weight - learning_rate * velocity, {"velocity": velocity}


class ByHand(bp.Optimizer):
    """The same with NumPy."""

    slots = ("velocity",)

    def __init__(self, learning_rate=0.1, momentum=0.9, **options):
        self.momentum = momentum
        super().__init__("ByHand", {"learning_rate": learning_rate, "momentum": momentum}, **options)

    def step(self, model):
        velocity = self.slot(model, "velocity")
        velocity *= self.momentum
        velocity += model.flat_gradients
        model.flat_parameters[:] -= self.current_learning_rate * velocity


class AdamLike(bp.Optimizer):
    """Adam, with two slots and the number of the step."""

    slots = ("mean", "square")

    def update(self, weight, grad, slots, learning_rate, step):
        mean = slots["mean"] * 0.9 + grad * 0.1
        square = slots["square"] * 0.999 + bp.square(grad) * 0.001
        log = {beta: float(np.log(beta)) for beta in (0.9, 0.999)}
        size = mean / (1 - bp.exp(step * log[0.9]))
        return weight - learning_rate * size / (bp.sqrt(square / (1 - bp.exp(step * log[0.999]))) + 1e-8), {
            "square": square,
            "mean": mean,
        }


OURS = {"composed": Composed, "numpy": ByHand}


def network(dtype="float64"):
    layers = [bp.Dense(8, activation="tanh"), bp.Dropout(0.2), bp.BatchNorm(), bp.Dense(3)]
    return bp.Sequential(*layers, input_shape=4, seed=1, dtype=dtype)


def loop(model, optimizer, data):
    for _ in range(9):
        model.zero_grad()
        _, grad = bp.CrossEntropy().value_and_grad(model.forward(data[0]), data[1])
        model.backward(grad)
        optimizer.step(model)


WAYS = {
    "fit": lambda model, optimizer, data: model.fit(*data, optimizer=optimizer, epochs=4, **FIT),
    "accumulate": lambda model, optimizer, data: model.fit(*data, optimizer=optimizer, epochs=4, accumulate=3, **FIT),
    "step": lambda model, optimizer, data: [
        bp.Trainer(model, bp.CrossEntropy(), optimizer).step(*data) for _ in range(9)
    ],
    "by hand": loop,
}


def near(ours, theirs, dtype):
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", OURS)
def test_every_way_of_training_uses_it(data, kind, way, dtype):
    ours, theirs = network(dtype), network(dtype)
    mine, sgd = OURS[kind](0.05), bp.SGD(0.05, momentum=0.9)
    WAYS[way](ours, mine, data)
    WAYS[way](theirs, sgd, data)
    near(ours.flat_parameters, theirs.flat_parameters, dtype)
    assert mine.steps == sgd.steps
    state = mine.state_dict()
    assert (state["type"], list(state["slots"])) == (type(mine).__name__, ["velocity"])
    for name, velocity in state["slots"]["velocity"].items():
        near(velocity, sgd.state_dict()["slots"]["momentum_buffer"][name], dtype)


OPTIONS = {
    "clip_norm": {"clip_norm": 0.1},
    "clip_value": {"clip_value": 0.01},
    "groups": {"groups": [bp.Group("*.bias", learning_rate=0.3), bp.Group("0.*", weight_decay=0.5)]},
    "decay": {"weight_decay": 0.1, "decay": "matrices"},
    "schedule": {"schedule": bp.CosineAnnealing(12)},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options_hold_for_what_is_composed(data, options):
    ours, theirs = network(), network()
    ours.fit(*data, optimizer=Composed(0.05, **OPTIONS[options]), epochs=3, **FIT)
    theirs.fit(*data, optimizer=bp.SGD(0.05, momentum=0.9, **OPTIONS[options]), epochs=3, **FIT)
    near(ours.flat_parameters, theirs.flat_parameters, "float64")
    near(ours.flat_gradients, theirs.flat_gradients, "float64")


def test_several_slots_and_the_number_of_the_step(data):
    ours, theirs = network(), network()
    ours.fit(*data, optimizer=AdamLike("AdamLike", {"learning_rate": 0.01}), epochs=5, **FIT)
    theirs.fit(*data, optimizer=bp.Adam(0.01), epochs=5, **FIT)
    near(ours.flat_parameters, theirs.flat_parameters, "float64")


def test_a_rule_may_go_by_shape_and_name(data):
    class Layerwise(bp.Optimizer):
        """Biases stand still; matrices take steps as long as a hundredth of themselves."""

        def update(self, weight, grad, slots, learning_rate, step):
            if weight.name.endswith("bias") or len(weight.shape) < 2:
                return weight
            length, whole = bp.sqrt(bp.sum(bp.square(grad))), bp.sqrt(bp.sum(bp.square(weight)))
            return weight - learning_rate * grad * whole / length

    model = network()
    before = {name: value.copy() for name, value in model.parameters().items()}
    bp.Trainer(model, bp.CrossEntropy(), Layerwise("Layerwise", {"learning_rate": 0.01})).step(*data)
    for name, value in model.parameters().items():
        moved = np.linalg.norm(value - before[name]) / max(np.linalg.norm(before[name]), 1e-30)
        assert moved == pytest.approx(0.01 if value.ndim == 2 else 0, abs=1e-12)


def test_a_step_around_one_of_ours_is_used(data):
    class Shrinking(bp.Adam):
        def step(self, model):
            super().step(model)
            model.flat_parameters[:] *= 0.5

    ours, theirs = network(), network()
    optimizer = Shrinking(0.01)
    trainer, plain = (
        bp.Trainer(ours, bp.CrossEntropy(), optimizer),
        bp.Trainer(theirs, bp.CrossEntropy(), bp.Adam(0.01)),
    )
    for _ in range(3):
        trainer.step(*data)
        plain.step(*data)
        theirs.flat_parameters[:] *= 0.5
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)
    assert optimizer.steps == 3
    fitted = network()
    fitted.fit(*data, optimizer=Shrinking(0.01), epochs=3, loss=bp.CrossEntropy(), batch_size=20, shuffle=False,
               progress=False)  # fmt: skip
    np.testing.assert_array_equal(ours.flat_parameters, fitted.flat_parameters)


@pytest.mark.parametrize("kind", OURS)
def test_frozen_parameters_and_sparse_tables(kind):
    x, y = np.array([[0, 1], [2, 2], [0, 3]]), np.array([0.0, 1.0, 2.0])
    models = []
    for optimizer in (OURS[kind](0.1), bp.SGD(0.1, momentum=0.9)):
        rows = bp.Input(2, dtype="int32")
        table = bp.Embedding(5, 3, sparse=isinstance(optimizer, OURS[kind]))
        model = bp.Network(rows, bp.Dense(1)(bp.Dense(4)(bp.Flatten()(table(rows)))), seed=0)
        model.freeze("2.*")
        model.fit(x, y, loss=bp.MSE(), optimizer=optimizer, epochs=3, progress=False)
        models.append(model)
    near(models[0].flat_parameters, models[1].flat_parameters, "float32")


@pytest.mark.parametrize("kind", OURS)
def test_it_goes_on_from_states_pickles_and_checkpoints(data, tmp_path, kind):
    whole = network()
    whole.fit(*data, optimizer=OURS[kind](0.05), epochs=6, **FIT)
    trainer = bp.Trainer(network(), bp.CrossEntropy(), OURS[kind](0.05))
    trainer.fit(*data, epochs=3, batch_size=6, progress=False)
    loaded = OURS[kind](0.05)
    loaded.load_state_dict(trainer.optimizer.state_dict())
    again, third = pickle.loads(pickle.dumps(trainer)), copy.deepcopy(trainer.model)
    again.fit(*data, epochs=3, batch_size=6, progress=False)
    third.fit(*data, optimizer=loaded, epochs=3, **FIT)
    np.testing.assert_array_equal(again.model.flat_parameters, whole.flat_parameters)
    np.testing.assert_array_equal(third.flat_parameters, whole.flat_parameters)
    path = tmp_path / "fit"
    for epochs in (3, 6):
        resumed = network()
        resumed.fit(*data, optimizer=OURS[kind](0.05), epochs=epochs, callbacks=bp.Checkpoint(path), resume=path, **FIT)
    np.testing.assert_array_equal(resumed.flat_parameters, whole.flat_parameters)


def test_what_is_composed_gives_the_same_bits_for_any_number_of_threads(rng):
    x, y = rng.standard_normal((512, 64)).astype(np.float32), rng.integers(0, 10, 512)
    results = []
    for threads in (1, 2, 3):
        model = bp.Sequential(bp.Dense(256, activation="relu"), bp.Dense(10), seed=0)
        model.fit(x, y, loss=bp.CrossEntropy(), optimizer=Composed(), epochs=2, threads=threads, progress=False)
        results.append(model.flat_parameters)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_slots_have_names_of_their_own_and_are_asked_for_by_name():
    class Twice(Composed):
        slots = ("velocity", "velocity")

    with pytest.raises(ValueError, match=r"^\[Twice\] slots must have names of their own"):
        Twice()
    optimizer, model = ByHand(), network()
    with pytest.raises(ValueError, match=r'^\[ByHand\] has no slot "mean"'):
        optimizer.slot(model, "mean")
    view = optimizer.slot(model, "velocity")
    assert view.shape == (model.n_parameters,)
    optimizer.step(model)
    state = optimizer.state_dict()
    state["slots"]["velocity"]["0.bias"][:] = 7
    optimizer.load_state_dict(state)
    assert (view == 7).sum() == 8  # the view goes on showing the slot


@pytest.mark.parametrize("kind", OURS)
def test_models_and_optimizers_go_when_nobody_holds_them(data, kind):
    model, optimizer = network(), OURS[kind]()
    model.fit(*data, optimizer=optimizer, **FIT)
    gone = weakref.ref(model), weakref.ref(optimizer)
    del model, optimizer
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
