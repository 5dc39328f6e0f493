"""Metrics by name."""

from __future__ import annotations

from backpass import _core


def rises(column: str) -> bool:
    """Whether more is better in a column of the history: a metric of ours such as "val_accuracy" or "top_5".

    Losses, errors and metrics of one's own do not rise.
    """
    return _core.metric_rises(column)
