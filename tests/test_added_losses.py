"""What layers add to the loss: penalties on activations."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, TOLERANCE

FIT = {"progress": False, "shuffle": False}


class Sparse(bp.Layer):
    """Its input; the loss has factor * the mean of |x| in it."""

    def __init__(self, factor=0.1):
        self.factor = factor

    def forward(self, x):
        self.add_loss(self.factor * bp.abs(x))
        return x


def network(*between, dtype="float64", seed=1):
    return bp.Sequential(bp.Dense(4, activation="tanh"), *between, bp.Dense(1), input_shape=3, seed=seed, dtype=dtype)


def twin(model):
    """The same function as one output more, so that a loss can see the activations."""
    first, x = model.state_dict(), bp.Input(3, dtype=model.dtype)
    hidden = bp.Dense(4, activation="tanh")(x)
    other = bp.Network(x, [bp.Dense(1)(hidden), hidden], seed=0)
    other.load_weights(dict(zip(other.parameters(), first.values(), strict=True)))
    return other


@pytest.fixture
def data(rng):
    return rng.standard_normal((7, 3)), rng.standard_normal((7, 1))


def whole(outputs, target):
    return bp.square(outputs[0] - target) + 0.1 * bp.mean(bp.abs(outputs[1]), 1, keepdims=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_has_it_in_loss_and_gradient(data, dtype):
    model = network(Sparse(), dtype=dtype)
    other, close = twin(model), {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    value, grads = model.value_and_grad(*data, bp.MSE())
    expected, wanted = other.value_and_grad(*data, bp.JointLoss(whole))
    assert value == pytest.approx(expected, rel=TOLERANCE[dtype])
    for grad, same in zip(grads.values(), wanted.values(), strict=True):
        np.testing.assert_allclose(grad, same, **close)
    bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(*data)
    bp.Trainer(other, bp.JointLoss(whole), bp.SGD(0.1)).step(*data)
    np.testing.assert_allclose(model.flat_parameters, other.flat_parameters, **close)
    vector = np.linspace(-1, 1, model.n_parameters)
    ours, same = bp.hvp(model, bp.MSE(), *data, vector), bp.hvp(other, bp.JointLoss(whole), *data, vector)
    np.testing.assert_allclose(ours, same, rtol=TOLERANCE[dtype], atol=1e-5)


WAYS = {
    "fit": {},
    "batches": {"batch_size": 3, "epochs": 4},
    "accumulate": {"batch_size": 3, "accumulate": 2, "epochs": 2},
    "weights": {"sample_weight": np.linspace(0.5, 2, 7)},
    "L-BFGS": {"optimizer": "lbfgs", "epochs": 5},
    "penalty": {"weight_penalty": bp.L2(0.1)},
    "penalty and L-BFGS": {"optimizer": "lbfgs", "epochs": 5, "weight_penalty": bp.L2(0.1)},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_history_tells_it_in_the_loss_and_alone(data, way):
    model = network(Sparse())
    other = twin(model)

    def activity(m):
        hidden = np.tanh(data[0] @ m.parameters()["0.weight"].T + m.parameters()["0.bias"])
        return 0.1 * np.abs(hidden).mean()

    before, start = activity(model), model.evaluate(*data, loss=bp.MSE())["loss"]
    options = {"optimizer": bp.SGD(0.0), "validation_data": data, "metrics": "mae", **FIT, **WAYS[way]}
    history = model.fit(*data, loss=bp.MSE(), **options)
    penalty = ["weight_penalty"] if "penalty" in way else []
    assert list(history) == ["loss", *penalty, "added_loss", "mae", "val_loss", "val_mae", "learning_rate"]
    assert history["val_loss"][0] == pytest.approx(start, rel=1e-12) or "L-BFGS" in way
    if "L-BFGS" not in way:
        assert history["added_loss"][0] == pytest.approx(before, rel=1e-12)
    extra = sum(history[name][-1] for name in ("added_loss", *penalty))
    assert history["added_loss"][-1] == pytest.approx(activity(model), rel=1e-12)
    if way != "weights":
        assert history["loss"][-1] == pytest.approx(history["val_loss"][-1] + extra, rel=1e-12)
    assert other.n_parameters == model.n_parameters


def test_a_fit_goes_on_within_an_epoch(data, tmp_path):
    class Stop(bp.Callback):
        def __init__(self, left=-1):
            self.left = left

        def on_batch_end(self, trainer, logs):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def train(*callbacks, **options):
        model = network(Sparse())
        settings = {"optimizer": bp.Adam(0.01), "epochs": 3, "batch_size": 2, "callbacks": callbacks, **FIT, **options}
        return model.fit(*data, loss=bp.MSE(), **settings), model.flat_parameters

    path = tmp_path / "fit"
    history, weights = train()
    with pytest.raises(KeyboardInterrupt):
        train(bp.Checkpoint(path, every_batches=1), Stop(7))
    again, resumed = train(bp.Checkpoint(path, every_batches=1), Stop(), resume=path)
    assert again == history
    np.testing.assert_array_equal(resumed, weights)


def test_data_sets_weigh_it_with_their_loss(data):
    model = network(Sparse())
    other = twin(model)
    sets = [bp.Data(*data, loss=bp.MSE(), weight=0.5), bp.Data(*data, loss=bp.MAE(), weight=2.0)]
    history = model.fit(sets, optimizer=bp.SGD(0.1), batch_size=7, **FIT)

    def both(outputs, target):
        error, added = outputs[0] - target, 0.1 * bp.mean(bp.abs(outputs[1]), 1, keepdims=True)
        return 0.5 * (bp.square(error) + added) + 2.0 * (bp.abs(error) + added)

    loss = bp.Trainer(other, bp.JointLoss(both), bp.SGD(0.1)).step(*data)
    assert history["loss"] == pytest.approx([loss], rel=1e-13)
    assert history["loss"][0] == pytest.approx(
        0.5 * history["loss_0"][0] + 2 * history["loss_1"][0] + history["added_loss"][0], rel=1e-13
    )
    np.testing.assert_allclose(model.flat_parameters, other.flat_parameters, rtol=0, atol=1e-14)


def test_terms_add_up_and_files_keep_them(data, tmp_path):
    model = network(Sparse(0.1), Sparse(0.3))
    alone = network(Sparse(0.4))
    assert model.value_and_grad(*data, bp.MSE())[0] == pytest.approx(
        alone.value_and_grad(*data, bp.MSE())[0], rel=1e-14
    )
    model.save(tmp_path / "model.safetensors")
    loaded = bp.load(tmp_path / "model.safetensors")
    assert loaded.value_and_grad(*data, bp.MSE())[0] == model.value_and_grad(*data, bp.MSE())[0]
    np.testing.assert_array_equal(loaded.predict(data[0]), model.predict(data[0]))
    assert model.evaluate(*data, loss=bp.MSE())["loss"] == pytest.approx(
        ((model.predict(data[0]) - data[1]) ** 2).mean(), rel=1e-13
    )


def test_a_number_counts_once(data):
    class Decay(bp.Layer):
        def forward(self, x):
            scale = self.parameter("scale", x.shape[-1:], "ones")
            self.add_loss(bp.sum(bp.square(scale)))
            return x * scale

    model = network(Decay())
    expected = ((model.predict(data[0]) - data[1]) ** 2).mean() + 4
    assert model.value_and_grad(*data, bp.MSE())[0] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_bit(rng, threads):
    x, y = rng.standard_normal((256, 3)), rng.standard_normal((256, 1))
    results = []
    for count in (1, threads):
        model = network(bp.Dense(64), Sparse())
        model.fit(x, y, loss=bp.MSE(), optimizer=bp.Adam(0.01), epochs=3, threads=count, **FIT)
        results.append(model.flat_parameters)
    np.testing.assert_array_equal(*results)


def test_what_is_no_term_is_refused():
    class Outside(bp.Layer):
        def forward(self, x):
            return x

    with pytest.raises(RuntimeError, match=r"\[Outside\] add_loss is for forward"):
        Outside().add_loss(bp.Input(3))

    class Wrong(bp.Layer):
        def forward(self, x):
            self.add_loss(3.0)
            return x

    with pytest.raises(TypeError, match=r"\[Wrong\] add_loss takes a tensor, got float"):
        network(Wrong())
    with pytest.raises(ValueError, match=r"\[add_loss\] term must be of float32, got float64"):
        bp.add_loss(bp.Input(3), bp.Input(3, dtype="float64"))
    with pytest.raises(ValueError, match=r"\[add_loss\] takes a tensor of float32 or float64"):
        bp.add_loss(bp.Input(3, dtype="int32"), bp.Input(3))
