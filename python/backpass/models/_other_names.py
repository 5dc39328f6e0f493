"""What PyTorch and Keras call the parameters of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from backpass import _core
    from backpass._types import Array


class OtherNames:
    """Methods of models under the names that they have elsewhere."""

    if TYPE_CHECKING:
        trainable_variables: Any
        state_dict: Any
        load_weights: Any
        parameters: Any
        _caller: Any

    def named_parameters(self) -> Iterator[tuple[str, _core.Tensor]]:
        """Each parameter's name and the eager tensor that lives in the model, as in PyTorch.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
            >>> [(name, w.shape) for name, w in model.named_parameters()]
            [('0.weight', (2, 3)), ('0.bias', (2,))]
        """
        return iter(list(zip(self.parameters(), self._caller().parameters, strict=True)))

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """`load_weights` of arrays by name, as in PyTorch."""
        self.load_weights(state_dict)

    @property
    def weights(self) -> list[_core.Tensor]:
        """All parameters, frozen ones too, as eager tensors that live in the model; `states()` has the states."""
        return [w for _, w in self.named_parameters()]

    @property
    def trainable_weights(self) -> list[_core.Tensor]:
        """`trainable_variables`, under Keras' other name."""
        return list(self.trainable_variables)

    def get_weights(self) -> list[Array]:
        """Copies of parameters and states, in the order of `state_dict()`."""
        return [np.array(value) for value in self.state_dict().values()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Writes what `get_weights` gives.

        Raises:
            ValueError: if there are more or fewer arrays than parameters and states, or one has another shape.
        """
        names = list(self.state_dict())
        if len(weights) != len(names):
            raise ValueError(
                f"[set_weights] weights must be {len(names)} arrays, one of each of {names}, got {len(weights)}"
            )
        self.load_weights(dict(zip(names, weights, strict=True)))
