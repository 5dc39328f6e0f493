"""Optimizers as pure functions, against steps of a trainer."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, OPTIMIZERS, by_name, generator

CASES = by_name([case for case in OPTIMIZERS if case.make().__class__ is not bp.LBFGS])


def model(dtype="float64"):
    return bp.Sequential(bp.Dense(5), bp.Tanh(), bp.Dense(2), input_shape=(4,), seed=3, dtype=dtype)


def batch(rows=12):
    rng = generator("batch", rows)
    return rng.standard_normal((rows, 4)), rng.standard_normal((rows, 2))


def steps_of(net, optimizer, x, y, count):
    """Parameters and state after steps in a compiled function."""
    f, parameters = net.functional()
    loss = bp.MSE()

    @bp.compile
    def step(parameters, state, x, y):
        value, gradients = bp.value_and_grad(lambda p: loss(f(p, x), y))(parameters)
        parameters, state = optimizer.apply(parameters, gradients, state)
        return parameters, state, value

    state = optimizer.init(parameters)
    for _ in range(count):
        parameters, state, _ = step(parameters, state, x, y)
    assert len(step) == 1
    return parameters, state


def check_like_trainer(make, dtype, count=20, exact=False):
    x, y = (a.astype(dtype) for a in batch())
    trained = model(dtype)
    trainer = bp.Trainer(trained, bp.MSE(), make())
    for _ in range(count):
        trainer.step(x, y)
    parameters, state = steps_of(model(dtype), make(), x, y, count)
    expected = trainer.optimizer.state_dict()
    assert state["steps"] == expected["steps"] == count
    pairs = [(parameters, trained.parameters()), *((state["slots"][s], expected["slots"][s]) for s in state["slots"])]
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    for got, wanted in pairs:
        for name in wanted:
            assert got[name].dtype == dtype
            if exact:
                np.testing.assert_array_equal(got[name], wanted[name], err_msg=name)
            np.testing.assert_allclose(got[name], wanted[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **CASES)
def test_steps_are_those_of_a_trainer(case, dtype):
    check_like_trainer(case.make, dtype, exact=True)


OPTIONS = {
    "groups": {"groups": [bp.Group("*.bias", learning_rate=0.5), bp.Group("0.*", weight_decay=0.1)]},
    "decay": {"decay": "matrices", "weight_decay": 0.1},
    "schedule": {"schedule": bp.CosineAnnealing(15, warmup=3)},
    "clip_value": {"clip_value": 0.01},
    "clip_norm": {"clip_norm": 0.1},
}


@pytest.mark.parametrize("kind", [bp.SGD, bp.AdamW])
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_options_are_those_of_a_trainer(option, kind, dtype):
    check_like_trainer(lambda: kind(0.05, **OPTIONS[option]), dtype, exact=option != "clip_norm")


def test_what_a_step_corrects():
    check_like_trainer(lambda: bp.Adam(0.05, epsilon_hat=True), "float64", exact=True)


def test_clipping_survives_large_and_small_gradients():
    sgd = bp.SGD(1.0, clip_norm=1.0)
    for size in (1e-30, 1e-3, 1e25):
        w = np.zeros(4, "float32")
        moved, _ = sgd.apply(w, np.full(4, size, "float32"), sgd.init(w))
        np.testing.assert_allclose(moved, -min(size, 0.5), rtol=1e-5)


class Heavy(bp.Optimizer):
    slots = ("velocity",)

    def __init__(self, rate, **options):
        super().__init__("Heavy", {"learning_rate": rate, "weight_decay": 0.01}, **options)

    def update(self, weight, grad, slots, *, learning_rate, step):
        velocity = slots["velocity"] * 0.5 + grad * (2.0 if weight.name.endswith("bias") else 1.0)
        return weight - learning_rate * velocity / bp.sqrt(step), {"velocity": velocity}


@pytest.mark.parametrize("dtype", DTYPES)
def test_optimizers_of_ones_own(dtype):
    check_like_trainer(lambda: Heavy(0.1), dtype, exact=True)


def test_any_tree_of_parameters():
    tree = {"a": [np.ones(2), (np.zeros((2, 3)),)], "b": np.full((), 2.0)}
    adam = bp.Adam(0.1, groups=[bp.Group("a.1.*", learning_rate=0.0)])
    state = adam.init(tree)
    moved, state = adam.apply(tree, bp.tree.map(np.ones_like, tree), state)
    np.testing.assert_allclose(moved["a"][0], 0.9)
    np.testing.assert_array_equal(moved["a"][1][0], 0.0)
    assert moved["b"].shape == ()
    assert state["steps"] == 1
    assert bp.tree.structure(state["slots"]["exp_avg"]) == bp.tree.structure(tree)
    np.testing.assert_array_equal(tree["b"], 2.0)


def test_the_state_is_that_of_state_dict():
    """A step by apply, handed to an optimizer of the model's own."""
    x, y = batch()
    parameters, state = steps_of(model(), bp.Adam(0.1), x, y, 3)
    net, adam = model(), bp.Adam(0.1)
    net.load_weights(parameters)
    adam.load_state_dict({"type": "Adam", "learning_rate": 0.1, "epochs": 0, **state, "steps": int(state["steps"])})
    bp.Trainer(net, bp.MSE(), adam).step(x, y)
    expected, _ = steps_of(model(), bp.Adam(0.1), x, y, 4)
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, expected[name])


