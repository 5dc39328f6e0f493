"""Several data sets in one fit: each with rows, batch size, loss and weight of its own."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES

FIT = {"progress": False, "seed": 3}


@pytest.fixture
def left(rng):
    return rng.standard_normal((10, 3)), rng.standard_normal((10, 2))


@pytest.fixture
def right(rng):
    return rng.standard_normal((7, 3)), rng.standard_normal((7, 2))


def network(dtype="float64", norm=False):
    layers = [bp.Dense(5, activation="tanh"), *([bp.BatchNorm()] if norm else []), bp.Dense(2)]
    return bp.Sequential(*layers, input_shape=3, seed=1, dtype=dtype)


def absolute(prediction, target):
    return bp.abs(prediction - target)


OPTIMIZERS = {
    "SGD": lambda: bp.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": lambda: bp.Adam(0.01, clip_norm=0.5),
    "Muon": lambda: bp.Muon(0.01),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_step_is_the_update_by_the_weighted_sum(left, right, kind, dtype):
    model, other = network(dtype), network(dtype)
    sets = [bp.Data(*left, loss=bp.MSE(), weight=0.5), bp.Data(*right, loss=absolute, weight=2.0, name="right")]
    history = model.fit(sets, optimizer=OPTIMIZERS[kind](), epochs=3, batch_size=10, **FIT)
    optimizer, told = OPTIMIZERS[kind](), []
    for _ in range(3):
        first, grads = other.value_and_grad(*left, bp.MSE())
        second, more = other.value_and_grad(*right, absolute)
        for name, grad in other.gradients().items():
            grad[...] = 0.5 * grads[name] + 2.0 * more[name]
        optimizer.step(other)
        told.append((0.5 * first + 2.0 * second, first, second))
    close = {"rtol": 1e-4, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(model.flat_parameters, other.flat_parameters, **close)
    assert list(history) == ["loss", "loss_0", "loss_right", "learning_rate"]
    np.testing.assert_allclose(
        [history[name] for name in ("loss", "loss_0", "loss_right")], np.transpose(told), **close
    )


def test_an_epoch_is_as_long_as_the_set_with_the_most_batches(left, right):
    """Shorter sets begin again; with shuffle=False, in the order of their rows."""
    seen = {"left": [], "right": []}

    def spy(name):
        class Seen(bp.Loss):
            def value_and_grad(self, prediction, target, sample_weight=None):
                seen[name].append(target["row"].tolist())
                return 0.0, 0 * prediction

        return Seen()

    data = {"left": (left[0], 4), "right": (right[0], 2)}
    sets = [bp.Data(x, {"row": np.arange(len(x))}, loss=spy(name), batch_size=size) for name, (x, size) in data.items()]
    network().fit(sets, optimizer=bp.SGD(0.1), epochs=2, shuffle=False, **FIT)
    once = [[0, 1], [2, 3], [4, 5], [6]]
    assert seen["right"] == once + once
    assert seen["left"] == 2 * [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3]]


def test_one_set_is_a_plain_fit_to_the_bit(left):
    plain, listed = network(), network()
    options = {"loss": bp.MSE(), "epochs": 3, "batch_size": 4, "validation_data": left, **FIT}
    history = plain.fit(*left, optimizer=bp.Adam(0.01), **options)
    assert listed.fit([bp.Data(*left)], optimizer=bp.Adam(0.01), **options) == history
    np.testing.assert_array_equal(plain.flat_parameters, listed.flat_parameters)


def test_sets_are_shuffled_each_in_its_own_order(left):
    orders = []

    class Seen(bp.Loss):
        def value_and_grad(self, prediction, target, sample_weight=None):
            orders.append(target["row"].tolist())
            return 0.0, 0 * prediction

    row = {"row": np.arange(10)}
    network().fit([bp.Data(left[0], row, loss=Seen()), bp.Data(left[0], row, loss=Seen())], optimizer="sgd", epochs=2,
                  batch_size=10, **FIT)  # fmt: skip
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == list(range(10)) for order in orders)


@pytest.mark.parametrize("norm", [False, True])
def test_the_same_bits_for_any_number_of_threads(rng, norm):
    sets = [
        bp.Data(rng.standard_normal((64, 3)), rng.standard_normal((64, 2)), loss=bp.MSE(), batch_size=16),
        bp.Data(rng.standard_normal((40, 3)), rng.standard_normal((40, 2)), loss=absolute, weight=-0.1, batch_size=32),
    ]
    results = []
    for threads in (1, 2, 3):
        model = network(norm=norm)
        model.fit(sets, optimizer=bp.Adam(0.01), epochs=3, threads=threads, **FIT)
        results.append(model.flat_parameters)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


class Momentum(bp.Optimizer):
    slots = ("velocity",)

    def __init__(self):
        super().__init__("Momentum", {"learning_rate": 0.1})

    def update(self, weight, grad, slots, learning_rate, step):
        velocity = slots["velocity"] * 0.9 + grad
        return weight - learning_rate * velocity, {"velocity": velocity}


class ByHand(bp.Optimizer):
    slots = ("velocity",)

    def __init__(self):
        super().__init__("ByHand", {"learning_rate": 0.1})

    def step(self, model):
        velocity = self.slot(model, "velocity")
        velocity *= 0.9
        velocity += model.flat_gradients
        model.flat_parameters[:] -= self.current_learning_rate * velocity


@pytest.mark.parametrize("kind", [Momentum, ByHand])
def test_optimizers_of_ones_own_take_them(left, right, kind):
    sets = [bp.Data(*left, loss=bp.MSE()), bp.Data(*right, loss=bp.MSE())]
    models = network(), network()
    for model, optimizer in zip(models, (kind(), bp.SGD(0.1, momentum=0.9)), strict=True):
        model.fit(sets, optimizer=optimizer, epochs=5, batch_size=4, **FIT)
    np.testing.assert_allclose(models[0].flat_parameters, models[1].flat_parameters, rtol=0, atol=1e-13)


@pytest.mark.parametrize("every", [{"every_batches": 2}, {"every_epochs": 1}])
def test_it_goes_on_from_a_checkpoint_to_the_bit(left, right, tmp_path, every):
    sets = [bp.Data(*left, loss=bp.MSE()), bp.Data(*right, loss=absolute, batch_size=2, weight=0.3)]

    class Stop(bp.Callback):
        """At the third batch of the third epoch, where it is asked to."""

        def __init__(self, left=-1):
            self.left = left

        def on_batch_end(self, trainer, logs):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def train(model, epochs, *callbacks, **options):
        settings = {"epochs": epochs, "batch_size": 4, "callbacks": callbacks, **FIT, **options}
        return model.fit(sets, optimizer=bp.Adam(0.01), **settings)

    whole, path = network(), tmp_path / "fit"
    history = train(whole, 4)
    with pytest.raises(KeyboardInterrupt):
        train(network(), 4, bp.Checkpoint(path, **every), Stop(11))
    resumed = network()
    assert train(resumed, 4, bp.Checkpoint(path, **every), Stop(), resume=path) == history
    np.testing.assert_array_equal(resumed.flat_parameters, whole.flat_parameters)
    changed = [sets[0], bp.Data(*right, loss=absolute, batch_size=2, weight=0.4)]
    options = {"epochs": 5, "batch_size": 4, "callbacks": [bp.Checkpoint(path, **every), Stop()], "resume": path, **FIT}
    with pytest.raises(ValueError, match="weight of a data set"):
        network().fit(changed, optimizer=bp.Adam(0.01), **options)


def test_lbfgs_minimises_the_weighted_sum(left, right):
    model = network()
    sets = [bp.Data(*left, loss=bp.MSE(), weight=0.5), bp.Data(*right, loss=bp.MSE(), weight=2.0, name="right")]
    history = model.fit(sets, optimizer=bp.LBFGS(), epochs=200, **FIT)
    parts = [model.evaluate(*part, loss=bp.MSE())["loss"] for part in (left, right)]
    assert list(history) == ["loss", "loss_0", "loss_right", "learning_rate"]
    expected = [0.5 * parts[0] + 2.0 * parts[1], *parts]
    assert [history[name][-1] for name in history][:3] == pytest.approx(expected, rel=1e-12)
    gradient = sum(
        weight * model.objective(*part, bp.MSE()).jac(model.flat_parameters)
        for part, weight in ((left, 0.5), (right, 2.0))
    )
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    assert np.abs(gradient).max() < 0.05


def test_penalties_count_once(left, right):
    sets = [bp.Data(*left, loss=bp.MSE(), weight=3.0), bp.Data(*right, loss=bp.MSE(), weight=0.0)]
    models = network(), network()
    before = models[0].flat_parameters.copy()
    history = models[0].fit(sets, optimizer=bp.SGD(0.1), weight_penalty=bp.L2(0.1), batch_size=10, **FIT)
    loss, grads = models[1].value_and_grad(*left, bp.MSE())
    assert history["weight_penalty"] == pytest.approx([0.1 * (before**2).sum()], rel=1e-12)
    assert history["loss"] == pytest.approx([3 * loss + 0.1 * (before**2).sum()], rel=1e-12)
    flat = np.concatenate([grad.ravel() for grad in grads.values()])
    np.testing.assert_allclose(models[0].flat_parameters, before - 0.1 * (3 * flat + 0.2 * before), rtol=0, atol=1e-13)


def test_labelled_and_unlabelled_rows(rng):
    """Entropy of what has no labels (Grandvalet and Bengio 2005) beside cross-entropy of what has."""

    def entropy(logits):
        return bp.log_sum_exp(logits) - bp.sum(bp.softmax(logits) * logits, 1)

    x, labels = rng.standard_normal((6, 3)), rng.integers(0, 2, 6)
    model = network("float32")
    sets = [bp.Data(x, labels, loss="cross_entropy"), bp.Data(rng.standard_normal((50, 3)), loss=entropy, weight=0.1)]
    history = model.fit(sets, optimizer="adam", epochs=20, validation_data=(x, labels), **FIT)
    assert list(history) == ["loss", "loss_0", "loss_1", "val_loss", "learning_rate"]
    assert history["loss"][-1] < history["loss"][0]


def test_callbacks_see_the_columns_and_the_loss(left, right):
    told = []

    class Watch(bp.Callback):
        def on_batch_end(self, trainer, logs):
            told.append(logs["loss"])

    sets = [bp.Data(*left, loss=bp.MSE(), name="a"), bp.Data(*right, loss=bp.MSE(), name="b", weight=2.0)]
    stop = bp.EarlyStopping(monitor="loss_b", patience=1, min_delta=10.0)
    history = network().fit(sets, optimizer=bp.SGD(0.0), epochs=9, batch_size=10, callbacks=[Watch(), stop], **FIT)
    assert history.epochs < 9
    assert told[0] == pytest.approx(history["loss_a"][0] + 2 * history["loss_b"][0], rel=1e-13)
