"""Arguments that the caller gives away: results are written over them where nothing reads them later."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, OPTIMIZERS, by_name, generator

CASES = by_name([case for case in OPTIMIZERS if case.make().__class__ is not bp.LBFGS])


def model(dtype):
    return bp.Sequential(bp.Dense(33), bp.Tanh(), bp.Dense(2), input_shape=(700,), seed=3, dtype=dtype)


def step_of(optimizer, dtype, **options):
    """A step, and its first arguments."""
    f, parameters = model(dtype).functional()
    loss = bp.MSE()

    def step(parameters, state, x, y):
        value, gradients = bp.value_and_grad(lambda p: loss(f(p, x), y))(parameters)
        return *optimizer.apply(parameters, gradients, state), value

    return bp.compile(step, **options), parameters, optimizer.init(parameters)


def copied(tree):
    return bp.tree.map(np.array, tree)


def assert_same(got, wanted):
    for a, b in zip(bp.tree.leaves(got), bp.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **CASES)
def test_the_bits_are_those_of_new_arrays(case, dtype, threads):
    rng = generator("donation")
    x, y = rng.standard_normal((12, 700)).astype(dtype), rng.standard_normal((12, 2)).astype(dtype)
    plain, p, s = step_of(case.make(), dtype)
    given, q, t = step_of(case.make(), dtype, donate_argnums=(0, 1))
    before = bp.get_threads()
    bp.set_threads(threads)
    try:
        for _ in range(4):
            arrays, slots = dict(q), bp.tree.leaves(t["slots"])
            p, s, value = plain(p, s, x, y)
            q, t, same = given(q, t, x, y)
            assert value == same
            assert_same((p, s), (q, t))
            if case.kind != "Muon":
                assert all(q[name] is arrays[name] for name in q)
                assert all(a is b for a, b in zip(bp.tree.leaves(t["slots"]), slots, strict=True))
    finally:
        bp.set_threads(before)


SGD = bp.SGD(0.5)
READ_LATER = {  # w - 0.5 w, and something of the old w
    "by another operation": lambda w, s: (SGD.apply(w, w * 1.0, s)[0], w * 3.0),
    "through a view": lambda w, s: (SGD.apply(w, w * 1.0, s)[0], w.T @ w),
    "as a result": lambda w, s: (SGD.apply(w, w * 1.0, s)[0], w),
    "as a view of it": lambda w, s: (SGD.apply(w, w * 1.0, s)[0], w.reshape(-1)),
}


@pytest.mark.parametrize("f", READ_LATER.values(), ids=READ_LATER)
def test_what_is_read_later_is_not_written_over(f):
    w = generator("later").standard_normal((40, 40))
    state, kept = SGD.init(w), w.copy()
    expected = bp.compile(f)(w, state)
    first, second = bp.compile(f, donate_argnums=0)(w, state)
    assert_same((first, second), expected)
    assert first is not w
    np.testing.assert_array_equal(w, kept)


def test_the_last_of_two_steps_takes_the_place():
    def f(w, s):
        return SGD.apply(w, w * 1.0, s)[0], SGD.apply(w, w * 2.0, s)[0]

    w = np.full((40, 40), 8.0)
    first, second = bp.compile(f, donate_argnums=0)(w, SGD.init(w))
    assert second is w
    np.testing.assert_array_equal(first, 4.0)
    np.testing.assert_array_equal(second, 0.0)


def test_one_step_after_the_other():
    """Both results come from the first weight: the second is written over it, in memory that the first has left."""

    def f(w, s):
        once, s = SGD.apply(w, w * 1.0, s)
        return SGD.apply(once, once * 1.0, s)[0]

    w = np.full((40, 40), 8.0)
    np.testing.assert_array_equal(bp.compile(f, donate_argnums=0)(w, SGD.init(w)), 2.0)


def read_only(w):
    w = w.copy()
    w.flags.writeable = False
    return w


KEPT = {
    "read-only": read_only,
    "not dense": lambda w: np.repeat(w, 2, axis=1)[:, ::2],
    "in Fortran's order": np.asfortranarray,
}


@pytest.mark.parametrize("made", KEPT.values(), ids=KEPT)
def test_arrays_that_cannot_hold_a_result_stay_what_they_are(made):
    w = np.arange(6.0).reshape(2, 3)
    given, gradient = made(w), np.ones((2, 3))
    f = bp.compile(lambda w, g: SGD.apply(w, g, SGD.init(w))[0], donate_argnums=0)
    moved = f(given, gradient)
    np.testing.assert_array_equal(moved, w - 0.5)
    assert moved is not given
    np.testing.assert_array_equal(given, w)


def test_arrays_of_another_type_than_the_call_computes_in_stay():
    w, gradient = np.arange(3.0), np.ones(3, np.float32)
    moved = bp.compile(lambda w, g: SGD.apply(w, g, SGD.init(w))[0], donate_argnums=0)(w, gradient)
    assert moved.dtype == "float32"
    np.testing.assert_array_equal(w, np.arange(3.0))


def test_memory_that_another_argument_reads_is_kept():
    def f(p, other, s):
        return SGD.apply(p, other * 1.0, s)[0], other + 0.0

    step, both = bp.compile(f, donate_argnums=0), np.arange(8.0)
    moved, seen = step(both[:6], both[2:], SGD.init(both[:6]))
    np.testing.assert_array_equal(moved, np.arange(6.0) - 0.5 * np.arange(2.0, 8.0))
    np.testing.assert_array_equal(seen, np.arange(2.0, 8.0))
    np.testing.assert_array_equal(both, np.arange(8.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"donate_argnums": -1}, r"\[compile\] donate_argnums"),
        ({"donate_argnums": 1, "static_argnums": 1}, "donate_argnums names argument 1, which is static"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        bp.compile(lambda x, n: x, **options)
