"""Products and linear algebra under vmap, and their gradients: as a loop over the elements."""

import numpy as np
import pytest

import backpass as bp
from registry import definite, generator

FUNCTIONS = {
    "matmul, a transposed": lambda a, v: bp.sum(bp.tanh(bp.matmul(a, a, transpose_a=True) @ v)),
    "matmul with what is shared": lambda a, v: bp.sum(bp.tanh(a @ bp.constant(np.eye(3) + 1, dtype="float64") @ v)),
    "einsum": lambda a, v: bp.sum(bp.tanh(bp.einsum("ij,kj,k->i", a, a, v))),
    "outer": lambda a, v: bp.sum(bp.square(bp.outer(v, v) * a)),
    "solve": lambda a, v: bp.sum(bp.square(bp.linalg.solve(a, v))),
    "cholesky": lambda a, v: bp.sum(bp.log(bp.square(bp.linalg.cholesky(a)) + 1.0)) + bp.sum(v),
    "inv": lambda a, v: bp.sum(bp.square(bp.linalg.inv(a) @ v)),
    "det": lambda a, v: bp.linalg.det(a) * bp.sum(v),
    "slogdet": lambda a, v: bp.linalg.slogdet(a).logabsdet * bp.sum(v),
    "triangular_solve": lambda a, v: bp.sum(bp.square(bp.linalg.triangular_solve(a, v, lower=False, transpose_a=True))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_map_is_a_loop(name):
    rng = generator(name)
    a, v = definite(rng.standard_normal((5, 3, 3))), rng.standard_normal((5, 3))
    f = FUNCTIONS[name]
    for each in (bp.compile(f), bp.grad(f), bp.grad(f, argnums=1)):
        mapped = np.asarray(bp.vmap(each)(a, v))
        loop = np.stack([np.asarray(each(a[i], v[i])) for i in range(5)])
        np.testing.assert_allclose(mapped, loop, rtol=1e-12, atol=1e-12)


def test_gradients_of_single_examples_are_many_products():
    rng = generator("examples")
    w, x, y = rng.standard_normal((4, 6)), rng.standard_normal((7, 6)), rng.standard_normal((7, 4))
    grads = bp.vmap(bp.grad(lambda w, x, y: bp.sum(bp.square(w @ x - y))), in_axes=(None, 0, 0))(w, x, y)
    expected = 2 * np.einsum("bo,bi->boi", x @ w.T - y, x)
    np.testing.assert_allclose(grads, expected, rtol=1e-12, atol=1e-12)
