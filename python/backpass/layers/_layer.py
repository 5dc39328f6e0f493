"""Layer: what all layers share, and what one's own are made from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core, _functions
from backpass._joined import Parameters

if TYPE_CHECKING:
    from backpass._types import Shape


class Layer:
    """A part of a model: it is called on tensors and returns a tensor.

    A layer that is called twice shares its parameters. To write your own, subclass it and define `forward`, which
    composes operations. It is differentiated, fused with its neighbours and saved like built-in layers. If you also
    define `backward`, both get NumPy arrays and are called while the plan runs: slower, and it cannot be saved.

    Example:
        >>> import backpass as bp
        >>> class Scale(bp.Layer):
        ...     def forward(self, x):
        ...         return x * self.parameter("scale", x.shape[-1:], "ones")
        >>> model = bp.Sequential(Scale(), bp.Dense(1), input_shape=3, seed=0)
        >>> list(model.parameters())
        ['0.scale', '1.weight', '1.bias']
        >>> class Cube(bp.Layer):
        ...     def forward(self, x):
        ...         return x**3
        ...     def backward(self, grad, x):
        ...         return grad * 3 * x**2
        >>> bp.gradcheck(bp.Sequential(Cube()), bp.MSE(), [[1.0, 2.0]], [[0.0, 0.0]]) < 1e-6
        True
    """

    backward: Callable[..., Any] | None = None
    _may_hold = True  # parameters or states
    _training = -1  # of calls on tensors that have values; -1: as gradients are recorded
    _given: dict[str, Any] | None = None  # values for when it has shapes

    def __call__(self, *inputs: _core.Tensor) -> _core.Tensor:
        """The layer's output.

        On tensors that have values it has one too: their first axis is the batch, and the parameters get their values
        at the first call. Models that are made of the layer use them there.

        Raises:
            TypeError: if an input is not a tensor.
            ValueError: if shapes do not fit.

        Example:
            >>> import backpass as bp
            >>> layer = bp.Dense(2)
            >>> h = layer(bp.tensor([[1.0, 2.0, 3.0]]))
            >>> model = bp.Sequential(layer, input_shape=3)
            >>> h.tolist() == model([[1.0, 2.0, 3.0]]).tolist()
            True
        """
        for x in inputs:
            if not isinstance(x, _core.Tensor):
                raise TypeError(
                    f"[{type(self).__name__}] is called with tensors, got {type(x).__name__}: write bp.tensor(x)"
                )
        if not _callers.stack:
            valued = inputs if any(x.is_eager for x in inputs) else values_of(inputs)
            if valued:
                given = valued[0] if len(valued) == 1 else [*valued]
                output: _core.Tensor = self._caller_for(valued)(given, self._training)
                return output
        return self._native()(list(inputs), _name_in_caller(self))

    def forward(self, *inputs: Any) -> Any:
        """What the layer computes; for layers of your own.

        Without `backward` the inputs are tensors, and the result is one. With it they are arrays (rows, ...), followed
        by the values of what `build` gave, and the result is an array of the shape that `output_shape` tells.
        """
        raise NotImplementedError(f"[{type(self).__name__}] a layer of your own needs forward(self, x)")

    def build(self, *inputs: _core.Tensor) -> Sequence[_core.Tensor]:
        """The parameters of a layer with `backward`: what `forward` gets after its inputs."""
        return ()

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the output of a layer with `backward`, from those of its inputs; None is the batch."""
        return shapes[0]

    def parameter(
        self,
        name: str,
        shape: Sequence[int | None],
        initializer: str | Callable[..., Any] | None = None,
        gain: float = 1.0,
    ) -> _core.Tensor:
        """Creates a parameter of this layer, within `forward` or `build`; later calls return the same one.

        Args:
            name: what follows the layer's place in the names of the model: "weight".
            shape: its dimensions.
            initializer: a name, a function (shape, generator) -> array, or None for the choice that `Dense` makes.
            gain: multiplies the values.

        Raises:
            RuntimeError: if called outside of `forward` and `build`.
            ValueError: if a later call asks for another shape.
        """
        return _core.layer_parameter(name, shape, initializer_of(initializer), gain)

    def state(self, name: str, shape: Sequence[int | None], initializer: str | Callable[..., Any]) -> _core.Tensor:
        """Creates a value that is kept and saved with the model but not trained, within `forward`; `track` updates it.

        Args:
            name: what follows the layer's place in `Network.states()`: "running_mean".
            shape: its dimensions.
            initializer: "zeros", "ones", another name, or a function (shape, generator) -> array.

        Raises:
            RuntimeError: if called outside of `forward`.
            ValueError: if a later call asks for another shape.

        Example:
            >>> import backpass as bp
            >>> class Centre(bp.Layer):
            ...     def forward(self, x):
            ...         mean, running = bp.mean(x, 0), self.state("running", x.shape[-1:], "zeros")
            ...         return bp.track(x - bp.by_mode(mean, running), running, mean, 0.5)
            >>> model = bp.Sequential(Centre(), input_shape=1, dtype="float64")
            >>> model.forward([[1.0], [3.0]]).tolist(), model.predict([[1.0]]).tolist()
            ([[-1.0], [1.0]], [[0.0]])
        """
        return _core.layer_state(name, shape, initializer_of(initializer))

    def add_loss(self, term: _core.Tensor) -> None:
        """Adds a term to the loss of models with this layer, in training, within `forward` of one without `backward`.

        It is in "loss" of a fit, and in its own column "added_loss"; `evaluate` and validation leave it out.

        Args:
            term: a number, or numbers whose mean is taken.

        Raises:
            RuntimeError: if called outside of `forward`.

        Example:
            >>> import backpass as bp
            >>> class Sparse(bp.Layer):
            ...     def forward(self, x):
            ...         self.add_loss(0.1 * bp.abs(x))
            ...         return x
            >>> model = bp.Sequential(bp.Dense(4), Sparse(), bp.Dense(1), input_shape=2, seed=0)
            >>> history = model.fit([[1.0, 2.0]], [[1.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1))
            >>> list(history)
            ['loss', 'added_loss', 'learning_rate']
        """
        if not _callers.stack or _callers.stack[-1] is not self:
            raise RuntimeError(f"[{type(self).__name__}] add_loss is for forward, while a model is built")
        if not isinstance(term, _core.Tensor):
            raise TypeError(f"[{type(self).__name__}] add_loss takes a tensor, got {type(term).__name__}")
        _callers.terms[-1].append(term)

    def settings(self) -> dict[str, Any]:
        """The settings by name, as they are saved with a model; a setting that was not given is an empty string.

        Example:
            >>> import backpass as bp
            >>> bp.Dropout(0.5).settings()
            {'rate': 0.5}
        """
        return {name: plain(value) for name, value in self._own().items()}

    def _own(self) -> dict[str, Any]:
        return {name: value for name, value in dict(vars(self)).items() if not name.startswith("_")}

    def _native(self) -> _core.Layer:
        """The handle of this layer in the core; always the same one, because it is the layer's identity there."""
        if "_handle" not in self.__dict__:
            self.__dict__.setdefault("_handle", self._describe())  # another thread may have been faster
        handle: _core.Layer = self.__dict__["_handle"]
        return handle

    def _caller_for(self, inputs: Sequence[_core.Tensor]) -> _core.Caller:
        """The layer as a network of its own for inputs of such shapes; all of them use the same parameters."""
        for x in inputs:
            if not x.shape:
                raise ValueError(f"[{type(self).__name__}] needs a tensor whose first axis is the batch, got a number")
        key = tuple((x.shape[1:], x.dtype) for x in inputs)
        callers: dict[Any, _core.Caller] = self.__dict__.setdefault("_called", {})
        caller = callers.get(key)
        if caller is None:
            caller = callers[key] = self._caller_of(key)
            if len(callers) > _KEPT:
                callers.pop(list(callers)[1], None)  # the first has the leaves of `parameters`
        first, *_ = callers.values()  # at once: other threads may call it too
        if caller is not first:
            _freeze_alike(first.network, caller.network)
        return caller

    def _caller_of(self, key: tuple[tuple[Shape, str], ...]) -> _core.Caller:
        """For inputs of these shapes without the batch, and types."""
        places = [_core.input((None, *shape), dtype, f"input{i}") for i, (shape, dtype) in enumerate(key)]
        others: dict[Any, _core.Caller] = self.__dict__.get("_called", {})
        seed = None if others else _callers.next_seed()
        network = _core.Network(places, [Layer.__call__(self, *places)], seed, None, None)
        if self._given is not None:
            network.load_arrays({f"0.{name}": value for name, value in self._given.items()})
            del self.__dict__["_given"]
        return _core.Caller(network)

    def parameters(self) -> Parameters:
        """Its parameters as eager tensors, in an iterable; they are there from the first call on such tensors on.

        Raises:
            RuntimeError: while iterating, if it has not been called; an optimizer may be made before.

        Example:
            >>> import backpass as bp
            >>> layer = bp.Dense(2)
            >>> optimizer = bp.SGD(layer.parameters(), lr=0.1)
            >>> bp.sum(layer(bp.tensor([[1.0, 2.0, 3.0]]))).backward()
            >>> optimizer.step()
            >>> [w.shape for w in layer.parameters()]
            [(2, 3), (2,)]
        """
        return Parameters(self)

    def _residents(self) -> list[tuple[str, _core.Tensor, _core.Tensor | None]] | None:
        """Names, ops and leaves of parameters and states (which are no leaves); None before the first call."""
        callers: dict[Any, _core.Caller] = self.__dict__.get("_called", {})
        for caller in list(callers.values())[:1]:
            return residents_of(caller, "0.")
        return None

    def _call_for(self, keys: Sequence[Any]) -> None:
        """As if it had been called with such inputs."""
        callers = self.__dict__.setdefault("_called", {}) if keys else {}
        for key in keys:
            if key not in callers:
                callers[key] = self._caller_of(key)

    def _all_leaves(self) -> list[_core.Tensor]:
        """Those of all shapes of inputs that it has been called with."""
        callers: dict[Any, _core.Caller] = self.__dict__.get("_called", {})
        return [leaf for caller in list(callers.values()) for leaf in caller.parameters]

    def _describe(self) -> _core.Layer:
        return _core.python_layer(type(self).__name__, self.settings(), self)

    def _build(self, inputs: list[_core.Tensor]) -> _core.Tensor:
        """What the core calls: the output as a tensor."""
        _callers.stack.append(self)
        _callers.terms.append([])
        try:
            output = self.forward(*inputs) if self.backward is None else self._host_call(inputs)
        finally:
            _callers.stack.pop()
            terms = _callers.terms.pop()
        if not isinstance(output, _core.Tensor):
            raise TypeError(f"[{type(self).__name__}] forward must give a tensor, got {type(output).__name__}")
        for term in terms:
            output = _functions.add_loss(output, term)
        return output

    def _host_call(self, inputs: list[_core.Tensor]) -> _core.Tensor:
        tensors = [*inputs, *self.build(*inputs)]
        shape = self.output_shape(*(x.shape for x in inputs))
        return _core.host_call(type(self).__name__, self.forward, self.backward, tensors, shape)

    def _changes(self) -> str:
        """The settings that are not defaults, as one would write them."""
        missing = object()
        changed = [(k, repr(v)) for k, v in self._own().items() if repr(v) != repr(getattr(type(self), k, missing))]
        return ", ".join(f"{name}={text}" for name, text in changed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._changes()})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_handle", "_called")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _freeze_alike(one: _core.Network, other: _core.Network) -> None:
    """Freezes in the other network what is frozen in the one, and no more."""
    if (wanted := one.frozen) != (frozen := other.frozen):
        if frozen:
            other.unfreeze(frozen)
        if wanted:
            other.freeze(wanted)


