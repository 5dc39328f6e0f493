"""Penalties on weights: in the loss, its gradient, and the history."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, TOLERANCE

FIT = {"progress": False, "batch_size": 8, "shuffle": False}


def rows(n=24):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 3))
    return x, x @ [[1.0], [0.0], [-2.0]]


def network(dtype="float64"):
    return bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(1), input_shape=3, seed=1, dtype=dtype)


def bounded(w):
    return 0.3 * bp.sum(bp.log(bp.square(w) + 1))


# Each with its value and its gradient, by NumPy.
PENALTIES = {
    "L1": (bp.L1(0.1), lambda w: 0.1 * np.abs(w).sum(), lambda w: 0.1 * np.sign(w)),
    "L2": (bp.L2(0.2), lambda w: 0.2 * (w**2).sum(), lambda w: 0.4 * w),
    "function": (bounded, lambda w: 0.3 * np.log1p(w**2).sum(), lambda w: 0.6 * w / (w**2 + 1)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", PENALTIES)
def test_a_step_adds_it_to_the_loss_and_its_gradient(kind, dtype):
    x, y = rows()
    penalty, value, slope = PENALTIES[kind]
    plain, model = network(dtype), network(dtype)
    w = model.flat_parameters.astype(np.float64)
    loss = bp.Trainer(plain, bp.MSE(), bp.SGD(0.1)).step(x, y)
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1), weight_penalty=penalty)
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    assert trainer.step(x, y) == pytest.approx(loss + value(w), rel=TOLERANCE[dtype])
    np.testing.assert_allclose(model.flat_gradients, plain.flat_gradients + slope(w), **close)
    np.testing.assert_allclose(model.flat_parameters, w - 0.1 * model.flat_gradients, **close)


def test_l2_is_twice_the_weight_decay_of_sgd():
    ours, theirs = network(), network()
    ours.fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=3, weight_penalty=bp.L2(0.05, "*.weight"), **FIT)
    decayed = bp.SGD(0.1, weight_decay=0.1, decay="matrices")
    theirs.fit(*rows(), loss=bp.MSE(), optimizer=decayed, epochs=3, **FIT)
    np.testing.assert_allclose(ours.flat_parameters, theirs.flat_parameters, rtol=1e-12)


def test_l1_draws_useless_weights_to_zero():
    model = bp.Sequential(bp.Dense(1), input_shape=3, seed=0, dtype="float64")
    model.fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.02), epochs=300, weight_penalty=bp.L1(0.05, "*.weight"), **FIT)
    useful, useless, other = model.parameters()["0.weight"][0]
    assert abs(useless) < 0.01 < 0.9 < useful < 1 < 1.9 < -other < 2


@pytest.mark.parametrize("penalty", [[bp.L1(0.1, "0.*"), bp.L2(0.2, "*.bias"), bp.Penalty(bounded, "1.weight")]])
def test_patterns_add_up_and_the_history_tells(penalty):
    model = network()
    p = {name: value.copy() for name, value in model.parameters().items()}
    expected = (
        0.1 * (np.abs(p["0.weight"]).sum() + np.abs(p["0.bias"]).sum())
        + 0.2 * sum((p[name] ** 2).sum() for name in ("0.bias", "1.bias"))
        + 0.3 * np.log1p(p["1.weight"] ** 2).sum()
    )
    still = {"loss": bp.MSE(), "optimizer": bp.SGD(0.0), "validation_data": rows(), "metrics": ["mse", "mae"], **FIT}
    history = model.fit(*rows(), weight_penalty=penalty, **still)
    assert list(history) == ["loss", "weight_penalty", "mse", "mae", "val_loss", "val_mse", "val_mae", "learning_rate"]
    assert history["weight_penalty"] == [pytest.approx(expected, rel=1e-12)]
    data = model.evaluate(*rows())["loss"]
    assert history["loss"] == [pytest.approx(data + expected, rel=1e-12)]
    assert history["val_loss"] == [pytest.approx(data, rel=1e-12)]


def test_several_outputs_keep_losses_of_their_own():
    x = bp.Input(3, dtype="float64")
    model = bp.Network(x, [bp.Dense(1)(x), bp.Dense(1)(x)], seed=0)
    data, y = rows()
    history = model.fit(data, [y, -y], loss=bp.MSE(), loss_weights=[1.0, 0.5], optimizer=bp.SGD(0.0),
                        weight_penalty=bp.L2(1.0), **FIT)  # fmt: skip
    assert list(history) == ["loss", "loss_0", "loss_1", "weight_penalty", "learning_rate"]
    total = history["loss_0"][0] + 0.5 * history["loss_1"][0] + history["weight_penalty"][0]
    assert history["loss"] == [pytest.approx(total, rel=1e-12)]
    assert history["weight_penalty"] == [pytest.approx((model.flat_parameters**2).sum(), rel=1e-12)]


@pytest.mark.parametrize("options", [{"accumulate": 3}, {"recompute": True}, {"threads": 2}], ids=str)
def test_other_ways_of_the_same_step(options):
    ours, theirs = network(), network()
    sizes = {**FIT, "batch_size": 24 // options.get("accumulate", 1)}
    penalty, loss = [bp.L2(0.1), bp.L1(0.01)], bp.MSE()
    one = ours.fit(
        *rows(), loss=bp.MSE(), optimizer=bp.Adam(0.01), epochs=4, weight_penalty=penalty, **sizes, **options
    )
    other = theirs.fit(*rows(), loss=loss, optimizer=bp.Adam(0.01), epochs=4, weight_penalty=penalty,
                       **{**FIT, "batch_size": 24})  # fmt: skip
    np.testing.assert_allclose(ours.flat_parameters, theirs.flat_parameters, rtol=1e-9)
    np.testing.assert_allclose(one["weight_penalty"], other["weight_penalty"], rtol=1e-9)


def test_frozen_parameters_are_counted_and_stand_still():
    model = network()
    model.freeze("0.*")
    before = model.parameters()["0.weight"].copy()
    history = model.fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.1), weight_penalty=bp.L2(0.1, "0.weight"), **FIT)
    np.testing.assert_array_equal(model.parameters()["0.weight"], before)
    assert history["weight_penalty"] == [pytest.approx(0.1 * (before**2).sum(), rel=1e-12)]


def test_it_goes_on_from_a_checkpoint_within_an_epoch(tmp_path):
    class Stop(bp.Callback):
        def __init__(self, batch):
            self.batch = batch

        def on_batch_end(self, trainer, logs):
            if logs["batch"] == self.batch:
                raise KeyboardInterrupt

    path = tmp_path / "fit"
    settings = {"loss": bp.MSE(), "weight_penalty": bp.L2(0.1), "epochs": 3, **FIT}
    whole = network().fit(*rows(), optimizer=bp.Adam(0.1), **settings)
    saver = bp.Checkpoint(path, every_batches=1)
    with pytest.raises(KeyboardInterrupt):
        network().fit(*rows(), optimizer=bp.Adam(0.1), callbacks=[saver, Stop(1)], **settings)
    again = network().fit(*rows(), optimizer=bp.Adam(0.1), resume=path, callbacks=[saver, Stop(9)], **settings)
    assert again == whole


def test_partial_fit_and_trainers_keep_it():
    ours, theirs = network(), network()
    ours.partial_fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.1), shuffle=False)
    assert "weight_penalty" not in ours.partial_fit(*rows(), shuffle=False)
    theirs.fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.1), weight_penalty=bp.L2(0.1), **FIT)
    assert "weight_penalty" in theirs.partial_fit(*rows())
    trainer = bp.Trainer(network(), bp.MSE(), bp.SGD(0.1), weight_penalty=bp.L1(0.1, "*.weight"))
    assert repr(trainer).endswith(", weight_penalty=[L1(0.1, '*.weight')])")
    assert trainer.fit(*rows(), progress=False)["weight_penalty"][0] > 0


def test_the_loss_of_a_value_and_gradient_by_hand_is_of_the_data():
    model = network()
    model.fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.0), weight_penalty=bp.L2(10.0), **FIT)
    assert model.value_and_grad(*rows(), bp.MSE())[0] == pytest.approx(model.evaluate(*rows())["loss"], rel=1e-12)


@pytest.mark.parametrize(
    ("penalty", "error", "words"),
    [
        (bp.L2(0.1, "7.*"), ValueError, r'^\[weight_penalty\] patterns must match parameters, got "7.\*"'),
        (lambda w: w, ValueError, r'^\[weight_penalty\] must give one number of type float64 for "0.weight"'),
        (lambda w: 0.5, TypeError, r"^\[weight_penalty\] .* must give a tensor, got float"),
        (0.1, TypeError, r"^\[Trainer\] weight_penalty must be penalties such as L2"),
        (bp.L2, TypeError, r"^\[Trainer\] weight_penalty must be penalties such as L2"),
    ],
)
def test_what_is_no_penalty_is_refused(penalty, error, words):
    model = network()
    before = model.flat_parameters.copy()
    with pytest.raises(error, match=words):
        model.fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.1), weight_penalty=penalty, **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("weights", [None, np.linspace(0.0, 2.0, 24)])
def test_rows_may_divide_it(weights):
    model, twin = network(), network()
    w = model.flat_parameters.copy()
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1), weight_penalty=bp.L2(0.6, per_row=True))
    total = 24 if weights is None else weights.sum()
    plain = bp.Trainer(twin, bp.MSE(), bp.SGD(0.1), weight_penalty=bp.L2(0.6 / total))
    assert trainer.step(*rows(), weights) == pytest.approx(plain.step(*rows(), weights), rel=1e-14)
    np.testing.assert_allclose(model.flat_parameters, twin.flat_parameters, rtol=1e-14)
    model.flat_parameters[:] = w
    history = model.fit(*rows(24), loss=bp.MSE(), optimizer=bp.SGD(0.0), weight_penalty=bp.L2(0.6, per_row=True),
                        **{**FIT, "batch_size": 16})  # fmt: skip
    assert history["weight_penalty"] == [pytest.approx(0.6 * (w**2).sum() * (16 / 16 + 8 / 8) / 24, rel=1e-12)]
    assert repr(bp.L2(0.6, per_row=True)) == "L2(0.6, '*', per_row=True)"


def test_rows_that_weigh_nothing_are_penalized_by_nothing():
    model = network()
    w = model.flat_parameters.copy()
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1), weight_penalty=bp.L2(0.6, per_row=True))
    assert trainer.step(*rows(), np.zeros(24)) == 0
    np.testing.assert_array_equal(model.flat_parameters, w)


def test_lbfgs_minimises_loss_and_penalty_together():
    model = bp.Sequential(bp.Dense(1), input_shape=3, seed=0, dtype="float64")
    x, y = rows()
    history = model.fit(x, y, loss=bp.MSE(), optimizer=bp.LBFGS(), epochs=30, weight_penalty=bp.L2(0.1), **FIT)
    full = np.hstack([x, np.ones((len(x), 1))])
    ridge = np.linalg.solve(full.T @ full / len(x) + 0.1 * np.eye(4), full.T @ y / len(x)).ravel()
    np.testing.assert_allclose(model.flat_parameters, ridge, rtol=0, atol=1e-7)
    assert history["weight_penalty"][-1] == pytest.approx(0.1 * (ridge**2).sum(), rel=1e-6)
    assert history["loss"][-1] == pytest.approx(
        ((full @ ridge - y[:, 0]) ** 2).mean() + 0.1 * (ridge**2).sum(), rel=1e-9
    )


def test_settings_out_of_range_and_tables_that_have_no_place_for_it():
    with pytest.raises(ValueError, match=r"^\[L1\] factor must be finite and not negative, got -1"):
        bp.L1(-1)
    with pytest.raises(TypeError, match=r"^\[L2\] pattern must be a string"):
        bp.L2(1.0, 0)
    with pytest.raises(TypeError, match=r"^\[Penalty\] term must be a function"):
        bp.Penalty(0.1)
    table = bp.Sequential(bp.Embedding(5, 2, sparse=True), bp.Flatten(), bp.Dense(1), input_shape=2, seed=0)
    with pytest.raises(ValueError, match=r'^\[weight_penalty\] "0.weight" is sparse'):
        table.fit([[0, 1]], [1.0], loss=bp.MSE(), optimizer=bp.SGD(0.1), weight_penalty=bp.L2(0.1), progress=False)
