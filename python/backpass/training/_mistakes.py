"""Warnings: what is legal, and probably not what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core
from backpass._warnings import warn
from backpass.losses._loss import FixedLoss, resolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backpass._types import Array
    from backpass.models._model import Model


def warn_once(model: Model, message: str) -> None:
    """Warns unless this model has brought the same message before."""
    told = model.__dict__.setdefault("_told", set())
    if message not in told:
        told.add(message)
        warn(message)


# Outputs that the loss would squash a second time.

_SQUASHED = {"softmax": "Softmax", "sigmoid": "Sigmoid"}


def check_outputs(model: Model, network: _core.Network, loss: Any) -> None:
    """Warns where a loss of logits gets probabilities; `loss` is one, or a list with one for each output."""
    given = resolved("loss", loss)
    for index, output in enumerate(network.graph.outputs):
        one = given[min(index, len(given) - 1)] if isinstance(given, list) else given
        layer = _SQUASHED.get(output.kind)
        if layer and isinstance(one, FixedLoss) and one.output_kind.endswith("_logits") and one._native is one._ours:
            name = type(one).__name__
            warn_once(model, f"[{name}] takes logits, and the model ends in {layer}: leave {layer} out of the model")
        if getattr(one, "output_kind", "") == "class_logits" and output.shape[-1] == 1:
            cure = "two classes are Dense(2), or Dense(1) with BinaryCrossEntropy"
            warn_once(model, f"[{type(one).__name__}] of one output is 0 whatever the weights: {cure}")


# Inputs that are far from the size that weights start for.

_ROWS = 1000  # that are looked at
_LARGE = 1e3
_BRIGHT = 127  # of uint8: counts and flags stay below, images do not


def check_inputs(model: Model, where: str, network: _core.Network, x: Any) -> None:
    """Warns where features are large and enter the first product as they are; x is what fit takes, but no table."""
    inputs = network.graph.inputs
    for tensor, part, unscaled in zip(inputs, _parts(x, inputs), _core.unscaled_inputs(network), strict=False):
        if unscaled and (what := _size(part)):
            warn_once(
                model,
                f"[{where}] {tensor.name} {what}: weights start for features of mean 0 and deviation 1; scale them by "
                "the training rows, or begin with BatchNorm()",
            )


def _parts(x: Any, inputs: Sequence[_core.Tensor]) -> list[Array]:
    """The first rows of each input; what fit will refuse is none."""
    try:
        several = [x[tensor.name] for tensor in inputs] if isinstance(x, dict) else x if len(inputs) > 1 else [x]
        return [np.asarray(part[:_ROWS]) for part in several]
    except (LookupError, TypeError, ValueError, RuntimeError):
        return []


def _size(rows: Array) -> str:
    if rows.size == 0 or rows.ndim < 2 or rows.dtype.kind not in "iuf":
        return ""
    flat = rows.reshape(len(rows), -1).astype(np.float64)
    sizes = np.abs(flat).max(axis=0)
    column = int(sizes.argmax())
    if rows.dtype == np.uint8 and sizes[column] > _BRIGHT:
        return f"is uint8 up to {sizes[column]:.0f}, as images are that are not divided by 255"
    large = _LARGE < sizes[column] <= np.finfo(np.float32).max  # beyond is an error of its own
    return f"has values up to {sizes[column]:.3g}, in column {column}" if large else ""


# Weights that are not what one believes.


def check_trained(model: Model, where: str) -> None:
    """Warns, once, where the weights are the random numbers that they started as.

    Not where another model shares some, as a generator is part of a GAN: that one will train them.
    """
    native = model._native
    if native is not None and native.is_shared:
        return
    model._trained = None
    if native is not None and not native.is_trained and _core.starts_at_random(native):
        warn(
            f"[{where}] the model has not been trained: its weights are the random numbers that they start as; fit it "
            "first, or load weights"
        )


def check_frozen(model: Model, where: str) -> None:
    """Warns where nothing is trained: neither parameters, nor what moves beside them."""
    native = model._built()
    names = native.parameters().keys()
    if names and names | native.states().keys() <= set(native.frozen):
        warn_once(model, f"[{where}] all parameters are frozen: nothing is trained; unfreeze() those that should be")


def check_goes_on(model: Model, native: _core.Network) -> None:
    """Warns where a model is made of the layers of a trained one and of nothing else, as in a loop over folds."""
    if native.goes_on:
        warn(
            f"[{type(model).__name__}] is made of layers that have been trained, and goes on from their weights; for "
            "new ones, make new layers, or copy.deepcopy(layers)"
        )
