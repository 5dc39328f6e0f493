"""Averages of the weights: what they hold, against PyTorch's, and in fit."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator


def small(dtype="float64", units=5):
    return bp.Sequential(bp.Dense(units, activation="tanh"), bp.Dense(2), input_shape=4, seed=2, dtype=dtype)


def rows(count=24):
    rng = generator("averages")
    return rng.standard_normal((count, 4)), rng.standard_normal((count, 2))


class Record(bp.Callback):
    """The weights after every update and every epoch."""

    def __init__(self):
        self.steps, self.epochs = [], []

    def on_batch_end(self, trainer, logs):
        self.steps.append(trainer.model.flat_parameters.copy())

    def on_epoch_end(self, trainer, logs):
        self.epochs.append(trainer.model.flat_parameters.copy())


def fit(model, *callbacks, **options):
    settings = {"loss": bp.MSE(), "optimizer": bp.SGD(0.1), "epochs": 5, "batch_size": 10, "progress": False, "seed": 1}
    return model.fit(*rows(), callbacks=list(callbacks), **{**settings, **options})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [0, 4])
def test_ema_in_fit_is_the_recursion_over_every_update(dtype, start):
    model, record, average = small(dtype), Record(), bp.EMA(decay=0.8, start=start)
    fit(model, record, average)
    expected = record.steps[start].astype(np.float64)
    for weights in record.steps[start + 1 :]:
        expected = 0.8 * expected + 0.2 * weights
    assert average.updates == 15 - start
    limit = 1e-13 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(model.flat_parameters, expected, rtol=limit, atol=limit)


def test_swa_in_fit_is_the_mean_over_epochs():
    model, record, average = small(), Record(), bp.SWA(start_epoch=2)
    fit(model, record, average)
    assert average.updates == 3
    np.testing.assert_allclose(model.flat_parameters, np.mean(record.epochs[2:], axis=0), rtol=1e-13)


@pytest.mark.row("C3")
@pytest.mark.parametrize("kind", ["EMA", "SWA"])
def test_averages_are_those_of_torch(kind):
    torch = pytest.importorskip("torch")
    from torch.optim import swa_utils

    rng, model = generator(kind), small()
    twin = torch.nn.Linear(model.n_parameters, 1, bias=False, dtype=torch.float64)
    how = {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)} if kind == "EMA" else {}
    theirs = swa_utils.AveragedModel(twin, **how)
    ours = bp.EMA(0.9) if kind == "EMA" else bp.SWA()
    for _ in range(60):
        weights = rng.standard_normal(model.n_parameters)
        model.flat_parameters[:] = weights
        twin.load_state_dict({"weight": torch.tensor(weights[None])})
        ours.update(model)
        theirs.update_parameters(twin)
    ours.apply(model)
    np.testing.assert_allclose(model.flat_parameters, theirs.module.weight.detach().numpy()[0], rtol=1e-12, atol=1e-14)


def test_without_apply_the_model_keeps_its_weights_until_asked():
    plain, watched, average = small(), small(), bp.EMA(0.5, apply=False)
    fit(plain)
    fit(watched, average)
    np.testing.assert_array_equal(watched.flat_parameters, plain.flat_parameters)
    average.swap(watched)
    assert not np.array_equal(watched.flat_parameters, plain.flat_parameters)
    average.swap(watched)
    np.testing.assert_array_equal(watched.flat_parameters, plain.flat_parameters)


def test_the_same_bits_for_any_number_of_threads():
    """Large enough for the sweep to be shared."""
    rng = generator("wide")
    x, y = rng.standard_normal((64, 256)).astype(np.float32), rng.standard_normal((64, 8)).astype(np.float32)

    def averaged(threads):
        model = bp.Sequential(bp.Dense(512, activation="relu"), bp.Dense(8), input_shape=256, seed=0)
        model.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.01), epochs=4, callbacks=[bp.EMA(0.7)], threads=threads,
                  progress=False, seed=0)  # fmt: skip
        return model.flat_parameters.copy()

    np.testing.assert_array_equal(averaged(1), averaged(2))


@pytest.mark.parametrize("make", [lambda: bp.EMA(0.7, start=1), bp.SWA], ids=["EMA", "SWA"])
def test_an_average_goes_on_from_its_state_and_over_fits(make):
    whole, parts = small(), small()
    once, first, second = make(), make(), make()
    fit(whole, once, epochs=4, optimizer=bp.SGD(0.1), seed=None)
    optimizer = bp.SGD(0.1)
    first._apply_at_end = False
    fit(parts, first, epochs=2, optimizer=optimizer, seed=None)
    second.load_state(first.state())
    fit(parts, second, epochs=2, optimizer=optimizer, seed=None)
    np.testing.assert_array_equal(parts.flat_parameters, whole.flat_parameters)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: bp.EMA(1.0), r"\[EMA\] decay must be at least 0 and below 1, got 1"),
        (lambda: bp.SWA(-1), r"\[SWA\] start_epoch must not be negative"),
        (lambda: bp.EMA().apply(small()), r"\[EMA\] has averaged nothing yet"),
        (lambda: [average := bp.SWA(), average.update(small()), average.update(small(units=6))], "another network"),
    ],
    ids=range(4),
)
def test_what_makes_no_sense_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()


class Slow(bp.EMA):
    """Has a constructor of its own."""

    def __init__(self, half_life):
        super().__init__(decay=0.5 ** (1 / half_life))
        self.half_life = half_life


def test_averages_with_constructors_of_their_own_are_copied_like_others():
    model, average = small(), Slow(7)
    fit(model, average)
    for again in (copy.deepcopy(average), pickle.loads(pickle.dumps(average))):
        assert (repr(again), again.half_life, again.updates) == (repr(average), 7, average.updates)
        other = small()
        again.apply(other)
        np.testing.assert_array_equal(other.flat_parameters, model.flat_parameters)
