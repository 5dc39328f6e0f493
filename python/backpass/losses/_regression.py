"""Losses of numbers: errors, counts, and the likelihood of a normal distribution."""

from __future__ import annotations

from backpass.losses._loss import FixedLoss

__all__ = [
    "MAE",
    "MSE",
    "GaussianNLL",
    "HalfMSE",
    "Huber",
    "LogCosh",
    "Poisson",
    "Quantile",
]


class MSE(FixedLoss):
    """Mean over all elements of (prediction - target)^2.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.MSE().value_and_grad([[3.0, 1.0]], [[1.0, 1.0]])
        >>> value, gradient.tolist()
        (2.0, [[2.0, 0.0]])
    """


class HalfMSE(FixedLoss):
    """Half the squared error summed over outputs, mean over rows; its gradient is (prediction - target) / rows.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.HalfMSE().value_and_grad([[3.0, 1.0]], [[1.0, 1.0]])
        >>> value, gradient.tolist()
        (2.0, [[2.0, 0.0]])
    """


class MAE(FixedLoss):
    """Mean over all elements of |prediction - target|; the gradient is 0 where they are equal.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.MAE().value_and_grad([[3.0, 1.0]], [[1.0, 1.0]])
        >>> value, gradient.tolist()
        (1.0, [[0.5, 0.0]])
    """


class Huber(FixedLoss):
    """Mean over all elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e = prediction - target.

    Quadratic for small errors and linear for large ones, so outliers weigh less (Huber 1964). The gradient with respect
    to an element is e clipped to [-delta, delta], divided by the number of elements.

    Args:
        delta: where the linear part begins; positive and finite.

    Raises:
        ValueError: if `delta` is out of range.

    Example:
        >>> import backpass as bp
        >>> loss = bp.Huber(delta=2.0)
        >>> value, gradient = loss.value_and_grad([[1.0, 5.0]], [[0.0, 0.0]])
        >>> value, gradient.tolist()
        (4.25, [[0.5, 1.0]])
    """

    delta: float

    def __init__(self, delta: float = 1.0) -> None:
        self._keep(delta=delta)


class LogCosh(FixedLoss):
    """Mean over all elements of log(cosh(e)), e = prediction - target.

    Quadratic for small errors, linear for large ones, and smooth between. The gradient with respect to an element is
    tanh(e), divided by the number of elements; nothing overflows.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.LogCosh().value_and_grad([[0.0, 1e4]], [[0.0, 0.0]])
        >>> round(value, 3), gradient.tolist()
        (4999.653, [[0.0, 0.5]])
    """


class Quantile(FixedLoss):
    """Mean over all elements of q e where e > 0, else (q - 1) e, e = target - prediction: the pinball loss.

    Smallest where the prediction is the q-quantile of the target (Koenker and Bassett 1978). q = 0.5 gives half of
    `MAE`. The gradient by an element is -q where e > 0, 1 - q where e < 0, and 0 at e = 0, divided by the number of
    elements.

    Args:
        q: which quantile, between 0 and 1.

    Raises:
        ValueError: if `q` is out of range.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.Quantile(0.75).value_and_grad([[1.0, 1.0]], [[3.0, 0.0]])
        >>> value, gradient.tolist()
        (0.875, [[-0.375, 0.125]])
    """

    q: float

    def __init__(self, q: float = 0.5) -> None:
        self._keep(q=q)


class Poisson(FixedLoss):
    """Mean over all elements of exp(p) - y p: how unlikely counts y are under a Poisson distribution of rate exp(p).

    The gradient by an element is exp(p) - y, divided by the number of elements. exp(p) overflows where p does not fit
    an exponent, which ends a fit with `DivergedError`: scale large counts.

    Args:
        log_input: whether the prediction p is the logarithm of the rate. False: it is the rate itself, and the loss
            p - y log(p + eps); negative rates have no likelihood.
        full: whether y log y - y + log(2 pi y) / 2 is added where y > 1, Stirling's approximation of log(y!).
        eps: keeps the logarithm of a rate of 0 finite; positive and finite.

    Raises:
        ValueError: if `eps` is out of range; when used, for negative targets.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.Poisson().value_and_grad([[0.0, 0.0]], [[1.0, 3.0]])
        >>> value, gradient.tolist()
        (1.0, [[0.0, -1.0]])
    """

    output_kind = "unknown"  # logarithms, mostly
    log_input: bool
    full: bool
    eps: float

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> None:
        self._keep(
            log_input=log_input,
            full=full,
            eps=eps,
        )


class GaussianNLL(FixedLoss):
    """Mean over all targets of (log v + (y - m)^2 / v) / 2: how unlikely y is under a normal distribution.

    The prediction (rows, 2 d) holds means m and variances v side by side, the target (rows, d). Make the variances
    positive by the model's end, as below. Those below `eps` count as `eps`, with the gradient that it has, so that they
    can grow again (Nix and Weigend 1994). The gradient is (m - y) / v by a mean and (1 - (y - m)^2 / v) / (2 v) by a
    variance, divided by the number of targets.

    Args:
        eps: the least variance; positive and finite.
        full: whether the constant log(2 pi) / 2 is added.

    Raises:
        ValueError: if `eps` is out of range.

    Example:
        >>> import backpass as bp
        >>> x = bp.Input(3)
        >>> mean, raw = bp.Dense(1)(x), bp.Dense(1)(x)
        >>> model = bp.Network(x, bp.concat([mean, bp.softplus(raw)], axis=1), seed=0)
        >>> round(model.evaluate([[0.0, 0.0, 0.0]], [1.0], loss=bp.GaussianNLL())["loss"], 4)
        0.5381
    """

    output_kind = "means_and_variances"
    eps: float
    full: bool

    def __init__(self, eps: float = 1e-6, full: bool = False) -> None:
        self._keep(eps=eps, full=full)
