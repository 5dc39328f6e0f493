"""The same seed gives the same bits: for any number of threads, and for fit as for a loop of steps."""

from contextlib import contextmanager

import numpy as np
import pytest

import backpass as bp
from backpass import _core
from registry import DTYPES, ISAS, OPTIMIZERS, by_name, generator, using_isa

THREADS = (1, 2, 3, 8)
FEATURES, ROWS = 120, 256


@contextmanager
def sharing_everything():
    """Every call is shared by all threads, however small."""
    _core.set_sharing_cut(False)
    try:
        yield
    finally:
        _core.set_sharing_cut(True)


def wide_model(dtype, rate=0.2, seed=5):
    """Wide enough that every product of a step is cut into three tasks or more."""
    return bp.Sequential(
        bp.Dense(160, activation="gelu"), bp.Dropout(rate), bp.Dense(140), bp.ReLU(), bp.Dense(100),
        input_shape=(FEATURES,), seed=seed, dtype=dtype,
    )  # fmt: skip


def data(rows=ROWS):
    rng = generator("determinism", rows)
    return rng.standard_normal((rows, FEATURES)), rng.integers(0, 100, rows)


def trained(dtype, threads, optimizer=None):
    """Losses of three steps, and everything that is left of them."""
    x, y = data()
    model = wide_model(dtype)
    trainer = bp.Trainer(model, bp.CrossEntropy(), optimizer or bp.Adam(1e-3), threads=threads)
    losses = [trainer.step(x, y) for _ in range(3)]
    return (
        np.array(losses),
        model.flat_parameters.copy(),
        model.flat_gradients.copy(),
        model.predict(x, threads=threads),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_steps_have_the_same_bits_for_any_number_of_threads(isa, dtype):
    with using_isa(isa), sharing_everything():
        plan = bp.Trainer(wide_model(dtype), bp.CrossEntropy(), bp.Adam(1e-3)).plan(ROWS)
        products = [call for call in plan.calls if call.name == "matmul"]
        assert len(products) == 3 + 5
        assert all(call.tasks >= 3 and call.shared for call in products), str(plan)
        first = trained(dtype, 1)
        for threads in THREADS[1:]:
            for ours, expected in zip(trained(dtype, threads), first, strict=True):
                np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("case", **by_name(OPTIMIZERS))
def test_every_optimizer_has_the_same_bits_for_any_number_of_threads(case):
    with sharing_everything():
        first = trained("float32", 1, case.make())
        for threads in (2, 3):
            for ours, expected in zip(trained("float32", threads, case.make()), first, strict=True):
                np.testing.assert_array_equal(ours, expected)


def test_the_sharing_cut_changes_no_bits():
    first = trained("float32", 3)
    with sharing_everything():
        for ours, expected in zip(trained("float32", 3), first, strict=True):
            np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", THREADS)
def test_fit_has_the_same_bits_for_any_number_of_threads(threads, dtype):
    """Shuffled, with dropout and a partial last batch."""

    def fitted(count):
        x, y = data(200)
        model = wide_model(dtype)
        history = model.fit(
            x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.01, momentum=0.9), epochs=2, batch_size=48, seed=9,
            threads=count, validation_data=(x[:50], y[:50]), progress=False,
        )  # fmt: skip
        return model.flat_parameters.copy(), history["loss"], history["val_loss"]

    with sharing_everything():
        for ours, expected in zip(fitted(threads), fitted(1), strict=True):
            np.testing.assert_array_equal(ours, expected)


@pytest.mark.row("A25")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", **by_name(OPTIMIZERS))
def test_fit_is_a_loop_of_steps_bit_for_bit(case, isa, dtype):
    """With dropout and a partial last batch; in order, because shuffling is fit's own."""

    def small():
        return bp.Sequential(
            bp.Dense(9), bp.Tanh(), bp.Dropout(0.3), bp.Dense(3), input_shape=(4,), seed=8, dtype=dtype
        )

    rng = generator(case.name)
    x, y = rng.standard_normal((22, 4)), rng.standard_normal((22, 3))
    with using_isa(isa):
        by_fit, by_steps = small(), small()
        by_fit.fit(x, y, loss=bp.MSE(), optimizer=case.make(), epochs=3, batch_size=8, shuffle=False, progress=False)
        trainer = bp.Trainer(by_steps, bp.MSE(), case.make())
        for _ in range(3):
            for begin in (0, 8, 16):
                trainer.step(x[begin : begin + 8], y[begin : begin + 8])
    np.testing.assert_array_equal(by_fit.flat_parameters, by_steps.flat_parameters)


def test_seeds_decide_everything_and_leave_numpy_alone():
    x, y = data(64)

    def fitted(seed):
        model = wide_model("float32", seed=seed)
        model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), batch_size=16, seed=seed, progress=False)
        return model.flat_parameters.copy()

    before = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(fitted(1), fitted(1))
    assert not np.array_equal(fitted(1), fitted(2))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
