"""Module: networks as classes in the style of PyTorch, whose forward is any Python."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks, _core
from backpass._joined import Joined, Parameters, all_called, modules, not_called, parts
from backpass._names import missing_attribute
from backpass.layers._fixed import Fixed
from backpass.layers._layer import Layer, is_eager, module_called
from backpass.models._sequential import Sequential
from backpass.models._weights import arrays_of

if TYPE_CHECKING:
    from typing import NoReturn, Self

    from backpass._types import Array, ArrayLike


class _Inside:
    """What a module knows beside the attributes that its class gives it."""

    def __init__(self, owner: Module) -> None:
        self.dtype = "float32"
        self.training = -1  # -1: as gradients are recorded
        self.seeds: _Seeds | None = None
        self.joined = Joined(type(owner).__name__, [("", owner)])


class _Seeds:
    """A seed for each layer that is called for the first time."""

    def __init__(self, seed: int) -> None:
        self.seed, self.drawn = seed, 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        sequence = np.random.SeedSequence([self.seed, self.drawn])
        self.drawn += 1
        return int(sequence.generate_state(1, np.uint64)[0])


class Module:
    """A network as a class: `__init__` makes layers, `forward` calls them, as in PyTorch's nn.Module.

    `forward` is run at each call, on tensors that have values: it may ask for values, and branch and loop over them.
    Layers, models, other modules and leaves (`tensor(..., requires_grad=True)`) are found in attributes, and in lists,
    tuples and dicts in attributes; parameters are named by where they are found: "layers.0.weight". A layer has
    parameters from its first call on, for inputs of such a shape. An optimizer may be made before.

    Args:
        seed: of the first weights and the dropout of layers; None takes a fresh one. `super().__init__(seed=0)`.
        dtype: "float32" or "float64": of arrays that the module is called with. Tensors are taken as they are.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> class Net(bp.Module):
        ...     def __init__(self):
        ...         super().__init__(seed=0)
        ...         self.layers = [bp.Dense(8, activation="tanh"), bp.Dense(8, activation="tanh")]
        ...         self.last = bp.Dense(1)
        ...         self.scale = bp.Parameter(1.0)
        ...     def forward(self, x):
        ...         for layer in self.layers:
        ...             x = layer(x)
        ...         y = self.last(x) * self.scale
        ...         return y if float(bp.max(bp.abs(y))) < 10 else y / 2
        >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> y = np.array([[0.0], [1.0], [1.0], [0.0]])
        >>> net, criterion = Net(), bp.MSE()
        >>> optimizer = bp.Adam(net.parameters(), lr=0.02)
        >>> for _ in range(200):
        ...     optimizer.zero_grad()
        ...     loss = criterion(net(x), y)
        ...     loss.backward()
        ...     optimizer.step()
        >>> loss.item() < 0.01
        True
        >>> [name for name, _ in net.named_parameters()][:3]
        ['scale', 'layers.0.weight', 'layers.0.bias']
    """

    def __init__(self, *, seed: int | None = None, dtype: str = "float32") -> None:
        self._inside.dtype = _checks.choice("Module", "dtype", dtype, ("float32", "float64"))
        if (number := _checks.seed("Module", seed)) is not None:
            self._inside.seeds = _Seeds(number)

    @property
    def _inside(self) -> _Inside:
        if "_of_module" not in vars(self):  # also where nobody has called __init__
            self._of_module = _Inside(self)
        return self._of_module

    def _joined(self) -> Joined:
        return self._inside.joined

    def _parts(self) -> list[tuple[str, Any]]:
        return parts(type(self).__name__, [("", self)])

    def _attributes(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if name != "_of_module"]

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes: any Python on tensors."""
        raise NotImplementedError(f"[{type(self).__name__}] a module needs forward(self, x)")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """What `forward` gives. Arrays become tensors first: real ones of the module's dtype, whole ones of int32.

        So do tensors of other libraries, and tables; numbers and lists are handed on as they are.
        """
        given = [self._taken(x) for x in inputs]
        named = {name: self._taken(x) for name, x in options.items()}
        with module_called(self._inside.seeds, eager=any(is_eager(x) for x in (*given, *named.values()))):
            return self.forward(*given, **named)

    def _taken(self, x: Any) -> Any:
        """An argument as `forward` gets it."""
        if isinstance(x, (_core.Tensor, np.generic)) or not hasattr(x, "__array__"):
            return x
        array = np.asarray(x)
        return _core.tensor(array, self._inside.dtype if array.dtype.kind == "f" else None, False)

    # Parameters: eager tensors that live where they were made.

    def parameters(self) -> Parameters:
        """The parameters as eager tensors, in an iterable: for optimizers, penalties and loops of one's own.

        Raises:
            RuntimeError: while iterating, if a layer has none yet because it has not been called.

        Example:
            >>> import backpass as bp
            >>> class Line(bp.Module):
            ...     def __init__(self):
            ...         self.slope = bp.Parameter([2.0])
            ...     def forward(self, x):
            ...         return x * self.slope
            >>> [w.tolist() for w in Line().parameters()]
            [[2.0]]
        """
        return Parameters(self)

    def named_parameters(self) -> Iterator[tuple[str, _core.Tensor]]:
        """Names and eager tensors, each parameter once. Errors are those of `parameters`."""
        return iter(list(all_called(self._joined_now()).leaves))

    def _joined_now(self) -> Joined:
        """With attributes as they are now."""
        joined = self._joined()
        joined.find()
        return joined

    @property
    def trainable_variables(self) -> list[_core.Tensor]:
        """The parameters that require a gradient, as Keras calls them."""
        return [leaf for _, leaf in self.named_parameters() if leaf.requires_grad]

    @property
    def n_parameters(self) -> int:
        """How many numbers the parameters are."""
        return sum(leaf.numel() for _, leaf in self.named_parameters())

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freezes all parameters, or trains them again: as `w.requires_grad = ...` of each does."""
        on = _checks.flag("requires_grad_", "requires_grad", requires_grad)
        for _, part in self._parts():
            for leaf in part._all_leaves() if hasattr(part, "_all_leaves") else [part]:
                leaf.requires_grad = on
        return self

    def zero_grad(self) -> None:
        """Sets all gradients to zero."""
        self._joined_now().zero_grad()

    # Training or not.

    @property
    def training(self) -> bool:
        """What `train` and `eval` have said; before, whether gradients are recorded."""
        mode = self._inside.training
        return _core.recording_gradients() if mode < 0 else bool(mode)

    def train(self, mode: bool = True) -> Self:
        """From now on layers within drop, and move running statistics; without it, where gradients are recorded."""
        on = int(_checks.flag("train", "mode", mode))
        for module in self.modules():
            module._inside.training = on
        for _, part in self._parts():
            if not isinstance(part, _core.Tensor):
                vars(part)["_training"] = on
        return self

    def eval(self) -> Self:
        """Nothing is dropped, and running statistics stand still: see `train`."""
        return self.train(False)

    def modules(self) -> Iterator[Module]:
        """This module and those within, each once."""
        return iter(modules(self))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise missing_attribute(self, name)

    # Files and copies.

    def state_dict(self) -> dict[str, Array]:
        """Copies of parameters and states (running statistics) by name.

        Raises:
            RuntimeError: if a layer has none yet because it has not been called.
        """
        network = all_called(self._joined_now()).network
        return {} if network is None else network.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike]) -> None:
        """`load_weights` of arrays by name, as in PyTorch."""
        self.load_weights(state_dict)

    def load_weights(self, source: str | bytes | os.PathLike[str] | Mapping[str, ArrayLike]) -> None:
        """Loads parameters and states from a file or from arrays, by name: all of them, or none with an error.

        A layer that has not been called yet takes its own at its first call.

        Args:
            source: the path of a safetensors file; or arrays by name, such as `state_dict()`, also of a PyTorch module.

        Raises:
            OSError: if the file cannot be read.
            TypeError: if an entry is not an array of real numbers.
            ValueError: if a name is missing or unknown, or a shape does not fit.

        Example:
            >>> import backpass as bp
            >>> class Net(bp.Module):
            ...     def __init__(self):
            ...         self.first, self.last = bp.Dense(4, activation="tanh"), bp.Dense(1)
            ...     def forward(self, x):
            ...         return self.last(self.first(x))
            >>> net, other, x = Net(), Net(), bp.tensor([[1.0, 2.0]])
            >>> y = net(x)
            >>> other.load_state_dict(net.state_dict())
            >>> other(x).tolist() == y.tolist()
            True
        """
        arrays = arrays_of(source)
        joined = self._joined_now()
        later = [
            (name, part, {key.removeprefix(f"{name}."): arrays.pop(key) for key in list(arrays) if _within(key, name)})
            for name, part in joined.waiting
        ]
        for name, part, given in later:
            if not isinstance(part, (Layer, Sequential)):
                raise not_called(joined)
            layers = part.layers if isinstance(part, Sequential) else [part]
            if not given and any(isinstance(layer, Fixed) and layer._may_hold for layer in layers):
                raise ValueError(f'[load_weights] "{name}.*" is missing; found {", ".join(arrays) or "nothing"}')
        if (network := joined.network) is not None:
            network.load_arrays(arrays)
        elif arrays:
            raise ValueError(f'[load_weights] "{next(iter(arrays))}" is no parameter of this module')
        for _, part, given in later:
            if given:
                vars(part)["_given"] = given

    def save(self, path: str | bytes | os.PathLike[str]) -> None:
        """Writes `state_dict()` as a safetensors file, for `load_weights` of a module of the same class.

        `bp.load` does not read it: there is no graph in it, because `forward` is Python.

        Raises:
            OSError: if the file cannot be written.
            RuntimeError: if a layer has no parameters yet because it has not been called.
        """
        all_called(self._joined_now())._built().save_weights(os.fsencode(_checks.path("save", path)))

    def __getstate__(self) -> dict[str, Any]:
        inside, joined = self._inside, self._joined_now()
        return {
            "attributes": dict(self._attributes()),
            "inside": (inside.dtype, inside.training, inside.seeds),
            "called": [
                list(vars(part).get("_called", ())) if isinstance(part, Layer) else [] for _, part in self._parts()
            ],
            "weights": {} if joined.network is None else joined.network.state_dict(),
            "frozen": [name for name, leaf in joined.leaves if not leaf.requires_grad],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state["attributes"])
        inside = self._inside
        inside.dtype, inside.training, inside.seeds = state["inside"]
        for (_, part), keys in zip(self._parts(), state["called"], strict=True):
            if isinstance(part, Layer):
                part._call_for(keys)
        joined = self._joined_now()
        if joined.network is not None:
            joined.network.load_arrays(state["weights"])
        for name, leaf in joined.leaves:
            leaf.requires_grad = name not in state["frozen"]

    def __repr__(self) -> str:
        lines = "".join(f"\n  {name}: {part!r}" for name, part in self._parts() if not isinstance(part, _core.Tensor))
        return f"{type(self).__name__}({lines}\n)" if lines else f"{type(self).__name__}()"


def _within(key: str, name: str) -> bool:
    return key.startswith(f"{name}.")
