"""Ops over axes, of shapes, lookups and sorting: what `registry.OPS` takes from here."""

import numpy as np

import backpass as bp
from op_case import OpCase

CUBE = ((2, 3, 4),)
EVERY = (0, 1, 2)


def log_sum_exp(x, axis, keepdims=False):
    most = x.max(axis=axis, keepdims=True)
    total = np.log(np.exp(x - most).sum(axis=axis, keepdims=True)) + most
    return total if keepdims else np.squeeze(total, axis)


def log_softmax(x, axis):
    return x - log_sum_exp(x, axis, True)


def over(name, axes=None, keepdims=False, torch=None, numpy=None, **options):
    """A reduction in NumPy's words; PyTorch's take `dim`."""

    def in_numpy(x):
        return (numpy or getattr(np, name))(x, axis=axes, keepdims=keepdims, **options)

    def in_torch(t, x):
        return torch(t, x, EVERY if axes is None else axes, keepdims)

    title = f"{name} over {'all' if axes is None else axes}{', kept' if keepdims else ''}"
    return OpCase(title, lambda x: getattr(bp, name)(x, axes, keepdims=keepdims, **options), in_numpy, CUBE,
                  torch=in_torch)  # fmt: skip


def amax(t, x, dim, keepdim):
    return t.amax(x, dim, keepdim)


def amin(t, x, dim, keepdim):
    return t.amin(x, dim, keepdim)


def logsumexp(t, x, dim, keepdim):
    return t.logsumexp(x, dim, keepdim)


def prod(t, x, dim, keepdim):
    for axis in sorted(np.atleast_1d(dim) % 3, reverse=True):
        x = t.prod(x, int(axis), keepdim)
    return x


def spread(correction, root=False):
    return lambda t, x, dim, keepdim: (t.std if root else t.var)(x, dim, correction=correction, keepdim=keepdim)


REDUCE_AXES = (
    *(over("max", axes, kept, amax) for axes, kept in ((None, False), (1, True), ((0, 2), False), (-1, False))),
    *(over("min", axes, kept, amin) for axes, kept in ((None, False), (0, False), ((0, 2), True))),
    *(over("prod", axes, kept, prod) for axes, kept in ((None, False), (1, False), ((0, 2), True), ((1, 2), False))),
    *(over("logsumexp", axes, kept, logsumexp, log_sum_exp) for axes, kept in (((0, 2), True), (1, False))),
    over("var", None, torch=spread(0)),
    over("var", (0, 2), True, torch=spread(1), ddof=1),
    over("std", 1, torch=spread(0, True)),
    over("std", (0, 1), torch=spread(1.5, True), ddof=1.5),
    *(
        OpCase(f"norm of order {order}", lambda x, order=order: bp.norm(x, (0, 2), ord=order),
               lambda x, order=order: np.linalg.norm(x.transpose(1, 0, 2).reshape(3, 8), order, axis=1), CUBE,
               off_kinks=order == 1,
               torch=lambda t, x, order=order: t.linalg.vector_norm(x, order, dim=(0, 2)))
        for order in (1, 2)
    ),
    OpCase("norm of order inf", lambda x: bp.norm(x, 1, ord=np.inf), lambda x: np.abs(x).max(1), CUBE,
           torch=lambda t, x: t.abs(x).amax(1)),
    OpCase("norm of order -inf", lambda x: bp.norm(x, 1, ord=-np.inf), lambda x: np.abs(x).min(1), CUBE,
           torch=lambda t, x: t.abs(x).amin(1)),
)  # fmt: skip

