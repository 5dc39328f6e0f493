"""Sequences from a model that says what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike

_WHO = "generate"


class Generates:
    """Models of sequences that are continued."""

    if TYPE_CHECKING:
        predict: Any

    def generate(
        self,
        prompt: ArrayLike,
        n_tokens: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Array:
        """What follows on a prompt, one token after the other, each drawn from what the model says of the next.

        For models of integers (rows, time) that give logits (rows, time, classes) and do not look ahead. Longer texts
        than `time` are continued from their last `time` tokens; each token costs one prediction.

        Args:
            prompt: integers (length,), or (rows, length) of which each is continued.
            n_tokens: how many follow.
            temperature: what logits are divided by; 0 takes the most likely token each time.
            top_k: how many of the most likely tokens are drawn from; None for all.
            top_p: how much probability they have together, of the most likely ones, above 0; 1 for all.
            seed: of what is drawn; None takes a fresh one.

        Returns:
            Prompt and tokens, int32 (length + n_tokens,), or with rows.

        Raises:
            ValueError: if the model is none of these, a token of the prompt is no class, or a setting is out of range.

        Example:
            >>> import numpy as np
            >>> import backpass as bp
            >>> x = np.arange(64).reshape(-1, 1) % 8 + np.arange(6)
            >>> model = bp.Sequential(bp.Embedding(8, 16), bp.Dense(8), input_shape=6, seed=0)
            >>> history = model.fit(x % 8, (x + 1) % 8, loss="cross_entropy", optimizer=bp.Adam(0.05), epochs=40)
            >>> model.generate([2, 3], 8, temperature=0).tolist()
            [2, 3, 4, 5, 6, 7, 0, 1, 2, 3]
        """
        time, classes = _sizes(self)
        tokens, was_one = _checked_prompt(prompt, classes)
        wanted = _checks.integer(_WHO, "n_tokens", n_tokens, minimum=0)
        choice = _Choice.of(temperature, top_k, top_p, seed, classes)
        rows, length = tokens.shape
        made = np.concatenate([tokens, np.zeros((rows, wanted), np.int32)], axis=1)
        for end in range(length, length + wanted):
            seen = made[:, max(0, end - time) : end]
            window = np.zeros((rows, time), np.int32)
            window[:, : seen.shape[1]] = seen
            made[:, end] = choice(self.predict(window)[:, seen.shape[1] - 1])
        return made[0] if was_one else made


@dataclass(frozen=True)
class _Choice:
    """How a token is chosen."""

    temperature: float
    top_k: int
    top_p: float
    rng: np.random.Generator

    @classmethod
    def of(cls, temperature: float, top_k: int | None, top_p: float, seed: int | None, classes: int) -> _Choice:
        heat, mass = _checks.number(_WHO, "temperature", temperature), _checks.number(_WHO, "top_p", top_p)
        if not 0 <= heat < np.inf:
            raise ValueError(f"[{_WHO}] temperature must be finite and not negative, got {temperature}")
        if not 0 < mass <= 1:
            raise ValueError(f"[{_WHO}] top_p must be above 0 and at most 1, got {top_p}")
        most = classes if top_k is None else min(_checks.integer(_WHO, "top_k", top_k, minimum=1), classes)
        return cls(heat, most, mass, np.random.default_rng(_checks.seed(_WHO, seed)))

    def __call__(self, given: Array) -> Array:
        """A token for each row of logits."""
        logits: Array = given.astype(np.float64)
        if not (logits.max(axis=1, initial=0) < np.inf).all():  # nan included; -inf says that a token is none
            raise ValueError(f"[{_WHO}] the model's logits are not numbers")
        order: Array = np.argsort(-logits, axis=1, kind="stable")
        if self.temperature == 0:
            best: Array = order[:, 0]
            return best
        below = np.take_along_axis(logits, order, axis=1)
        with np.errstate(over="ignore"):  # to -inf, where the temperature is near 0
            p = np.exp((below - below[:, :1]) / self.temperature)
        p[:, self.top_k :] = 0
        p /= p.sum(axis=1, keepdims=True)
        p[np.cumsum(p, axis=1) - p >= self.top_p] = 0
        sums = np.cumsum(p, axis=1)
        places = (sums <= self.rng.random((len(p), 1)) * sums[:, -1:]).sum(axis=1)
        chosen: Array = np.take_along_axis(order, np.minimum(places, (p > 0).sum(axis=1) - 1)[:, None], axis=1)[:, 0]
        return chosen


def _sizes(model: Any) -> tuple[int, int]:
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
