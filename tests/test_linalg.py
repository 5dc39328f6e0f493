"""Linear algebra of dense matrices: any size, what has no answer, and what it is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import DTYPES, ISAS, definite, generator, using_isa


def run(build, *arrays, dtype="float64"):
    inputs = [bp.input(np.shape(array), dtype, f"x{at}") for at, array in enumerate(arrays)]
    made = build(*inputs)
    return bp.Graph(inputs, [*made] if isinstance(made, tuple) else [made])(*arrays)


@given(n=st.integers(0, 40), columns=st.integers(0, 9), leading=st.lists(st.integers(0, 3), max_size=2),
       data=st.integers(0, 2**32))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_size(n, columns, leading, data):
    rng = np.random.default_rng(data)
    x, b = rng.standard_normal((*leading, n, n)), rng.standard_normal((*leading, n, columns))
    a = definite(x)
    (lower,) = run(bp.linalg.cholesky, a)
    np.testing.assert_allclose(lower @ lower.swapaxes(-1, -2), a, rtol=1e-11, atol=1e-11)
    assert not np.triu(lower, 1).any()
    (y,) = run(bp.linalg.solve, x, b)
    scale = 1 + np.abs(x).max(initial=0) * np.abs(y).max(initial=0)
    np.testing.assert_allclose(x @ y, b, rtol=0, atol=1e-11 * scale)
    (z,) = run(bp.linalg.inv, a)
    np.testing.assert_allclose(z @ a, np.broadcast_to(np.eye(n), a.shape), rtol=0, atol=1e-10)
    sign, logarithm = run(bp.linalg.slogdet, x)
    expected = np.linalg.slogdet(x)
    np.testing.assert_array_equal(sign, expected.sign)
    np.testing.assert_allclose(logarithm, expected.logabsdet, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [1, 7, 33, 150])
def test_sizes_at_every_instruction_set(isa, dtype, n):
    rng = generator(isa, dtype, n)
    a = definite(rng.standard_normal((n, n))).astype(dtype)
    b = rng.standard_normal((n, 3)).astype(dtype)
    limit = 1e-12 if dtype == "float64" else 1e-6
    exact = a.astype(np.float64)
    with using_isa(isa):
        (lower,) = run(bp.linalg.cholesky, a, dtype=dtype)
        (x,) = run(bp.linalg.solve, a, b, dtype=dtype)
        (y,) = run(lambda a, b: bp.linalg.triangular_solve(a, b, lower=False), a, b, dtype=dtype)
    np.testing.assert_allclose(lower, np.linalg.cholesky(exact), rtol=limit, atol=limit * n)
    np.testing.assert_allclose(x, np.linalg.solve(exact, b), rtol=limit * 10, atol=limit)
    np.testing.assert_allclose(y, np.linalg.solve(np.triu(exact), b), rtol=limit * 10, atol=limit)


def test_rows_change_places_where_a_pivot_is_zero():
    a = np.array([[0.0, 1, 0], [0, 0, 2], [3, 0, 0]])
    (inverse,), (determinant,) = run(bp.linalg.inv, a), run(bp.linalg.det, a)
    np.testing.assert_allclose(inverse, np.linalg.inv(a), atol=1e-15)
    assert determinant == 6
    (x,) = run(bp.linalg.solve, a, np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(x, [1, 1, 1])


def test_a_singular_matrix_has_a_determinant():
    a = np.array([[[1.0, 2], [2, 4]], [[0, 1], [1, 0]]])
    np.testing.assert_array_equal(run(bp.linalg.det, a)[0], [0, -1])
    sign, logarithm = run(bp.linalg.slogdet, a)
    np.testing.assert_array_equal(sign, [0, -1])
    np.testing.assert_array_equal(logarithm, [-np.inf, 0])
    assert np.isnan(run(bp.linalg.logdet, a[1])[0])


SINGULAR = np.stack([np.eye(2), np.eye(2), np.ones((2, 2)), np.ones((2, 2))])


@pytest.mark.parametrize(
    ("build", "arrays", "message"),
    [
        (bp.linalg.cholesky, [-np.eye(2)], r"\[cholesky\] the matrix is not positive definite"),
        (bp.linalg.cholesky, [np.stack([np.eye(2), -np.eye(2)])], r"\[cholesky\] matrix 1 is not positive definite"),
        (bp.linalg.cholesky, [np.full((2, 2), np.nan)], r"\[cholesky\] the matrix is not positive definite"),
        (bp.linalg.inv, [SINGULAR], r"\[inv\] matrix 2 is singular"),
        (bp.linalg.solve, [SINGULAR.reshape(2, 2, 2, 2), np.ones((2, 1))], r"\[solve\] matrix \(1, 0\) is singular"),
        (bp.linalg.triangular_solve, [np.zeros((2, 2)), np.ones(2)], r"\[triangular_solve\] the matrix is singular"),
    ],
)
def test_what_has_no_answer_is_an_error_that_says_which(build, arrays, message):
    inputs = [bp.input(array.shape, "float64", f"x{at}") for at, array in enumerate(arrays)]
    graph = bp.Graph(inputs, [build(*inputs)])
    for _ in range(2):  # the second run knows nothing of the first
        with pytest.raises(ValueError, match=message):
            graph(*arrays)
    healthy = [np.broadcast_to(np.eye(2), arrays[0].shape), *arrays[1:]]
    assert np.isfinite(graph(*healthy)[0]).all()


def test_an_error_leaves_parameters_as_they_are():
    x = bp.Input((2, 2), dtype="float64")
    w = bp.parameter((2, 2), "float64", "w", "ones")
    model = bp.Network(x, bp.reshape(bp.linalg.inv(x) @ w, (None, 4)), seed=0)
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
    before = model.parameters()["w"].copy()
    with pytest.raises(ValueError, match=r"\[inv\] matrix 2 is singular"):
        trainer.step(SINGULAR, np.zeros((4, 4)))
    np.testing.assert_array_equal(model.parameters()["w"], before)
    trainer.step(SINGULAR[:2], np.zeros((2, 4)))
    assert (model.parameters()["w"] != before).all()


def test_nan_in_gives_nan_out():
    a = np.array([[1.0, np.nan], [0, 1]])
    assert np.isnan(run(bp.linalg.det, a)[0])
    assert np.isnan(run(bp.linalg.inv, a)[0]).any()


@pytest.mark.parametrize(
    ("build", "shapes", "message"),
    [
        (bp.linalg.cholesky, [(2, 3)], r"cholesky.*square matrices.*\(2, 3\)"),
        (bp.linalg.inv, [(3,)], r"inv.*square matrices"),
        (bp.linalg.det, [(None, 3)], r"det.*square matrices"),
        (bp.linalg.solve, [(3, 3), (4, 2)], r"solve.*\(4, 2\) do not fit \(3, 3\)"),
        (bp.linalg.triangular_solve, [(2, 3, 3), (4, 3, 2)], r"leading dimensions do not broadcast"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(build, shapes, message):
    with pytest.raises(ValueError, match=message):
        build(*(bp.input(shape) for shape in shapes))


def test_a_gaussian_process_finds_its_length():
    """The marginal likelihood, and its derivative by a parameter of the kernel (Rasmussen and Williams 2006, 2.30)."""
    rng = generator("process")
    points = np.linspace(0, 5, 30)
    squares = (points[:, None] - points[None]) ** 2
    y = np.sin(2 * points) + 0.1 * rng.standard_normal(30)
    log_length, observed = bp.input((), "float64", "log_length"), bp.input((30,), "float64", "y")
    kernel = bp.exp(bp.constant(-0.5 * squares, dtype="float64") * bp.exp(-2 * log_length))
    lower = bp.linalg.cholesky(kernel + bp.constant(0.01 * np.eye(30), dtype="float64"))
    white = bp.linalg.triangular_solve(lower, observed)
    cost = 0.5 * bp.vdot(white, white) + bp.sum(bp.log(bp.einsum("ii->i", lower)))
    first = bp.gradients(cost, [log_length])
    graph = bp.Graph([log_length, observed], [cost, *first, *bp.gradients(first[0], [log_length])])
    at = np.array(0.5)
    for _ in range(20):  # Newton
        _, slope, bend = graph(at, y)
        at = at - np.clip(slope / abs(bend), -0.3, 0.3)
    assert abs(slope) < 1e-6
    assert 0.3 < np.exp(at) < 2
