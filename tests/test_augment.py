"""Augmentation: on copies, by the seed and the step alone, checked like any other data."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

FIT = {"loss": bp.CrossEntropy(), "progress": False}


def rows(n=50):
    rng = generator("augment")
    return rng.standard_normal((n, 6)).astype(np.float32), rng.integers(0, 3, n)


def network():
    return bp.Sequential(bp.Dense(8), bp.ReLU(), bp.Dense(3), input_shape=6, seed=1)


@pytest.mark.row("R3")
def test_a_function_that_changes_nothing_changes_no_bit():
    x, y = rows()
    weight = generator("weights").random(len(x))
    settings = {"epochs": 2, "batch_size": 16, "metrics": "accuracy", "sample_weight": weight, **FIT}
    ours, theirs = network(), network()
    history = ours.fit(x, y, optimizer=bp.Adam(), augment=lambda a, b, rng: (a, b), **settings)
    assert history == theirs.fit(x, y, optimizer=bp.Adam(), **settings)
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


@pytest.mark.row("R3")
def test_functions_get_copies_and_act_in_order():
    x, y = rows(8)
    before = x.copy(), y.copy()
    seen = []

    def first(a, b, rng):
        assert isinstance(rng, np.random.Generator)
        assert (a.dtype, b.dtype) == (np.float32, np.int32)
        a[:] = 1
        b[:] = 2
        return a, b

    def second(a, b, rng):
        seen.append((a.copy(), b.copy()))
        return a + 1, b

    class Loss(bp.Callback):
        def on_batch_end(self, trainer, logs):
            assert logs["loss"] == expected

    model = network()
    expected = model.evaluate(np.full((8, 6), 2.0), np.full(8, 2), loss=bp.CrossEntropy())["loss"]
    model.fit(x, y, optimizer=bp.SGD(0.1), augment=[first, second], callbacks=Loss(), **FIT)
    np.testing.assert_array_equal(seen[0][0], np.ones((8, 6)))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.row("R3")
def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads():
    x, y = rows()
    every = [bp.augment.noise(0.3), bp.augment.flip((2, 3)), bp.augment.crop((2, 3), 1), bp.augment.mixup(0.4, 3)]
    fits = []
    for threads, seed in ((1, 3), (2, 3), (1, 4)):
        model = network()
        model.fit(x, y, optimizer=bp.Adam(), epochs=2, augment=every, seed=seed, threads=threads, **FIT)
        fits.append(model.flat_parameters.copy())
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


@pytest.mark.row("R3")
def test_each_batch_draws_anew():
    draws = []

    def note(a, b, rng):
        draws.append(rng.random())
        return a, b

    x, y = rows()
    network().fit(x, y, optimizer=bp.SGD(0.1), epochs=2, batch_size=16, augment=note, **FIT)
    assert len(set(draws)) == 8


@pytest.mark.row("R3")
def test_what_the_built_in_ones_do():
    x, y = rows(200)
    rng = np.random.default_rng(0)
    mixed, targets = bp.augment.mixup(0.5, 3)(x, y, rng)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    one_hot = np.eye(3)[y]
    share = (targets * one_hot).sum(axis=1)
    assert (mixed.min(), mixed.max()) >= (x.min(), -np.inf)
    assert (share < 0.99).any()
    images = np.arange(12.0).reshape(1, 12).repeat(100, axis=0)
    flipped, _ = bp.augment.flip((2, 3, 2), axis=1)(images, y, rng)
    assert {tuple(row) for row in flipped} == {tuple(images[0]), tuple(images[0].reshape(2, 3, 2)[:, ::-1].ravel())}
    cropped, _ = bp.augment.crop((3, 4), 1)(images + 1, y, rng)
    padded = np.pad((images[0] + 1).reshape(3, 4), 1)
    windows = {tuple(padded[i : i + 3, j : j + 4].ravel()) for i in range(3) for j in range(3)}
    assert {tuple(row) for row in cropped} == windows


@pytest.mark.row("R3")
def test_validation_sees_plain_rows():
    x, y = rows()
    model = network()
    history = model.fit(x, y, optimizer=bp.SGD(0.0), augment=bp.augment.noise(100), validation_data=(x, y), **FIT)
    assert history["val_loss"][0] == model.evaluate(x, y)["loss"]
    assert history["loss"][0] > 2 * history["val_loss"][0]


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda a, b, rng: 1 / 0, ZeroDivisionError, "division"),
        (lambda a, b, rng: a, TypeError, r"\[augment\] must return \(x, y\)"),
        (lambda a, b, rng: (a[:, :3], b), ValueError, "3"),
        (lambda a, b, rng: (a[:4], b[:4]), ValueError, r"\[augment\] must keep the 32 rows"),
        (lambda a, b, rng: (a, b + 3), ValueError, "labels"),
        (lambda a, b, rng: ("a", b), TypeError, "array of real numbers"),
        (lambda a, b, rng: (a * np.nan, b), bp.DivergedError, "Dense 0"),
        (bp.augment.mixup(0.2), ValueError, r"\[mixup\] classes"),
        (bp.augment.flip((2, 2)), ValueError, r"\[flip\] shape"),
        ([3], TypeError, r"\[fit\] augment must be a function"),
    ],
)
def test_what_goes_wrong_ends_the_fit_and_passes_on(function, error, words):
    x, y = rows()
    model = network()
    before = model.flat_parameters.copy()
    with pytest.raises(error, match=words):
        model.fit(x, y, optimizer=bp.Adam(), augment=function, **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bp.augment.noise(-1),
        lambda: bp.augment.mixup(0),
        lambda: bp.augment.flip((2, 2), axis=2),
        lambda: bp.augment.crop((4,), 1),
        lambda: bp.augment.crop((4, 4), -1),
    ],
    ids=["noise", "mixup", "flip", "crop", "padding"],
)
def test_settings_are_checked(call):
    with pytest.raises(ValueError, match=r"^\[\w+\] "):
        call()
