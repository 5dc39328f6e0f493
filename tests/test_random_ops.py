"""Random numbers as operations: what is drawn, from what, and what flows through them."""

import math

import numpy as np
import pytest

import backpass as bp
from reference import random_words

DTYPES = ["float32", "float64"]


def run(*outputs, seed=0, step=0, inputs=(), arrays=()):
    return bp.Graph([*inputs], [*outputs])(*arrays, seed=seed, step=step)


def chi_square_p(counts, probabilities):
    """The probability of so great a statistic, by the series of the incomplete gamma function."""
    expected = np.asarray(probabilities) * np.sum(counts)
    x, a = float(np.sum((counts - expected) ** 2 / expected)) / 2, (len(counts) - 1) / 2
    term = total = 1 / a
    for k in range(1, 500):
        term *= x / (a + k)
        total += term
    return 1 - total * math.exp(a * math.log(x) - x - math.lgamma(a))


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_numbers_are_the_words_of_the_generator(dtype):
    words = random_words(1000, 7, 0xFFFFFFFF, 3).astype(np.float64)
    expected = (words + 0.5) / 2**32 if dtype == "float64" else (np.floor(words / 2**9) + 0.5) / 2**23
    (drawn,) = run(bp.random_uniform((1000,), dtype=dtype), seed=7, step=3)
    np.testing.assert_array_equal(drawn, expected.astype(dtype))
    (moved,) = run(bp.random_uniform((1000,), -2.0, 3.0, dtype), seed=7, step=3)
    np.testing.assert_allclose(moved, -2 + 5 * expected, rtol=1e-6, atol=1e-6)


