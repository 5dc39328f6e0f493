"""Operations made of eigenvalues and of QR, as cases for the tests."""

import numpy as np

import backpass as bp
from op_case import OpCase


def swapped(x):
    return np.swapaxes(x, -1, -2)


def symmetric(x):
    """With eigenvalues that are apart."""
    return (x + swapped(x)) / 2 + 4 * np.diag(np.arange(x.shape[-1]))


def symmetric_tensor(x):
    apart = bp.constant(4.0 * np.diag(np.arange(x.shape[-1])), dtype=x.dtype)
    return (x + bp.swapaxes(x, -1, -2)) * 0.5 + apart


def symmetric_of_torch(t, x):
    return (x + x.mT) / 2 + 4 * t.diag(t.arange(x.shape[-1], dtype=x.dtype))


def of_values(w, v):
    """exp(a / 8), whatever the signs of the vectors are."""
    return (v * np.exp(w / 8)[..., None, :]) @ swapped(v)


def of_values_tensor(w, v):
    return bp.matmul(v * bp.expand_dims(bp.exp(w * 0.125), -2), v, transpose_b=True)


def upright(x):
    """Of full rank, and well so."""
    return x + 3 * np.eye(*x.shape[-2:])


def upright_tensor(x):
    return x + bp.constant(3 * np.eye(*x.shape[-2:]), dtype=x.dtype)


def upright_of_torch(t, x):
    return x + 3 * t.eye(*x.shape[-2:], dtype=x.dtype)


def eigen(name, build, reference, torch, shape=(4, 4)):
    return OpCase(
        f"eigh, {name}",
        lambda x: build(*bp.linalg.eigh(symmetric_tensor(x))),
        lambda x: reference(*np.linalg.eigh(symmetric(x))),
        (shape,),
        torch=lambda t, x: torch(t, *t.linalg.eigh(symmetric_of_torch(t, x))),
    )


def of_qr(part, shape):
    return OpCase(
        f"qr, {'QR'[part]} of {shape}",
        lambda x: bp.exp(bp.linalg.qr(upright_tensor(x))[part]),  # the squares of Q have a sum that is fixed
        lambda x: np.exp(np.linalg.qr(upright(x))[part]),
        (shape,),
        low=-0.5,
        high=0.5,
        torch=lambda t, x: t.exp(t.linalg.qr(upright_of_torch(t, x))[part]),
    )


def of_upright(name, build, reference, torch, *shapes):
    return OpCase(
        f"{name} of {shapes[0]}",
        lambda x, *rest: build(upright_tensor(x), *rest),
        lambda x, *rest: reference(upright(x), *rest),
        shapes,
        low=-1.0,
        high=1.0,
        torch=lambda t, x, *rest: torch(t, upright_of_torch(t, x), *rest),
    )


def power(n):
    return of_upright(
        f"matrix_power {n}",
        lambda a: bp.linalg.matrix_power(a, n),
        lambda a: np.linalg.matrix_power(a, n),
        lambda t, a: t.linalg.matrix_power(a, n),
        (2, 3, 3),
    )


def pseudo(shape):
    return of_upright("pinv", bp.linalg.pinv, np.linalg.pinv, lambda t, a: t.linalg.pinv(a), shape)


def least(shape, *sides):
    return of_upright(
        "lstsq",
        bp.linalg.lstsq,
        lambda a, b: np.linalg.pinv(a) @ b,
        lambda t, a, b: t.linalg.pinv(a) @ b,
        shape,
        *sides,
    )


DECOMPOSITIONS = (
    eigen("values", lambda w, v: w, lambda w, v: w, lambda t, w, v: w),
    eigen("values of many", lambda w, v: w, lambda w, v: w, lambda t, w, v: w, (2, 3, 3)),
    eigen("of numbers", lambda w, v: w, lambda w, v: w, lambda t, w, v: w, (2, 1, 1)),
    eigen("squares of vectors", lambda w, v: v * v, lambda w, v: v * v, lambda t, w, v: v * v, (3, 3)),
    eigen("a function of a matrix", of_values_tensor, of_values,
          lambda t, w, v: (v * t.exp(w / 8)[..., None, :]) @ v.mT),
    *(of_qr(part, shape) for part in (0, 1) for shape in ((3, 3), (5, 3), (2, 4, 2), (2, 4))),
    power(3), power(-2), power(1),
    pseudo((5, 3)), pseudo((3, 5)), pseudo((2, 3, 3)),
    OpCase("pinv of low rank", lambda x, y: bp.linalg.pinv(upright_tensor(x) @ upright_tensor(y)),
           lambda x, y: np.linalg.pinv(upright(x) @ upright(y), rcond=1e-12), ((5, 2), (2, 3)), low=-1.0, high=1.0,
           torch=lambda t, x, y: t.linalg.pinv(upright_of_torch(t, x) @ upright_of_torch(t, y), rtol=1e-12)),
    least((5, 3), (5,)), least((3, 4), (3, 2)), least((2, 4, 3), (2, 4, 2)),
)  # fmt: skip
