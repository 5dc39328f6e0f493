"""Losses of classes, from logits."""

from __future__ import annotations

from collections.abc import Sequence

from backpass.losses._loss import FixedLoss

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Focal",
]


class BinaryCrossEntropy(FixedLoss):
    """Mean over all elements of -y log s(z) - (1 - y) log(1 - s(z)), with s the sigmoid: z is a logit, y in [0, 1].

    A model that ends in `Sigmoid` is a mistake here. Each output is an independent yes or no; targets are 0 and 1, or
    probabilities. The gradient is (s(z) - y) / elements, and is accurate at any logit. The metric "accuracy" counts a
    logit above 0 as 1.

    Args:
        pos_weight: multiplies the first term: above 1 it raises recall, below 1 precision. None is 1.
        label_smoothing: a in (1 - a) y + a / 2, which takes the place of y; in [0, 1].

    Raises:
        ValueError: if a setting is out of range; when used, for targets outside [0, 1].

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.BinaryCrossEntropy().value_and_grad([[0.0], [1e4]], [1, 1])
        >>> round(value, 6), gradient.tolist()
        (0.346574, [[-0.25], [0.0]])
    """

    output_kind = "yes_no_logits"
    pos_weight: float | None
    label_smoothing: float

    def __init__(self, pos_weight: float | None = None, label_smoothing: float = 0.0) -> None:
        self._keep(pos_weight=pos_weight, label_smoothing=label_smoothing)


class CrossEntropy(FixedLoss):
    """-log softmax(prediction) at the label, mean over rows.

    The prediction is logits: a model that ends in `Softmax` is a mistake here. A target of probability rows gives the
    expectation, -sum_j target_j log softmax(prediction)_j. Its gradient is (softmax(prediction) - target) / rows.

    Args:
        label_smoothing: a in (1 - a) y + a / classes, which takes the place of the probabilities y (Szegedy et al.
            2016); in [0, 1].
        ignore_index: the label of rows to ignore, such as -100: any integer of 32 bits. The mean is over the other
            rows; if there are none, the loss and its gradient are 0. None ignores no row.
        class_weight: a number for each class that multiplies its term; with labels the mean is then divided by the sum
            of the weights of the rows' classes. See `balanced_class_weights`. It multiplies `sample_weight`.

    Raises:
        ValueError: if a setting is out of range; when used, for labels that are not a class, and rows that are
            negative or do not sum to 1.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.CrossEntropy().value_and_grad([[0.0, 0.0]], [1])
        >>> round(value, 6), gradient.tolist()
        (0.693147, [[0.5, -0.5]])
        >>> value, gradient = bp.CrossEntropy(ignore_index=-100).value_and_grad([[0.0, 0.0], [3.0, 1.0]], [1, -100])
        >>> round(value, 6), gradient.tolist()
        (0.693147, [[0.5, -0.5], [0.0, 0.0]])
    """

    output_kind = "class_logits"
    label_smoothing: float
    ignore_index: int | None
    class_weight: tuple[float, ...] | None

    def __init__(
        self,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        class_weight: Sequence[float] | None = None,
    ) -> None:
        self._keep(label_smoothing=label_smoothing, ignore_index=ignore_index, class_weight=class_weight)
        if self.class_weight == ():
            raise ValueError("[CrossEntropy] class_weight must have a number for each class, got none")


class Focal(FixedLoss):
    """-alpha (1 - p)^gamma log p, p = softmax(prediction) at the label; mean over rows (Lin et al. 2017).

    Rows that are already right count less, more so the larger gamma is; gamma = 0 is `CrossEntropy`. The prediction
    is logits; a target of probability rows gives the expectation.

    Args:
        gamma: how much less rows count that are right already; finite and not negative.
        alpha: multiplies the loss; positive and finite. None is 1.

    Raises:
        ValueError: if a setting is out of range; when used, for targets that `CrossEntropy` refuses.

    Example:
        >>> import backpass as bp
        >>> value, _ = bp.Focal().value_and_grad([[0.0, 0.0]], [1])
        >>> round(value, 6)
        0.173287
    """

    output_kind = "class_logits"
    gamma: float
    alpha: float | None

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        self._keep(gamma=gamma, alpha=alpha)
