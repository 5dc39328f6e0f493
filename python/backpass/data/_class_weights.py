"""Class weights of a fit: sample weights by label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass import _checks, _core
from backpass.data._data import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backpass.data._data import Rows
    from backpass.data._streams import Stream

ClassWeight: TypeAlias = "Mapping[int, float] | str | None"


def with_class_weights(
    data: Rows | Stream, class_weight: ClassWeight, losses: list[_core.Loss], network: _core.Network
) -> Rows | Stream:
    """The data, its sample weights times the weight of each row's class; as it is where `class_weight` is None."""
    if class_weight is None:
        return data
    outputs = network.graph.outputs
    if not isinstance(data, tuple) or len(outputs) > 1:
        raise ValueError("[fit] class_weight needs arrays and a network of one output; sample_weight is for all")
    x, y, sample_weight = data
    labels = labels_of(_core.numbers(y, "fit", "y"))
    if not losses[0].takes_labels or len(outputs[0].shape) != 2 or labels is None:
        raise ValueError(
            "[fit] class_weight needs integer labels (rows,) and a loss that takes them, such as CrossEntropy(); "
            "BinaryCrossEntropy has pos_weight"
        )
    weights = _by_class(class_weight, labels, int(outputs[0].shape[1] or 0), losses[0].ignored_label)
    return x, y, np.asarray(_core.class_sample_weights(labels, weights, sample_weight))


def _by_class(class_weight: Any, labels: Any, classes: int, ignored: int | None) -> list[float]:
    if isinstance(class_weight, str):
        _checks.choice("fit", "class_weight", class_weight, ("balanced",))
        return _core.balanced_class_weights(labels, classes, ignored)
    if not hasattr(class_weight, "items"):
        raise TypeError(f"[fit] class_weight must be 'balanced' or a dict from label to weight, got {class_weight!r}")
    weights = [1.0] * classes
    for label, weight in class_weight.items():
        number = _checks.integer("fit", "class_weight's label", label)
        if not 0 <= number < classes:
            raise ValueError(f"[fit] class_weight must have labels in [0, {classes}), got {number}")
        weights[number] = _checks.not_negative("fit", "class_weight", weight)
    return weights
