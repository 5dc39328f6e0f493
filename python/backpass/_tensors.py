"""Inputs of graphs, in the words that describe a model."""

from __future__ import annotations

from backpass import _checks, _core


def Input(shape: int | tuple[int, ...], *, dtype: str = "float32", name: str = "x") -> _core.Tensor:
    """An input of a `Network`: rows of some shape, as many as a call brings.

    Args:
        shape: of one row.
        dtype: "float32", "float64" or "int32".
        name: how it is called in messages and files.

    Returns:
        A tensor of shape (None, *shape), None being the batch. `input` makes one without a batch.

    Example:
        >>> import backpass as bp
        >>> bp.Input(3).shape
        (None, 3)
        >>> a = bp.input((2,), dtype="float64", name="a")
        >>> slope, = bp.gradients(bp.sum(a * a), [a])
        >>> bp.Graph([a], [slope])([1.0, 2.0])
        [array([2., 4.])]
    """
    return _core.input((None, *_checks.shape("Input", "shape", shape)), dtype, name)
