"""Recurrent layers over whole series."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from backpass import _core, _functions
from backpass.layers._fixed import Fixed

__all__ = ["GRU", "LSTM", "RNN"]

Initializer: TypeAlias = "str | Callable[[tuple[int, ...], np.random.Generator], Any]"


class _Recurrent(Fixed):
    """What layers over whole series share."""

    _may_hold = True
    _kinds = 1  # of states: h, or h and c

    hidden_size: int
    num_layers: int
    bidirectional: bool
    dropout: float
    bias: bool
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    weight_init: Initializer | None
    recurrent_init: Initializer | None
    bias_init: Initializer | None

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        return_sequences: bool = True,
        return_state: bool = False,
        go_backwards: bool = False,
        weight_init: Initializer | None = None,
        recurrent_init: Initializer | None = None,
        bias_init: Initializer | None = None,
    ) -> None:
        self._keep(
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            bias=bias,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            weight_init=weight_init,
            recurrent_init=recurrent_init,
            bias_init=bias_init,
            **self._own_settings(),
        )

    def _own_settings(self) -> dict[str, Any]:
        return {}

    def __call__(self, *inputs: Any, lengths: Any = None) -> Any:
        if lengths is not None:
            inputs = (*inputs, _integers(self._kind(), lengths))
        return self._parts(super().__call__(*inputs))

    def _parts(self, output: _core.Tensor) -> Any:
        """The output, and the final states where they are asked for."""
        if not self.return_state:
            return output
        directions = 2 if self.bidirectional else 1
        count, width = self.num_layers * directions, directions * self.hidden_size
        size = output.shape[1] or 0
        ends = [size - k * count * self.hidden_size for k in range(self._kinds, -1, -1)]
        y = output[:, : ends[0]]
        if self.return_sequences:
            y = _functions.reshape(y, (y.shape[0], -1, width))
        states = [output[:, begin:end] for begin, end in pairwise(ends)]
        return (y, *(_functions.reshape(h, (h.shape[0], count, self.hidden_size)) for h in states))


class RNN(_Recurrent):
    """Recurrence h' = f(W x + b + R h + b') over series (batch, time, features).

    Parameters are named and shaped as PyTorch's, by layer and direction: `weight_ih_l0` (hidden, features),
    `weight_hh_l0` (hidden, hidden), `bias_ih_l0`, `bias_hh_l0`, `weight_ih_l0_reverse`, ... Call it with x, with the
    first states (batch, layers * directions, hidden) too, and with `lengths=`, integers (batch): beyond its length a
    row gives zeros and keeps its states, as packed sequences do. See docs/recurrence.md.

    Args:
        hidden_size: how many states a layer has.
        num_layers: how many layers stand one above the other.
        bidirectional: whether a second one in each layer begins at the end; features side by side.
        dropout: how likely an element between two layers is dropped.
        bias: whether there are biases.
        return_sequences: whether there is an output for each step, (batch, time, hidden); else the last states (batch,
            hidden), each direction's own.
        return_state: whether the final states are given too, of all layers and directions: (output, h).
        go_backwards: whether the first direction begins at the end. Outputs stand where their inputs do.
        weight_init: how the weights of inputs start; None: uniform within 1 / sqrt(hidden), as PyTorch's.
        recurrent_init: how the weights of states start, likewise.
        bias_init: how the biases start, likewise.
        nonlinearity: what is applied in each step, "tanh" or "relu".

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.RNN(8), bp.RNN(4, return_sequences=False), input_shape=(20, 3), seed=0)
        >>> model.output_shape
        (4,)
    """

    nonlinearity: str

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        return_sequences: bool = True,
        return_state: bool = False,
        go_backwards: bool = False,
        weight_init: Initializer | None = None,
        recurrent_init: Initializer | None = None,
        bias_init: Initializer | None = None,
        nonlinearity: str = "tanh",
    ) -> None:
        self.__dict__["nonlinearity"] = nonlinearity
        super().__init__(
            hidden_size,
            num_layers,
            bidirectional,
            dropout,
            bias,
            return_sequences,
            return_state,
            go_backwards,
            weight_init,
            recurrent_init,
            bias_init,
        )

    def _own_settings(self) -> dict[str, Any]:
        return {"nonlinearity": self.nonlinearity}


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000) over series (batch, time, features).

    i, f, o = sigmoid(W x + b + R h + b'), g = tanh(the same); c' = f c + i g, h' = o tanh(c'). Rows of the weights are
    those of the gates in this order, `weight_ih_l0` (4 hidden, features). Otherwise it is as `RNN`; states are h and c.

    Args:
        hidden_size: how many states a layer has.
        num_layers: how many layers stand one above the other.
        bidirectional: whether a second one in each layer begins at the end; features side by side.
        dropout: how likely an element between two layers is dropped.
        bias: whether there are biases.
        return_sequences: whether there is an output for each step; else the last states (batch, hidden).
        return_state: whether the final states are given too: (output, h, c).
        go_backwards: whether the first direction begins at the end.
        weight_init: how the weights of inputs start; None: uniform within 1 / sqrt(hidden), as PyTorch's.
        recurrent_init: how the weights of states start, likewise.
        bias_init: how the biases start, likewise.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> x = bp.Input((20, 3))
        >>> y, h, c = bp.LSTM(8, num_layers=2, bidirectional=True, return_state=True)(x)
        >>> y.shape, h.shape, c.shape
        ((None, 20, 16), (None, 4, 8), (None, 4, 8))
    """

    _kinds = 2