class _Callers(threading.local):
    """The layers of one's own that are being called, the innermost last."""

    def __init__(self) -> None:
        self.stack: list[Layer] = []
        self.terms: list[list[_core.Tensor]] = []  # that each of them has added to the loss
        self.seeds: Iterator[int] | None = None  # of the module that is being called, for first weights
        self.eager = False  # whether that computes with values

    def next_seed(self) -> int | None:
        return None if self.seeds is None else next(self.seeds)


_callers = _Callers()
_KEPT = 32  # forms of a layer for inputs of as many shapes


@contextmanager
def module_called(seeds: Iterator[int] | None, *, eager: bool) -> Iterator[None]:
    """Layers that are called for the first time within draw their first weights from these; None changes nothing.

    `eager` tells whether the module computes with values: constants, such as a first state of zeros, are values then.
    """
    before = _callers.seeds, _callers.eager
    _callers.seeds, _callers.eager = before[0] if seeds is None else seeds, eager
    try:
        yield
    finally:
        _callers.seeds, _callers.eager = before


def is_eager(x: Any) -> bool:
    """Whether it is a tensor that has a value, or follows from some that have."""
    return isinstance(x, _core.Tensor) and x.is_eager


def next_seed() -> int | None:
    """The seed for what is called for the first time, of the module that is being called; None outside of modules."""
    return _callers.next_seed()


