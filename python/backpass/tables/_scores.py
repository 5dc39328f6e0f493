"""How good predictions of a table are."""

from __future__ import annotations

import numpy as np

from backpass._types import Array
from backpass.tables._targets import Target


def scores(target: Target, values: Array, outputs: Array) -> dict[str, float]:
    """Of probabilities (rows, classes), or numbers (rows, 1)."""
    if not len(values):
        raise ValueError("[evaluate] needs at least one row")
    if target.is_class:
        return _of_classes(target.encode(values), outputs.astype(np.float64))
    wanted, error = values.astype(np.float64), outputs[:, 0] - values.astype(np.float64)
    total = float(np.square(wanted - wanted.mean()).sum())
    return {
        "r2": 1 - float(np.square(error).sum()) / total if total > 0 else float("nan"),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "mae": float(np.abs(error).mean()),
    }


def _of_classes(labels: Array, p: Array) -> dict[str, float]:
    picked = np.clip(p[np.arange(len(labels)), labels], 1e-15, None)
    result = {"accuracy": float((p.argmax(axis=1) == labels).mean()), "log_loss": float(-np.log(picked).mean())}
    if p.shape[1] == 2:
        result["auc"] = _auc(labels, p[:, 1])
    return result


def _auc(labels: Array, score: Array) -> float:
    """The probability that a yes ranks above a no; ties count half (Mann and Whitney 1947)."""
    yes = int(labels.sum())
    no = len(labels) - yes
    if not yes or not no:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((rank[labels == 1].sum() - yes * (yes + 1) / 2) / (yes * no))
