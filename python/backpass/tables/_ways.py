"""How a network for a table is trained: loss, optimizer, batches, how the best epoch is found, and by which rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backpass import _core, _functions
from backpass._types import Array
from backpass.callbacks import EarlyStopping
from backpass.losses import CrossEntropy
from backpass.models import Network
from backpass.optimizers import AdamW
from backpass.tables._presets import Preset
from backpass.tables._realmlp_training import LastBest, optimizer_of
from backpass.tables._targets import Target


def batch_of(preset: Preset, rows: int) -> int:
    """Rows of a step."""
    return min(preset.batch_size or int(np.clip(rows // 16, 16, 256)), rows)


def steps_of(preset: Preset, rows: int) -> int:
    """Of all the training, where batches that are not full are left out."""
    return preset.epochs * (rows // batch_of(preset, rows))


def way_of(preset: Preset, target: Target, network: Network, rows: int, callbacks: Sequence[Any]) -> dict[str, Any]:
    """What `Network.fit` gets: loss, optimizer, batches and how the best epoch is found."""
    plain = {"epochs": preset.epochs, "batch_size": batch_of(preset, rows)}
    if not preset.realmlp:
        assert preset.patience is not None
        return plain | {
            "loss": _loss(target, preset.members),
            "optimizer": AdamW(preset.learning_rate, weight_decay=preset.weight_decay),
            "callbacks": [EarlyStopping(patience=preset.patience, restore_best=True), *callbacks],
        }
    is_class = target.is_class
    rate = preset.learning_rate if is_class else preset.rate_of_numbers or preset.learning_rate
    best = LastBest("val_accuracy" if is_class else "val_loss", is_class, preset.patience)
    return plain | {
        "loss": CrossEntropy(label_smoothing=0.1) if is_class else "mse",
        "optimizer": optimizer_of(network, rate, preset.weight_decay, steps_of(preset, rows)),
        "metrics": ["accuracy"] if is_class else [],
        "callbacks": [best, *callbacks],
        "drop_last": True,
    }


def _loss(target: Target, members: int) -> Any:
    """The mean of the losses of all members, and not the loss of their mean (Gorishniy et al. 2025)."""
    if members == 1:
        return "cross_entropy" if target.is_class else "mse"
    if not target.is_class:
        return _squares
    count = target.outputs
    return _cross_entropies(count)


def _squares(predicted: _core.Tensor, wanted: Any) -> _core.Tensor:
    return _functions.mean(_functions.square(predicted - wanted["target"][:, None]), (1, 2))


def _cross_entropies(classes: int) -> Callable[[_core.Tensor, _core.Tensor], _core.Tensor]:
    def loss(predicted: _core.Tensor, wanted: Any) -> _core.Tensor:
        labels = _functions.one_hot(wanted["target"], classes, predicted.dtype)[:, None]
        picked = _functions.log_softmax(predicted) * labels
        return -_functions.mean(_functions.sum(picked, 2), 1)

    return loss


def held_out_rows(y: Array, is_class: bool, fraction: float, folds: int, number: int, seed: int) -> Array:
    """Rows by which training ends: each network of several has others, class by class."""
    rows = len(y)
    order = np.random.default_rng(seed).permutation(rows)
    if is_class:
        order = order[np.argsort(y[order], kind="stable")]
    share = fraction if folds == 1 else 1 / max(folds, 2)
    place = (np.arange(rows) * share + (number + 0.5) * share) % 1.0
    chosen = np.zeros(rows, bool)
    chosen[order] = place < share
    if not chosen.any() or chosen.all():
        chosen[:] = False
        chosen[order[number % rows]] = rows > 1
    return chosen