def test_each_call_is_a_stream_of_its_own():
    a, b = bp.random_normal((100,)), bp.random_normal((100,))
    first, second, again = run(a, b, a + 0.0)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.4
    np.testing.assert_array_equal(first, again)
    for seed, step in ((1, 0), (0, 1)):
        assert not np.array_equal(run(a, b, seed=seed, step=step)[0], first)
    np.testing.assert_array_equal(run(a, b)[1], second)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_drawn_is_one_value_for_all_that_read_it(dtype):
    a = bp.random_normal((20, 50), dtype=dtype)
    (drawn,) = run(a)
    for ys in ([a, a * 2.0], [a, bp.reshape(a, (50, 20)) * 2.0], [a, a + 0.0 * bp.matmul(a, bp.ones((50, 50), dtype))]):
        first, second = run(*ys)
        np.testing.assert_array_equal(first, drawn)
        np.testing.assert_array_equal(second.ravel(), drawn.ravel() * (1 if ys[1].kind == "add" else 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments(dtype):
    n = 100_000
    cases = [
        (bp.random_uniform((n,), 1, 3, dtype), 2, 1 / math.sqrt(3)),
        (bp.random_normal((n,), 2.0, 0.5, dtype), 2, 0.5),
        (bp.random_gumbel((n,), dtype), np.euler_gamma, math.pi / math.sqrt(6)),
        (bp.random_bernoulli(0.3, (n,), dtype), 0.3, math.sqrt(0.21)),
    ]
    for y, mean, deviation in cases:
        (drawn,) = run(y)
        assert drawn.dtype == dtype
        assert np.isfinite(drawn).all()
        assert abs(drawn.mean() - mean) < 4 * deviation / math.sqrt(n)
        assert abs(drawn.std() - deviation) < 0.02 * deviation


@pytest.mark.row("A30")
@pytest.mark.parametrize("dtype", DTYPES)
def test_categorical_frequencies_are_the_softmax(dtype):
    logits = bp.constant(np.array([0.5, -1.0, 2.0, 0.0, 1.0]), dtype=dtype)
    p = np.exp([0.5, -1.0, 2.0, 0.0, 1.0])
    rows = bp.broadcast_to(logits, (100_000, 5))
    drawn, soft, hard = run(
        bp.random_categorical(rows), bp.argmax(bp.gumbel_softmax(rows, 0.5), -1), bp.gumbel_softmax(rows, hard=True)
    )
    assert drawn.dtype == np.int32
    assert set(np.unique(hard)) == {0.0, 1.0}
    for samples in (drawn, soft, hard.argmax(axis=1)):
        assert chi_square_p(np.bincount(samples, minlength=5), p / p.sum()) > 0.01


@pytest.mark.row("A30")
def test_gradient_of_gumbel_softmax_with_fixed_noise():
    x = bp.input((4, 3), "float64", "x")
    weight = bp.constant(np.random.default_rng(0).normal(size=(4, 3)), dtype="float64")
    at = np.random.default_rng(1).normal(size=(4, 3))
    for axis in (-1, 0):
        y = bp.sum(weight * bp.gumbel_softmax(x, 0.7, axis=axis))
        graph = bp.Graph([x], [y, *bp.gradients(y, [x])])
        _, grad = graph(at, seed=5)
        for i in np.ndindex(4, 3):
            step = np.zeros((4, 3))
            step[i] = 1e-5
            above, below = (float(graph(at + s, seed=5)[0]) for s in (step, -step))
            assert abs((above - below) / 2e-5 - grad[i]) < 1e-8


@pytest.mark.row("A30")
@pytest.mark.parametrize("dtype", DTYPES)
def test_at_a_low_temperature_samples_are_nearly_one_hot(dtype):
    logits = bp.constant(np.random.default_rng(0).normal(size=(10_000, 4)), dtype=dtype)
    (y,) = run(bp.gumbel_softmax(logits, 0.01))
    assert np.isfinite(y).all()
    assert (y.max(axis=-1) > 0.99).mean() > 0.96
    (one,) = run(bp.gumbel_softmax(bp.constant(np.tile([3.0, 0.0, -3.0, -9.0], (10_000, 1)), dtype=dtype), 0.01))
    assert (one.max(axis=-1) > 0.99).mean() >= 0.99


def test_hard_samples_have_the_soft_gradient():
    x = bp.input((5, 3), "float64", "x")
    hard = bp.gumbel_softmax(x, 0.5, hard=True, axis=0)
    soft = bp.gumbel_softmax(x, 0.5, axis=0)
    w = bp.constant(np.arange(15.0).reshape(5, 3), dtype="float64")
    at = np.random.default_rng(0).normal(size=(5, 3))
    of_hard, of_soft = (bp.Graph([x], [y, *bp.gradients(bp.sum(w * y), [x])]) for y in (hard, soft))
    (chosen, g), (weighed, h) = of_hard(at), of_soft(at)
    np.testing.assert_array_equal(chosen.sum(axis=0), 1)
    np.testing.assert_array_equal(chosen.argmax(axis=0), weighed.argmax(axis=0))
    np.testing.assert_array_equal(g, h)


def test_gradients_flow_to_parameters():
    mean, deviation = bp.input((3,), "float64", "mean"), bp.input((), "float64", "deviation")
    y = bp.random_normal((4, 3), mean, deviation)
    grads = bp.gradients(bp.sum(y), [mean, deviation])
    noise, by_mean, by_deviation = bp.Graph([mean, deviation], [y, *grads])(np.zeros(3), 1.0)
    np.testing.assert_array_equal(by_mean, 4)
    np.testing.assert_allclose(by_deviation, noise.sum(), rtol=1e-12)


def test_a_gradient_through_a_sample_names_the_ways_around():
    x = bp.input((3,), "float64", "x")
    for y in (bp.random_bernoulli(bp.sigmoid(x)), bp.one_hot(bp.random_categorical(x), 3, "float64")):
        with pytest.raises(ValueError, match=r'"x" reaches the result only through \w+, a choice.*gumbel_softmax'):
            bp.gradients(bp.sum(y), [x])


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_permutations(n, dtype):
    first, second = run(bp.random_permutation(n, dtype), bp.random_permutation(n, dtype))
    assert first.dtype == np.int32
    np.testing.assert_array_equal(np.sort(first), np.arange(n))
    assert n < 1000 or not np.array_equal(first, second)


def test_extreme_chances():
    p = bp.constant(np.array([0.0, 1.0, -1.0, 2.0, np.nan]))
    (drawn,) = run(bp.random_bernoulli(bp.broadcast_to(p, (1000, 5))))
    np.testing.assert_array_equal(drawn, np.tile([0, 1, 0, 1, 0], (1000, 1)))
    logits = bp.constant(np.array([-np.inf, 0.0, -np.inf]))
    assert (run(bp.random_categorical(bp.broadcast_to(logits, (1000, 3))))[0] == 1).all()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (2, 5, 7)])
@pytest.mark.parametrize("make", [bp.random_uniform, bp.random_normal, bp.random_gumbel], ids=range(3))
def test_shapes(make, shape):
    assert run(make(shape))[0].shape == shape


def test_batches_have_the_shape_of_the_batch():
    x = bp.Input(3)
    y = x + bp.random_normal((None, 3))
    (drawn,) = bp.Graph([x], [y])(np.zeros((100, 3)))
    assert len(np.unique(drawn)) == 300


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bp.random_uniform((3,), dtype="int32"), "float"),
        (lambda: bp.random_normal((3, -2)), "negative"),
        (lambda: bp.random_permutation(-1), "n must not be negative"),
        (lambda: bp.gumbel_softmax(bp.input((3,)), 0.0), "temperature must be positive"),
        (lambda: bp.random_categorical(bp.input((3,), "int32")), "float32 or float64"),
        (lambda: bp.random_normal((3,), bp.input((2, 3))), "shape"),
    ],
    ids=range(6),
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