def values_of(inputs: Sequence[Any]) -> list[_core.Tensor] | None:
    """Constants as tensors with values, where a module is called that computes with values; else None."""
    if not _callers.eager or not all(isinstance(x, _core.Tensor) and x.has_value for x in inputs):
        return None
    return [x if x.is_eager else _core.tensor(np.asarray(x), x.dtype, False) for x in inputs]


def residents_of(caller: _core.Caller, prefix: str) -> list[tuple[str, _core.Tensor, _core.Tensor | None]]:
    """Names, ops and leaves of a network's parameters and states."""
    leaves = dict(zip(caller.network.parameters(), caller.parameters, strict=True))
    kept = [t for t in caller.network.graph.ops if t.kind in ("parameter", "state")]
    return [(t.name.removeprefix(prefix), t, leaves.get(t.name)) for t in kept]


def _name_in_caller(layer: Layer) -> str:
    """The attribute under which the layer that is being called holds this one; "" where there is none."""
    if not _callers.stack:
        return ""
    for name, value in vars(_callers.stack[-1]).items():
        if value is layer:
            return name
        if isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                if item is layer:
                    return f"{name}.{index}"
    return ""


def plain(value: Any) -> Any:
    """A setting as it is saved."""
    if value is None:
        return ""
    return value if isinstance(value, (bool, int, float, str)) else repr(value)


def initializer_of(given: str | Callable[..., Any] | None) -> Any:
    """As the core takes it: a name ("" is its own choice), or a function of shape and seed."""
    if given is None or isinstance(given, str):
        return given or ""

    return lambda shape, seed: given(shape, np.random.default_rng(seed))