class GRU(_Recurrent):
    """Gated recurrent units (Cho et al. 2014) over series (batch, time, features).

    r, z = sigmoid(W x + b + R h + b'), n = tanh(W x + b + r (R h + b')), h' = (1 - z) n + z h. Rows of the weights are
    those of the gates r z n, `weight_ih_l0` (3 hidden, features). Otherwise it is as `RNN`.

    Args:
        hidden_size: how many states a layer has.
        num_layers: how many layers stand one above the other.
        bidirectional: whether a second one in each layer begins at the end; features side by side.
        dropout: how likely an element between two layers is dropped.
        bias: whether there are biases.
        return_sequences: whether there is an output for each step; else the last states (batch, hidden).
        return_state: whether the final states are given too: (output, h).
        go_backwards: whether the first direction begins at the end.
        weight_init: how the weights of inputs start; None: uniform within 1 / sqrt(hidden), as PyTorch's.
        recurrent_init: how the weights of states start, likewise.
        bias_init: how the biases start, likewise.
        reset_after: whether the reset gate is applied behind the product with the states, as in PyTorch and Keras. Else
            n = tanh(W x + b + R (r h) + b'), as in the article and ONNX.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.GRU(8, return_sequences=False), bp.Dense(2), input_shape=(20, 3), seed=0)
        >>> list(model.parameters())[:2]
        ['0.weight_ih_l0', '0.weight_hh_l0']
    """

    reset_after: bool

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        return_sequences: bool = True,
        return_state: bool = False,
        go_backwards: bool = False,
        weight_init: Initializer | None = None,
        recurrent_init: Initializer | None = None,
        bias_init: Initializer | None = None,
        reset_after: bool = True,
    ) -> None:
        self.__dict__["reset_after"] = reset_after
        super().__init__(
            hidden_size,
            num_layers,
            bidirectional,
            dropout,
            bias,
            return_sequences,
            return_state,
            go_backwards,
            weight_init,
            recurrent_init,
            bias_init,
        )

    def _own_settings(self) -> dict[str, Any]:
        return {"reset_after": self.reset_after}


def _integers(where: str, lengths: Any) -> _core.Tensor:
    """Lengths as a tensor of integers: as it is, or an array as one that has a value."""
    if isinstance(lengths, _core.Tensor):
        return lengths
    array = np.asarray(lengths)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError(f"[{where}] lengths must be integers, one for each row, got {array.dtype} {array.shape}")
    return _core.tensor(array.astype(np.int32), "int32", False)