def test_the_learning_rate_is_read_at_each_step():
    sgd = bp.SGD(1.0)
    step = bp.compile(lambda w, state: sgd.apply(w, w, state))
    w, state = step(np.array([8.0]), sgd.init(np.array([8.0])))
    sgd.learning_rate = 0.5
    w, state = step(np.array([8.0]), state)
    assert w == 4
    assert len(step) == 1


@pytest.mark.parametrize("kind", [bp.NAdam, bp.RAdam, bp.Muon])
def test_ensembles_step_together(kind):
    """vmap over parameters and states: each member as if it were alone."""
    rng, optimizer = generator("ensemble"), kind(0.1)
    w, target = rng.standard_normal((3, 4, 5)), rng.standard_normal((4, 5))

    def step(w, state):
        return optimizer.apply(w, bp.grad(lambda w: bp.sum(bp.square(w - target)))(w), state)

    together, states = w, [optimizer.init(member) for member in w]
    state = bp.tree.map(lambda *leaves: np.stack(leaves), *states)
    for _ in range(8):
        together, state = bp.vmap(step)(together, state)
    for i, alone in enumerate(w):
        for _ in range(8):
            alone, states[i] = step_of(step, alone, states[i])
        np.testing.assert_allclose(together[i], alone, rtol=1e-12)
    np.testing.assert_array_equal(state["steps"], 8)


def step_of(step, w, state):
    return bp.compile(step)(w, state)


def test_gradients_through_a_step():
    """Of the loss after two steps of momentum, by the weight before them: against central differences."""
    sgd = bp.SGD(0.1, momentum=0.9)

    def after(w):
        state = sgd.init(w)
        for _ in range(2):
            w, state = sgd.apply(w, bp.grad(lambda w: bp.sum(w**4))(w), state)
        return bp.sum(w**2)

    w, h = np.array([0.7, -0.4]), 1e-6
    expected = [(float(bp.compile(after)(w + e)) - float(bp.compile(after)(w - e))) / (2 * h) for e in h * np.eye(2)]
    np.testing.assert_allclose(bp.grad(after)(w), expected, rtol=1e-7)


def test_eager_tensors():
    adam, w = bp.Adam(0.1), bp.tensor([1.0, 2.0])
    moved, state = adam.apply(w, bp.tensor([1.0, -1.0]), adam.init(w))
    np.testing.assert_allclose(moved.numpy(), [0.9, 2.1], rtol=1e-6)
    assert int(state["steps"]) == 1


class ByHand(bp.Optimizer):
    def step(self, model):
        model.flat_parameters[:] -= model.flat_gradients


REFUSED = {
    "makes no single steps": lambda w: bp.LBFGS().apply(w, w, {"steps": np.int32(0), "slots": {}}),
    "steps by hand": lambda w: apply_of(ByHand("ByHand", {"learning_rate": 1.0}), w, w),
    "by epochs": lambda w: apply_of(bp.SGD(schedule=bp.StepDecay(2, per="epoch")), w, w),
    "state must be what init": lambda w: bp.SGD().apply(w, w, {}),
    "gradients must have the structure": lambda w: apply_of(bp.SGD(), [w], w),
    "must have shape": lambda w: apply_of(bp.SGD(), w, w[:1]),
    "holds integers": lambda w: apply_of(bp.SGD(), np.arange(2), np.arange(2)),
    "matches none": lambda w: apply_of(bp.SGD(groups=[bp.Group("x")]), w, w),
}


def apply_of(optimizer, w, gradients):
    return optimizer.apply(w, gradients, optimizer.init(w))


@pytest.mark.parametrize("message", REFUSED)
def test_refusals(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message](np.zeros(2))
