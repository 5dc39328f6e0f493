"""Cells of recurrent layers: one step."""

from __future__ import annotations

from typing import Any

from backpass.layers._fixed import Fixed
from backpass.layers._recurrent import Initializer

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Fixed):
    """What cells share."""

    _may_hold = True
    hidden_size: int
    bias: bool
    weight_init: Initializer | None
    recurrent_init: Initializer | None
    bias_init: Initializer | None


class RNNCell(_Cell):
    """One step of `RNN`: from x (batch, features) and states (batch, hidden), or zeros, the new states.

    Parameters are `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.

    Args:
        hidden_size: how many states a layer has.
        bias: whether there are biases.
        weight_init: how the weights of inputs start, as of `RNN`.
        recurrent_init: how the weights of states start.
        bias_init: how the biases start.
        nonlinearity: what is applied in each step, "tanh" or "relu".

    Example:
        >>> import backpass as bp
        >>> cell = bp.RNNCell(4)
        >>> h = cell(bp.tensor([[1.0, 2.0]]))
        >>> cell(bp.tensor([[3.0, 4.0]]), h).shape
        (1, 4)
    """

    nonlinearity: str

    def __init__(
        self,
        hidden_size: int,
        bias: bool = True,
        weight_init: Initializer | None = None,
        recurrent_init: Initializer | None = None,
        bias_init: Initializer | None = None,
        nonlinearity: str = "tanh",
    ) -> None:
        self._keep(
            hidden_size=hidden_size,
            bias=bias,
            weight_init=weight_init,
            recurrent_init=recurrent_init,
            bias_init=bias_init,
            nonlinearity=nonlinearity,
        )


class LSTMCell(_Cell):
    """One step of `LSTM`: from x (batch, features) and states h and c (batch, hidden), or zeros, the new (h, c).

    Args:
        hidden_size: how many states a layer has.
        bias: whether there are biases.
        weight_init: how the weights of inputs start, as of `RNN`.
        recurrent_init: how the weights of states start.
        bias_init: how the biases start.

    Example:
        >>> import backpass as bp
        >>> cell = bp.LSTMCell(4)
        >>> h, c = cell(bp.tensor([[1.0, 2.0]]))
        >>> h, c = cell(bp.tensor([[3.0, 4.0]]), h, c)
        >>> h.shape, c.shape
        ((1, 4), (1, 4))
    """

    def __init__(
        self,
        hidden_size: int,
        bias: bool = True,
        weight_init: Initializer | None = None,
        recurrent_init: Initializer | None = None,
        bias_init: Initializer | None = None,
    ) -> None:
        self._keep(
            hidden_size=hidden_size,
            bias=bias,
            weight_init=weight_init,
            recurrent_init=recurrent_init,
            bias_init=bias_init,
        )

    def __call__(self, *inputs: Any) -> Any:
        output = super().__call__(*inputs)
        return output[:, : self.hidden_size], output[:, self.hidden_size :]


class GRUCell(_Cell):
    """One step of `GRU`: from x (batch, features) and states (batch, hidden), or zeros, the new states.

    Args:
        hidden_size: how many states a layer has.
        bias: whether there are biases.
        weight_init: how the weights of inputs start, as of `RNN`.
        recurrent_init: how the weights of states start.
        bias_init: how the biases start.
        reset_after: whether the reset gate is applied behind the product with the states.

    Example:
        >>> import backpass as bp
        >>> bp.GRUCell(4)(bp.tensor([[1.0, 2.0]])).shape
        (1, 4)
    """

    reset_after: bool

    def __init__(
        self,
        hidden_size: int,
        bias: bool = True,
        weight_init: Initializer | None = None,
        recurrent_init: Initializer | None = None,
        bias_init: Initializer | None = None,
        reset_after: bool = True,
    ) -> None:
        self._keep(
            hidden_size=hidden_size,
            bias=bias,
            weight_init=weight_init,
            recurrent_init=recurrent_init,
            bias_init=bias_init,
            reset_after=reset_after,
        )
