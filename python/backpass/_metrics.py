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


def metric_pairs(metrics: Metrics) -> list[tuple[str, Any]]:
    """Pairs of a name and a function; None as function for a metric of the core."""
    several = (metrics,) if isinstance(metrics, str) or callable(metrics) else metrics
    return [_metric_pair(metric) for metric in several]


def _metric_pair(metric: Any) -> tuple[str, Any]:
    if isinstance(metric, str):
        return _checks.text("metrics", "a metric", metric), None
    if callable(metric):
        return getattr(metric, "__name__", type(metric).__name__), metric
    raise TypeError(f"[metrics] a metric is a name or a function (y_true, y_pred) -> float, got {metric!r}")
