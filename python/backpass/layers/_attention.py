"""Layers of attention: for sequences (batch, time, features)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpass import _functions
from backpass.layers._fixed import Fixed

if TYPE_CHECKING:
    from backpass import _core

__all__ = ["MultiheadAttention", "PositionalEncoding"]


class _Attending(Fixed):
    """Layers that are called on sequences, and on what of them counts."""

    _may_hold = True

    def __call__(
        self, *inputs: _core.Tensor, lengths: _core.Tensor | None = None, keep: _core.Tensor | None = None
    ) -> _core.Tensor:
        """The layer's output, as `Layer` gives it.

        Args:
            inputs: sequences (batch, time, features).
            lengths: int32 (batch): of the keys, so many count.
            keep: keys count where it is not 0: (batch, keys), (batch, queries, keys), or (batch, heads, queries, keys),
                where heads is num_heads or 1.
        """
        if keep is not None and len(keep.shape) == 3:
            keep = _functions.expand_dims(keep, 1)  # of all heads; of three axes the core takes it for a sequence
        return super().__call__(*inputs, *(x for x in (lengths, keep) if x is not None))


class MultiheadAttention(_Attending):
    """Attention by several heads (Vaswani et al. 2017, section 3.2.2): each looks by its part of the features.

    It is called on a sequence (batch, time, features) that looks at itself, on queries and what they look at, or on
    queries, keys and values; with `lengths=` and `keep=`, see `bp.attention`. The output has as many features as the
    queries. A query that may look at no key gives zeros, and no gradient.

    Parameters have the names and shapes of PyTorch's: `in_proj_weight` (3 features, features) and `in_proj_bias`, or
    `q_proj_weight`, `k_proj_weight` and `v_proj_weight` where the features of keys or values are others;
    `out_proj.weight` and `out_proj.bias`.

    Args:
        num_heads: how many heads look, each by its part of the features.
        causal: whether nothing looks ahead.
        dropout: how likely each attention weight is dropped.
        bias: whether there are biases.
        rotary: whether queries and keys are turned by their times: see `bp.rotary`.

    Raises:
        ValueError: if a setting is out of range; in a call, if `num_heads` does not divide the features of the queries.

    Example:
        >>> import backpass as bp
        >>> x, lengths = bp.Input((5, 8)), bp.Input((), dtype="int32")
        >>> y = bp.MultiheadAttention(2)(x, lengths=lengths)
        >>> y.shape
        (None, 5, 8)
    """

    num_heads: int
    causal: bool
    dropout: float
    bias: bool
    rotary: bool

    def __init__(
        self, num_heads: int, causal: bool = False, dropout: float = 0.0, bias: bool = True, rotary: bool = False
    ) -> None:
        self._keep(num_heads=num_heads, causal=causal, dropout=dropout, bias=bias, rotary=rotary)


class PositionalEncoding(Fixed):
    """A sequence (batch, time, features) plus a row for each time, so that attention knows the order.

    Args:
        learned: whether the rows are a parameter, `weight` (time, features); otherwise they are sines and cosines of
            time * 10000^(-2 i / features), side by side (Vaswani et al. 2017, section 3.5).
        dropout: how likely each element of the sum is dropped.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.PositionalEncoding(), input_shape=(2, 2), dtype="float64")
        >>> model.predict([[[0.0, 0.0], [0.0, 0.0]]]).round(3).tolist()
        [[[0.0, 1.0], [0.841, 0.54]]]
    """

    learned: bool
    dropout: float

    def __init__(self, learned: bool = False, dropout: float = 0.0) -> None:
        self._keep(learned=learned, dropout=dropout)

    @property
    def _may_hold(self) -> bool:  # type: ignore[override]
        return self.learned