ALONG_AXES = (
    *(
        OpCase(f"{name} along {axis}", lambda x, name=name, axis=axis: getattr(bp, name)(x, axis),
               lambda x, name=name, axis=axis: getattr(np, name)(x, axis), CUBE,
               torch=lambda t, x, name=name, axis=axis: getattr(t, name)(x, axis))
        for name in ("cumsum", "cumprod")
        for axis in (0, 1, -1)
    ),
    OpCase("cumsum of all", bp.cumsum, np.cumsum, torch=lambda t, x: t.cumsum(x.ravel(), 0)),
    *(
        OpCase(f"{name} along {axis}", lambda x, name=name, axis=axis: getattr(bp, name)(x, axis),
               lambda x, formula=formula, axis=axis: formula(x, axis), CUBE,
               torch=lambda t, x, theirs=theirs, axis=axis: getattr(t, theirs)(x, axis))
        for name, theirs, formula in (
            ("softmax", "softmax", lambda x, axis: np.exp(log_softmax(x, axis))),
            ("log_softmax", "log_softmax", log_softmax),
            ("log_sum_exp", "logsumexp", log_sum_exp),
        )
        for axis in (0, 1, -1)
    ),
)  # fmt: skip


def moved(name, build, reference, shapes=CUBE, torch=None):
    return OpCase(name, build, reference, shapes, torch=torch)


def same(name, function, shapes=CUBE, torch=None):
    """Where tensors take what arrays take: operators, indexing, methods."""
    return OpCase(name, function, function, shapes, torch=torch)


ROWS = np.array([[1, 0, 1], [0, 0, 1]])
PLACES = np.array([[[2, 0, 1, 1]], [[0, 0, -1, 2]]])

MOVES = (
    same("T", lambda x: x.T, torch=lambda t, x: x.permute(2, 1, 0)),
    same("mT", lambda x: x.swapaxes(-1, -2)),
    same("swapaxes", lambda x: x.swapaxes(0, 2)),
    moved("moveaxis", lambda x: bp.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1),
          torch=lambda t, x: t.moveaxis(x, 0, -1)),
    same("flatten", lambda x: x.flatten()),
    same("reshape with one open dimension", lambda x: x.reshape(4, -1)),
    moved("expand_dims", lambda x: bp.expand_dims(x, 1), lambda x: x[:, None]),
    same("squeeze", lambda x: x.squeeze(), ((1, 3, 1),)),
    same("a step", lambda x: x[:, ::2]),
    moved("a step back", lambda x: x[1, 2:0:-1, None, ..., ::-3], lambda x: x[1, 2:0:-1, None, ..., ::-3],
          torch=lambda t, x: x.flip(1, 2)[1, :2, None, ..., ::3]),
    moved("flip", lambda x: bp.flip(x, (0, 2)), lambda x: np.flip(x, (0, 2)), torch=lambda t, x: x.flip(0, 2)),
    moved("roll", lambda x: bp.roll(x, -2, 2), lambda x: np.roll(x, -2, 2), torch=lambda t, x: x.roll(-2, 2)),
    moved("roll of two axes", lambda x: bp.roll(x, (1, -2), (0, 2)), lambda x: np.roll(x, (1, -2), (0, 2)),
          torch=lambda t, x: x.roll((1, -2), (0, 2))),
    moved("stack", lambda a, b: bp.stack([a, b, a], 1), lambda a, b: np.stack([a, b, a], 1), ((2, 3), (2, 3)),
          torch=lambda t, a, b: t.stack([a, b, a], 1)),
    moved("split", lambda x: bp.split(x, 2, 2)[1] * bp.split(x, [1, 3], 2)[1],
          lambda x: x[..., 2:] * x[..., 1:3]),
    moved("unstack", lambda x: bp.unstack(x, 1)[2], lambda x: x[:, 2]),
    moved("tile", lambda x: bp.tile(x, (2, 3)), lambda x: np.tile(x, (2, 3)), torch=lambda t, x: t.tile(x, (2, 3))),
    moved("repeat", lambda x: bp.repeat(x, 3, 1), lambda x: np.repeat(x, 3, 1),
          torch=lambda t, x: x.repeat_interleave(3, 1)),
    moved("repeat by counts", lambda x: bp.repeat(x, [2, 0, 1], 1), lambda x: np.repeat(x, [2, 0, 1], 1),
          torch=lambda t, x: x.repeat_interleave(t.tensor([2, 0, 1]), 1)),
    moved("pad by a constant", lambda x: bp.pad(x, ((0, 0), (1, 2), (3, 0)), constant_values=1.5),
          lambda x: np.pad(x, ((0, 0), (1, 2), (3, 0)), constant_values=1.5),
          torch=lambda t, x: t.nn.functional.pad(x, (3, 0, 1, 2), value=1.5)),
    moved("pad by zeros", lambda x: bp.pad(x, 1), lambda x: np.pad(x, 1),
          torch=lambda t, x: t.nn.functional.pad(x, (1,) * 6)),
    *(
        moved(f"pad by {mode}", lambda x, mode=mode: bp.pad(x, ((0, 0), (0, 0), (2, 3)), mode),
              lambda x, mode=mode: np.pad(x, ((0, 0), (0, 0), (2, 3)), mode),
              torch=lambda t, x, theirs=theirs: t.nn.functional.pad(x, (2, 3), theirs))
        for mode, theirs in (("edge", "replicate"), ("reflect", "reflect"), ("wrap", "circular"))
    ),
    moved("tril", lambda x: bp.tril(x, -1), lambda x: np.tril(x, -1), torch=lambda t, x: t.tril(x, -1)),
    moved("triu", lambda x: bp.triu(x, 1), lambda x: np.triu(x, 1), torch=lambda t, x: t.triu(x, 1)),
    moved("diagonal", lambda x: bp.diagonal(x, 1, 2, 0), lambda x: np.diagonal(x, 1, 2, 0),
          torch=lambda t, x: t.diagonal(x, 1, 2, 0)),
    same("trace", lambda x: x.trace(), ((3, 5),), torch=lambda t, x: x.diagonal().sum()),
    moved("diag", lambda x: bp.diag(x, -1), lambda x: np.diag(x, -1), ((3,),), torch=lambda t, x: t.diag(x, -1)),
)  # fmt: skip

