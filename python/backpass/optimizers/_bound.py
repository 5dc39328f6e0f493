"""Optimizers that know what they step, as in PyTorch and Keras: `Adam(model.parameters(), lr=1e-3)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from backpass import _checks, _core
from backpass._views import Views

if TYPE_CHECKING:
    from backpass.optimizers._optimizer import Optimizer


class Home:
    """What an optimizer steps that is no model: leaves, in a network of their own."""

    _trained = True

    def __init__(self, native: _core.Network) -> None:
        self._native = native

    def _built(self) -> _core.Network:
        return self._native

    _built_for = None  # what models have

    def zero_grad(self) -> None:
        self._native.zero_grad()


def are_parameters(value: Any) -> bool:
    """Whether it is what an optimizer may step, and no setting."""
    if isinstance(value, Views) or hasattr(value, "_built_for"):
        return True
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(each, _core.Tensor) for each in value)


def bound_to(where: str, parameters: Any) -> Any:
    """What an optimizer steps: a model, or what stands for one."""
    if isinstance(parameters, Views):
        if parameters.model is None:
            raise ValueError(f"[{where}] parameters must be what model.parameters() gives")
        return parameters.model
    if hasattr(parameters, "_built_for"):
        parameters._built()  # which says what to do where it has no shapes yet
        return parameters
    leaves = list(parameters)
    return Home(_core.network_of(leaves) or _core.home_of(leaves))


def gradients_into(where: str, grads_and_variables: Iterable[tuple[Any, Any]]) -> list[_core.Tensor]:
    """Writes gradients where their variables keep them; the variables."""
    pairs = list(grads_and_variables)
    for pair in pairs:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[1], _core.Tensor)):
            raise TypeError(f"[{where}] apply_gradients takes pairs (gradient, variable), got {_checks.shown(pair)}")
    for gradient, variable in pairs:
        if gradient is not None and not isinstance(gradient, _core.Tensor):
            gradient = _core.tensor(gradient, variable.dtype, False)
        variable.grad = gradient
    return [variable for _, variable in pairs]


class Bindable(type):
    """Classes of optimizers whose first argument may be what they step."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        given = "params" in options or (args and are_parameters(args[0]))
        if not given:
            return super().__call__(*args, **options)
        parameters = options.pop("params") if "params" in options else args[0]
        if "lr" in options:
            options["learning_rate"] = options.pop("lr")
        optimizer: Optimizer = super().__call__(*(args[1:] if args and args[0] is parameters else args), **options)
        optimizer._stepped = bound_to(cls.__name__, parameters)
        return optimizer


def stepped(optimizer: Optimizer, what: str) -> Any:
    """What it steps; ValueError where it has not been told."""
    if optimizer._stepped is None:
        name = type(optimizer).__name__
        raise ValueError(f"[{name}] {what} needs a model: optimizer.step(model), or {name}(model.parameters(), ...)")
    return optimizer._stepped


def minimized(optimizer: Optimizer, function: Callable[[], Any], parameters: Any) -> Any:
    """One step along the gradient of what a function computes; its value."""
    if optimizer._stepped is None:
        optimizer._stepped = bound_to(type(optimizer).__name__, parameters)
    optimizer.zero_grad()
    value = function()
    if not isinstance(value, _core.Tensor):
        raise TypeError(f"[minimize] function must give a tensor, got {_checks.shown(value)}")
    value.backward()
    optimizer.step()
    return value
