"""Layers that take rows of a table, and that bring branches together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpass.layers._fixed import Fixed

if TYPE_CHECKING:
    from backpass.layers._dense import Initializer

__all__ = [
    "Add",
    "Concat",
    "Embedding",
    "Flatten",
    "Multiply",
]


class Embedding(Fixed):
    """A lookup table: each integer (a category, a word, a user) selects a row of numbers.

    The parameter is `weight` (num_embeddings, embedding_dim), which starts normal with deviation 1. The input is int32,
    (batch, ...); the output (batch, ..., embedding_dim). In a `Sequential` it comes first; on tensors it takes an
    `Input(..., dtype="int32")`.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: numbers per row.
        padding_idx: an index whose row is zeros and is not trained; None for none.
        sparse: whether the gradient is kept by rows, so that the cost of a training step depends on the batch and not
            on the size of the table. For `SGD` without momentum and for `Adam`, whose moments of a row do not change
            while it does not occur; without weight decay, clipping or accumulation. The table's part of `gradients()`
            is not written.
        weight_init: how the table starts: the name of an initializer as `Dense` takes it, or a function
            (shape, generator) -> array.

    Raises:
        ValueError: if a setting is out of range; in a call, if an index is outside the table.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Embedding(1000, 4), bp.Flatten(), bp.Dense(1), input_shape=3, seed=0)
        >>> model.forward([[3, 14, 159]]).shape
        (1, 1)
    """

    _may_hold = True

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    sparse: bool
    weight_init: str | Initializer

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        sparse: bool = False,
        weight_init: str | Initializer = "normal",
    ) -> None:
        self._keep(
            num_embeddings=num_embeddings,
            embedding_dim=embedding_dim,
            padding_idx=padding_idx,
            sparse=sparse,
            weight_init=weight_init,
        )
        if self.padding_idx is not None and not 0 <= self.padding_idx < self.num_embeddings:
            raise ValueError(f"[Embedding] padding_idx must be in [0, {self.num_embeddings}), got {padding_idx}")


class Flatten(Fixed):
    """(batch, a, b, ...) as (batch, a b ...).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.Flatten(), input_shape=(2, 3)).predict([[[1, 2, 3], [4, 5, 6]]]).shape
        (1, 6)
    """


class Concat(Fixed):
    """Concatenates several tensors along an axis other than the batch; it is called on them.

    Args:
        axis: along which; counted from the end where negative.

    Example:
        >>> import backpass as bp
        >>> x = bp.Input(3)
        >>> bp.Concat()(x, bp.Dense(2)(x)).shape
        (None, 5)
    """

    axis: int

    def __init__(self, axis: int = -1) -> None:
        self._keep(axis=axis)


class Add(Fixed):
    """The sum of several tensors, element by element; it is called on them.

    Example:
        >>> import backpass as bp
        >>> x = bp.Input(3)
        >>> bp.Network(x, bp.Add()(x, x)).predict([[1.0, 2.0, 3.0]]).tolist()
        [[2.0, 4.0, 6.0]]
    """


class Multiply(Fixed):
    """The product of several tensors, element by element, such as a gate; it is called on them.

    Example:
        >>> import backpass as bp
        >>> x = bp.Input(3)
        >>> bp.Network(x, bp.Multiply()(x, x)).predict([[1.0, 2.0, 3.0]]).tolist()
        [[1.0, 4.0, 9.0]]
    """