LOOKUPS = (
    moved("take", lambda x: bp.take(x, ROWS, 1), lambda x: np.take(x, ROWS, 1),
          torch=lambda t, x: x[:, t.tensor(ROWS)]),
    moved("take from the end", lambda x: bp.take(x, [-1, 0, -2], 1), lambda x: np.take(x, [-1, 0, -2], 1),
          torch=lambda t, x: x[:, t.tensor([2, 0, 1])]),
    moved("take_along_axis", lambda x: bp.take_along_axis(x, PLACES, 1),
          lambda x: np.take_along_axis(x, PLACES, 1),
          torch=lambda t, x: t.take_along_dim(x, t.tensor(PLACES % 3), 1)),
    moved("take_along_axis, broadcast", lambda x: bp.take_along_axis(x, PLACES[:1, :, :1], 1),
          lambda x: np.take_along_axis(x, PLACES[:1, :, :1], 1), torch=lambda t, x: x[:, 2:3]),
    moved("gather", lambda x: bp.gather(x, 2, PLACES), lambda x: np.take_along_axis(x[:, :1], PLACES, 2),
          torch=lambda t, x: t.gather(x, 2, t.tensor(PLACES % 4))),
    same("an array of indices", lambda x: x[:, [0, 2, 2]]),
    same("two arrays of indices", lambda x: x[:, [0, 2, 2], [1, 0, 0]]),
    same("arrays apart", lambda x: x[[0, 1], :, [1, 0]]),
    same("a mask", lambda x: x[:, np.array([True, False, True])]),
    moved("sort", lambda x: bp.sort(x, 1), lambda x: np.sort(x, 1), torch=lambda t, x: x.sort(1)[0]),
    moved("sort, the greatest first", lambda x: bp.sort(x, descending=True), lambda x: -np.sort(-x),
          torch=lambda t, x: x.sort(descending=True)[0]),
    moved("topk", lambda x: bp.topk(x, 2)[0], lambda x: -np.sort(-x)[..., :2], torch=lambda t, x: x.topk(2)[0]),
    moved("topk of the least", lambda x: bp.topk(x, 2, 1, False)[0], lambda x: np.sort(x, 1)[:, :2],
          torch=lambda t, x: x.topk(2, 1, False)[0]),
)  # fmt: skip
