"""Eigenvalues, QR, pseudo-inverses and powers of matrices: any size, equal values, any rank, and what has no answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import DTYPES, generator


def run(build, *arrays, dtype="float64"):
    inputs = [bp.input(np.shape(array), dtype, f"x{at}") for at, array in enumerate(arrays)]
    made = build(*inputs)
    return bp.Graph(inputs, [*made] if isinstance(made, tuple) else [made])(*arrays)


def swapped(x):
    return np.swapaxes(x, -1, -2)


def is_identity(x):
    np.testing.assert_allclose(x, np.broadcast_to(np.eye(x.shape[-1]), x.shape), rtol=0, atol=1e-12)


@given(n=st.integers(0, 40), leading=st.lists(st.integers(0, 3), max_size=2), data=st.integers(0, 2**32),
       scale=st.sampled_from([1.0, 1e-150, 1e150]))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_eigenvalues_of_any_size(n, leading, data, scale):
    x = np.random.default_rng(data).standard_normal((*leading, n, n)) * scale
    w, v = run(bp.linalg.eigh, x)
    a = np.tril(x) + swapped(np.tril(x, -1))
    is_identity(swapped(v) @ v)
    np.testing.assert_allclose(w, np.linalg.eigvalsh(a), rtol=0, atol=1e-13 * scale * (n + 1))
    np.testing.assert_allclose(a @ v / scale, v * (w / scale)[..., None, :], rtol=0, atol=1e-13 * (n + 1))
    assert (np.diff(w) >= 0).all()
    if v.size:
        assert (np.take_along_axis(v, np.abs(v).argmax(-2, keepdims=True), -2) > 0).all()


@given(m=st.integers(0, 30), n=st.integers(0, 30), leading=st.lists(st.integers(0, 3), max_size=2),
       data=st.integers(0, 2**32), scale=st.sampled_from([1.0, 1e-200, 1e200]))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_qr_of_any_shape(m, n, leading, data, scale):
    x = np.random.default_rng(data).standard_normal((*leading, m, n)) * scale
    q, r = run(bp.linalg.qr, x)
    k = min(m, n)
    assert q.shape == (*leading, m, k)
    assert r.shape == (*leading, k, n)
    is_identity(swapped(q) @ q)
    np.testing.assert_allclose(q @ r / scale, x / scale, rtol=0, atol=1e-13 * (n + 1))
    assert not np.tril(r, -1).any()
    if q.size:
        expected = np.linalg.qr(x)
        np.testing.assert_allclose(q, expected.Q, rtol=0, atol=1e-8)  # its signs, too
        np.testing.assert_allclose(r / scale, expected.R / scale, rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", [(3, 3), (7, 2), (2, 7), (2, 4, 3), (1, 1), (0, 3), (3, 0), (200, 3)])
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_pinv_and_lstsq_of_any_rank(shape, rank):
    rng = generator(shape, rank)
    *leading, m, n = shape
    a = rng.standard_normal((*leading, m, rank)) @ rng.standard_normal((*leading, rank, n))
    b = rng.standard_normal((*leading, m, 2))
    (p,) = run(bp.linalg.pinv, a)
    expected = np.linalg.pinv(a, rcond=1e-12) if a.size else np.zeros((*leading, n, m))
    np.testing.assert_allclose(p, expected, rtol=0, atol=1e-9 * (1 + np.abs(expected).max(initial=0)))
    (x,) = run(bp.linalg.lstsq, a, b)
    np.testing.assert_allclose(x, expected @ b, rtol=0, atol=1e-8 * (1 + np.abs(expected).max(initial=0)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 33, 150])
def test_both_types(dtype, n):
    rng = generator(dtype, n)
    x = rng.standard_normal((n, n)).astype(dtype)
    limit = (1e-13 if dtype == "float64" else 1e-6) * n
    w, v = run(bp.linalg.eigh, x, dtype=dtype)
    a = np.tril(x) + np.tril(x, -1).T
    np.testing.assert_allclose(w, np.linalg.eigvalsh(a.astype(np.float64)), rtol=0, atol=limit)
    np.testing.assert_allclose(v * w @ v.T, a, rtol=0, atol=limit)
    q, r = run(bp.linalg.qr, x, dtype=dtype)
    np.testing.assert_allclose(q @ r, x, rtol=0, atol=limit)
    (p,) = run(bp.linalg.pinv, x + 10 * n * np.eye(n, dtype=dtype), dtype=dtype)
    np.testing.assert_allclose(p @ (x + 10 * n * np.eye(n, dtype=dtype)), np.eye(n), rtol=0, atol=limit)


def test_only_the_lower_triangle_is_read():
    a = np.array([[1.0, np.nan], [2.0, 3.0]])
    (w,) = run(bp.linalg.eigvalsh, a)
    np.testing.assert_allclose(w, np.linalg.eigvalsh([[1.0, 2.0], [2.0, 3.0]]), rtol=1e-14)


def test_gradients_where_eigenvalues_are_equal():
    """Through values they are right: the sum of squares of eigenvalues is |A|²."""
    value = bp.grad(lambda a: bp.sum(bp.square(bp.linalg.eigvalsh(a))))(np.eye(3))
    np.testing.assert_allclose(value, 2 * np.eye(3), atol=1e-14)

    weights = np.arange(9.0).reshape(3, 3)

    def squared(a):
        w, v = bp.linalg.eigh(a)
        return bp.sum(bp.constant(weights, dtype="float64") * ((v * w) @ v.T))

    np.testing.assert_allclose(bp.grad(squared)(np.eye(3)), np.diag(np.diag(weights)), atol=1e-12)


def test_powers():
    a = generator("power").standard_normal((2, 4, 4)) + 3 * np.eye(4)
    for n in (0, 1, 2, 5, 8, -1, -3):
        (power,) = run(lambda x, n=n: bp.linalg.matrix_power(x, n), a)
        np.testing.assert_allclose(power, np.linalg.matrix_power(a, n), rtol=1e-10, atol=1e-10)


MAPPED = {
    "eigh": lambda a: bp.sum(bp.sin(bp.linalg.eigvalsh(a))),
    "qr": lambda a: bp.sum(bp.sin(bp.linalg.qr(a).R)),
    "pinv": lambda a: bp.sum(bp.sin(bp.linalg.pinv(a))),
}


@pytest.mark.parametrize("kind", MAPPED)
def test_a_map_is_a_loop(kind):
    f, a = MAPPED[kind], generator(kind).standard_normal((4, 3, 3)) + 2 * np.eye(3)
    for each in (bp.compile(f), bp.grad(f)):
        mapped = np.asarray(bp.vmap(each)(a))
        loop = np.stack([np.asarray(each(one)) for one in a])
        np.testing.assert_allclose(mapped, loop, rtol=1e-12, atol=1e-12)
    hessian = bp.hessian(f)(a[0])
    np.testing.assert_allclose(hessian, np.swapaxes(hessian.reshape(9, 9), 0, 1).reshape(3, 3, 3, 3), atol=1e-10)


REFUSED = [
    (bp.linalg.eigh, (2, 3), r"\[eigh\] takes square matrices \(..., n, n\), got \(2, 3\)"),
    (bp.linalg.qr, (3,), r"\[qr\] takes matrices \(..., m, n\)"),
    (bp.linalg.pinv, (3,), r"\[pinv\] takes matrices"),
    (lambda a: bp.linalg.pinv(a, -1.0), (3, 3), r"rtol must not be negative"),
    (lambda a: bp.linalg.matrix_power(a, 2), (2, 3), r"\[matrix_power\] takes square matrices"),
    (lambda a: bp.linalg.lstsq(a, bp.constant(np.ones(4), dtype="float64")), (3, 3), "inner dimensions differ"),
]


@pytest.mark.parametrize(("call", "shape", "message"), REFUSED)
def test_shapes_that_do_not_fit(call, shape, message):
    with pytest.raises(ValueError, match=message):
        call(bp.input(shape, "float64"))
    with pytest.raises(ValueError, match="takes"):
        bp.linalg.eigh(bp.input((2, 2), "int32"))


def test_what_is_not_finite_has_no_eigenvalues():
    many = np.stack([np.eye(2), np.full((2, 2), np.inf)])
    with pytest.raises(ValueError, match=r"\[eigh\] matrix 1 is not finite"):
        run(bp.linalg.eigh, many)
    with pytest.raises(ValueError, match=r"\[triangular_solve\] the matrix is singular"):
        bp.grad(lambda a: bp.sum(bp.linalg.qr(a).Q))(np.zeros((3, 2)))


def test_files_keep_decompositions(tmp_path):
    x = bp.Input((2, 2), dtype="float64")
    w, v = bp.linalg.eigh(x)
    q, _ = bp.linalg.qr(x)
    model = bp.Network(x, bp.Dense(1)(bp.flatten(v @ q) + bp.concat([w, w], axis=1)), seed=0)
    model.save(tmp_path / "model.safetensors")
    rows = generator("files").standard_normal((5, 2, 2))
    np.testing.assert_array_equal(bp.load(tmp_path / "model.safetensors").predict(rows), model.predict(rows))
