"""Sequences from a model that says what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike
    from backpass.models._model import Model

_WHO = "generate"


def generate(
    model: Model,
    prompt: ArrayLike,
    n_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
    seed: int | None,
) -> Array:
    """See `Model.generate`."""
    time, classes = _sizes(model)
    tokens, was_one = _checked_prompt(prompt, classes)
    wanted = _checks.integer(_WHO, "n_tokens", n_tokens, minimum=0)
    heat, mass = _checks.number(_WHO, "temperature", temperature), _checks.number(_WHO, "top_p", top_p)
    if not 0 <= heat < np.inf:
        raise ValueError(f"[{_WHO}] temperature must be finite and not negative, got {temperature}")
    most = classes if top_k is None else min(_checks.integer(_WHO, "top_k", top_k, minimum=1), classes)
    if not 0 < mass <= 1:
        raise ValueError(f"[{_WHO}] top_p must be above 0 and at most 1, got {top_p}")
    rng = np.random.default_rng(_checks.seed(_WHO, seed))
    rows, length = tokens.shape
    made = np.concatenate([tokens, np.zeros((rows, wanted), np.int32)], axis=1)
    for end in range(length, length + wanted):
        seen = made[:, max(0, end - time) : end]
        window = np.zeros((rows, time), np.int32)
        window[:, : seen.shape[1]] = seen
        logits = model.predict(window)[:, seen.shape[1] - 1].astype(np.float64)
        if np.isnan(logits).any():
            raise ValueError(f"[{_WHO}] the model's logits are not numbers")
        made[:, end] = _chosen(logits, heat, most, mass, rng)
    return made[0] if was_one else made


def _sizes(model: Model) -> tuple[int, int]:
    """Steps and classes of a model of one sequence of integers."""
    native = model._built()
    inputs, outputs = native.graph.inputs, native.graph.outputs
    fits = len(inputs) == len(outputs) == 1 and inputs[0].dtype == "int32" and len(inputs[0].shape) == 2
    if not fits or len(outputs[0].shape) != 3 or outputs[0].shape[1] != inputs[0].shape[1]:
        raise ValueError(
            f"[{_WHO}] is for models that take integers (rows, time) and give logits (rows, time, classes), got inputs "
            f"{[(x.dtype, x.shape) for x in inputs]} and outputs {[y.shape for y in outputs]}"
        )
    return int(outputs[0].shape[1] or 0), int(outputs[0].shape[2] or 0)


def _checked_prompt(prompt: ArrayLike, classes: int) -> tuple[Array, bool]:
    tokens = np.asarray(prompt)
    if tokens.dtype.kind not in "iu" or tokens.ndim not in (1, 2):
        raise ValueError(
            f"[{_WHO}] prompt must be integers (length,) or (rows, length), got {tokens.dtype} {tokens.shape}"
        )
    rows = np.atleast_2d(tokens)
    if rows.shape[1] < 1:
        raise ValueError(f"[{_WHO}] prompt must hold one token at least, to say what follows on")
    if rows.size and not (rows.min() >= 0 and rows.max() < classes):
        raise ValueError(f"[{_WHO}] prompt must be tokens in [0, {classes}), got {rows.min()} to {rows.max()}")
    return rows.astype(np.int32), tokens.ndim == 1


def _chosen(logits: Array, temperature: float, top_k: int, top_p: float, rng: Any) -> Array:
    """A token for each row."""
    if temperature == 0:
        best: Array = np.argmax(logits, axis=1)
        return best
    order = np.argsort(-logits, axis=1, kind="stable")
    scaled = np.take_along_axis(logits, order, axis=1) / temperature
    p = np.exp(scaled - scaled[:, :1])
    p /= p.sum(axis=1, keepdims=True)
    p[:, top_k:] = 0
    before = np.cumsum(p, axis=1) - p
    p[before >= top_p * p.sum(axis=1, keepdims=True)] = 0
    sums = np.cumsum(p, axis=1)
    places = (sums <= rng.random((len(p), 1)) * sums[:, -1:]).sum(axis=1)
    kept = (p > 0).sum(axis=1) - 1
    chosen: Array = np.take_along_axis(order, np.minimum(places, kept)[:, None], axis=1)[:, 0]
    return chosen
