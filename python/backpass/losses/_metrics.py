"""Metrics by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backpass import _checks, _core

if TYPE_CHECKING:
    from backpass._types import Metrics


def rises(column: str) -> bool:
    """Whether more is better in a column of the history: a metric of ours such as "val_accuracy" or "top_5".

    Losses, errors and metrics of one's own do not rise.
    """
    return _core.metric_rises(column)


# What a function is shown: see `Sequential.fit`.
INPUTS = ("outputs", "labels", "probabilities")


def asked_metrics(metrics: Metrics) -> list[tuple[str, Any, str]]:
    """A name, a function and what it is shown, for each; None as function for a metric of the core."""
    several: Any = (metrics,) if isinstance(metrics, str) or callable(metrics) else metrics
    return [_asked(metric) for metric in several]


def _is_named(metric: Any) -> bool:
    """("f1_macro", function), or with "labels" behind."""
    return isinstance(metric, tuple) and len(metric) in (2, 3) and isinstance(metric[0], str) and callable(metric[1])


def _asked(metric: Any) -> tuple[str, Any, str]:
    if isinstance(metric, str):
        return _checks.text("metrics", "a metric", metric), None, "outputs"
    if callable(metric) and not isinstance(metric, type):
        return getattr(metric, "__name__", type(metric).__name__), metric, "outputs"
    if _is_named(metric):
        shown = metric[2] if len(metric) == 3 else "outputs"
        name = _checks.text("metrics", "a metric", metric[0])
        return name, metric[1], _checks.choice("metrics", f"what {metric[0]} is shown", shown, INPUTS)
    raise TypeError(
        "[metrics] a metric is a name, a function (y_true, y_pred) -> float, or a tuple (name, function) or "
        f"(name, function, 'labels'), got {_checks.shown(metric)}"
    )
