"""Training models whose parameters live in several homes: the bits of the same model with one home."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp

LOUD = {"loss": "mse", "progress": False, "seed": 3}


def two_homes(dtype="float64"):
    """A model over the homes of two, of large and small layers, and its copy with one home."""
    encoder = bp.Sequential(bp.Dense(150, activation="tanh"), bp.BatchNorm(), input_shape=120, seed=0, dtype=dtype)
    decoder = bp.Sequential(bp.Dense(3), input_shape=150, seed=1, dtype=dtype)
    x = bp.Input(120, dtype=dtype)
    model = bp.Network(x, decoder(encoder(x)), seed=2)
    return model, copy.deepcopy(model)


@pytest.fixture
def data(rng):
    return rng.standard_normal((40, 120)), rng.standard_normal((40, 3))


def assert_same_bits(model, twin):
    ours, theirs = model.state_dict(), twin.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.tobytes() == theirs[name].tobytes(), name


class Scaled(bp.Optimizer):
    slots = ("mean",)

    def __init__(self, learning_rate):
        super().__init__("Scaled", {"learning_rate": learning_rate})

    def update(self, weight, grad, slots, learning_rate, step):
        mean = slots["mean"] * 0.9 + grad
        return weight - learning_rate * mean, {"mean": mean}


OPTIMIZERS = {
    "sgd": lambda: bp.SGD(0.01, momentum=0.9),
    "adam": lambda: bp.Adam(0.01),
    "clip_norm": lambda: bp.AdamW(0.01, clip_norm=0.1),
    "clip_value": lambda: bp.SGD(0.1, clip_value=0.01, clip_norm=0.5),
    "groups": lambda: bp.Adam(0.01, groups=[bp.Group("*.bias", learning_rate=0.1)]),
    "muon": lambda: bp.Muon(0.01),
    "own": lambda: Scaled(0.01),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_has_the_bits_of_one_home(data, name, dtype):
    model, twin = two_homes(dtype)
    for one in (model, twin):
        one.fit(*data, optimizer=OPTIMIZERS[name](), epochs=3, batch_size=16, **LOUD)
    assert_same_bits(model, twin)


OPTIONS = {
    "accumulate": {"accumulate": 2},
    "penalty": {"weight_penalty": bp.L2(0.1)},
    "recompute": {"recompute": True},
    "ema": {"callbacks": lambda: [bp.EMA(0.9)]},
    "swa": {"callbacks": lambda: [bp.SWA(start_epoch=1)]},
    "best": {"callbacks": lambda: [bp.EarlyStopping("loss", patience=1)]},
    "small gradients": {"callbacks": lambda: [bp.RaiseOnSmallGradients(threshold=100.0, maximum=1.0)]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_fit_have_the_bits_of_one_home(data, name):
    model, twin = two_homes()
    for one in (model, twin):
        options = {key: value() if callable(value) else value for key, value in OPTIONS[name].items()}
        one.fit(*data, optimizer=bp.Adam(0.01), epochs=4, batch_size=8, **options, **LOUD)
    assert_same_bits(model, twin)


def test_by_hand_has_the_bits_of_one_home(data):
    model, twin = two_homes()
    x, y = data
    for one in (model, twin):
        optimizer = bp.Adam(0.01, clip_norm=1.0)
        for _ in range(3):
            one.zero_grad()
            output = one.forward(x)
            one.backward(bp.MSE().value_and_grad(output, y)[1])
            optimizer.step(one)
    assert_same_bits(model, twin)
    for name, gradient in model.gradients().items():
        assert gradient.tobytes() == twin.gradients()[name].tobytes()


def test_second_derivatives_and_scipy_see_one_vector(data):
    model, twin = two_homes()
    vector = np.linspace(-1, 1, model.n_parameters)
    results = []
    for one in (model, twin):
        objective = one.objective(*data, loss=bp.MSE())
        theta = objective.x0 * 0.5
        results.append([*objective(theta), objective.hessp(theta, vector), one.flat_parameters])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_lbfgs_has_the_bits_of_one_home(data):
    encoder = bp.Sequential(bp.Dense(5, activation="tanh"), input_shape=120, seed=0, dtype="float64")
    decoder = bp.Sequential(bp.Dense(3), input_shape=5, seed=1, dtype="float64")
    x = bp.Input(120, dtype="float64")
    model = bp.Network(x, decoder(encoder(x)))
    twin = copy.deepcopy(model)
    for one in (model, twin):
        one.fit(*data, optimizer=bp.LBFGS(), epochs=8, **LOUD)
    assert_same_bits(model, twin)


def test_a_fit_is_resumed_with_its_bits(data, tmp_path):
    model, twin = two_homes()
    path = tmp_path / "fit.safetensors"
    options = {"batch_size": 8, **LOUD}
    twin.fit(*data, optimizer=bp.Adam(0.01), epochs=6, **options)
    model.fit(*data, optimizer=bp.Adam(0.01), epochs=3, callbacks=[bp.Checkpoint(path)], **options)
    again, _ = two_homes()
    again.fit(*data, optimizer=bp.Adam(0.01), epochs=6, resume=path, callbacks=[bp.Checkpoint(path)], **options)
    assert_same_bits(again, twin)


# Several models and optimizers.


def gan():
    generator = bp.Sequential(bp.Dense(8, activation="relu"), bp.Dense(2), input_shape=3, seed=0)
    critic = bp.Sequential(bp.Dense(8, activation="leaky_relu"), bp.Dense(1), input_shape=2, seed=1)
    z = bp.Input(3)
    both = bp.Network(z, critic(generator(z)), seed=2)
    both.freeze(critic)
    return generator, critic, both


def test_two_models_of_a_gan_train_in_turns(rng):
    generator, critic, both = gan()
    assert set(both.frozen) == {"2.weight", "2.bias", "3.weight", "3.bias"}
    of_critic = bp.Trainer(critic, bp.BinaryCrossEntropy(), bp.Adam(1e-2))
    of_both = bp.Trainer(both, bp.BinaryCrossEntropy(), bp.Adam(1e-2))
    for _ in range(300):
        real = rng.standard_normal((32, 2)).astype(np.float32) * 0.1 + 1
        fake = generator.predict(rng.standard_normal((32, 3)))
        before = generator.state_dict()
        of_critic.step(np.concatenate([real, fake]), np.repeat([1.0, 0.0], 32))
        assert all((before[name] == value).all() for name, value in generator.parameters().items())
        before = critic.state_dict()
        of_both.step(rng.standard_normal((32, 3)), np.ones(32))
        assert all((before[name] == value).all() for name, value in critic.parameters().items())
    assert np.abs(generator.predict(rng.standard_normal((256, 3))).mean(axis=0) - 1).max() < 0.5


def test_optimizers_of_overlapping_models_keep_slots_of_their_own(rng):
    """Each moves the shared part by its own momentum: as two optimizers do by hand."""
    shared = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, seed=0, dtype="float64")
    x = bp.Input(1, dtype="float64")
    other = bp.Network(x, bp.Dense(1, bias=False)(shared(x)), seed=0)
    optimizers = {shared: bp.SGD(0.1, momentum=0.5), other: bp.SGD(0.01, momentum=0.9)}
    weight, slots = float(shared.flat_parameters[0]), {shared: 0.0, other: 0.0}
    for model in (shared, other, other, shared, other, shared):
        model.zero_grad()
        for gradient in model.gradients().values():
            gradient[...] = 1
        optimizers[model].step(model)
        momentum, rate = (0.5, 0.1) if model is shared else (0.9, 0.01)
        slots[model] = momentum * slots[model] + 1
        weight -= rate * slots[model]
        assert shared.flat_parameters[0] == pytest.approx(weight, rel=1e-12)


def test_gradients_of_models_that_share_add_up(rng):
    encoder = bp.Sequential(bp.Dense(3, activation="tanh"), input_shape=4, seed=0, dtype="float64")
    x = bp.Input(4, dtype="float64")
    first, second = (bp.Network(x, bp.Dense(1)(encoder(x)), seed=seed) for seed in (0, 1))
    rows, apart = rng.standard_normal((6, 4)), []
    for model in (first, second):
        encoder.zero_grad()
        model.forward(rows)
        model.backward(np.ones((6, 1)))
        apart.append(encoder.flat_gradients.copy())
    first.zero_grad()
    assert not encoder.flat_gradients.any()
    assert second.gradients()["1.weight"].any()  # zero_grad is of one's own parameters
    for model in (first, second):
        model.forward(rows)
        model.backward(np.ones((6, 1)))
    np.testing.assert_allclose(encoder.flat_gradients, apart[0] + apart[1], rtol=1e-14)


def test_what_is_frozen_reads_zero_whatever_others_have_left(rng):
    generator, critic, both = gan()
    critic.forward(rng.standard_normal((4, 2)))
    critic.backward(np.ones((4, 1)))
    left = critic.flat_gradients.copy()
    _, gradients = both.value_and_grad(rng.standard_normal((4, 3)), np.ones(4), bp.BinaryCrossEntropy())
    assert not any(gradients[name].any() for name in both.frozen)
    assert gradients["0.weight"].any()
    np.testing.assert_array_equal(critic.flat_gradients, left)
    both.unfreeze(critic)
    assert both.frozen == ()
    with pytest.raises(ValueError, match=r"\[freeze\] the network uses no parameters of the other"):
        generator.freeze(critic)


def test_a_target_network_is_a_copy(rng):
    online = bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(2), input_shape=3, seed=0)
    target = copy.deepcopy(online)
    x = rng.standard_normal((16, 3)).astype(np.float32)
    online.fit(x, x[:, :2], optimizer=bp.SGD(0.1), **LOUD)
    assert (online.flat_parameters != target.flat_parameters).any()
    wanted = 0.9 * target.flat_parameters + 0.1 * online.flat_parameters
    target.flat_parameters[:] += np.float32(0.1) * (online.flat_parameters - target.flat_parameters)
    np.testing.assert_allclose(target.flat_parameters, wanted, rtol=1e-5, atol=1e-7)
    target.load_weights(online.state_dict())
    np.testing.assert_array_equal(online.predict(x), target.predict(x))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=5), st.integers(0, 99))
def test_any_way_to_share_has_the_bits_of_a_copy(steps, seed):
    """A chain of parts, old and new ones in any order, some of them within models of their own."""
    rng = np.random.default_rng(seed)
    parts = [bp.Sequential(bp.Dense(3, activation="tanh"), input_shape=3, seed=i, dtype="float64") for i in range(4)]
    given_x = bp.Input(3, dtype="float64")
    y = given_x
    for part, nested in steps:
        inner = bp.Input(3, dtype="float64")
        y = bp.Network(inner, parts[part](inner))(y) if nested else parts[part](y)
        y = bp.BatchNorm()(y) if rng.random() < 0.3 else y
    model = bp.Network(given_x, bp.Dense(2)(y), seed=seed)
    twin = copy.deepcopy(model)
    if rng.random() < 0.5:
        for one in (model, twin):
            one.freeze("0.*")
    x, targets = rng.standard_normal((8, 3)), rng.standard_normal((8, 2))
    for one in (model, twin):
        one.fit(x, targets, optimizer=bp.Adam(0.01, clip_norm=0.5), epochs=2, batch_size=4, **LOUD)
    assert_same_bits(model, twin)
