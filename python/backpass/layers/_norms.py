"""Layers that normalize, and that disturb: what keeps deep networks trainable."""

from __future__ import annotations

from backpass.layers._fixed import Fixed

__all__ = [
    "AlphaDropout",
    "BatchNorm",
    "GaussianNoise",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "RMSNorm",
]


class BatchNorm(Fixed):
    """Batch normalization over all axes but the last (Ioffe and Szegedy 2015).

    y = (x - mean) / sqrt(variance + eps) * weight + bias, channel by channel. In training by the mean and the biased
    variance of the batch; otherwise by `running_mean` and `running_var`, which each training step moves by `momentum`
    towards the batch's mean and unbiased variance (PyTorch's definition). Parameters are `weight` and `bias`
    (channels); the running values are states: saved and copied with the model, not trained. `freeze` keeps parameters
    and running values as they are; in training the layer still normalises by the batch.

    Args:
        momentum: how far a step moves the running values, from 0 to 1.
        eps: keeps the division finite; positive.
        affine: whether there are weight and bias.

    Raises:
        ValueError: if a setting is out of range; in training, if a batch has one value per channel.
        DivergedError: in fit, if the variance of a batch overflows its dtype, as values of 1e30 do in float32.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.BatchNorm(momentum=0.5), input_shape=1, dtype="float64", seed=0)
        >>> model.forward([[1.0], [3.0]]).round(3).tolist()
        [[-1.0], [1.0]]
        >>> {name: value.tolist() for name, value in model.states().items()}
        {'0.running_mean': [1.0], '0.running_var': [1.5]}
    """

    _may_hold = True

    momentum: float
    eps: float
    affine: bool

    def __init__(self, momentum: float = 0.1, eps: float = 1e-5, affine: bool = True) -> None:
        self._keep(
            momentum=momentum,
            eps=eps,
            affine=affine,
        )


class LayerNorm(Fixed):
    """Layer normalization over the last axis (Ba et al. 2016): (x - mean) / sqrt(variance + eps) * weight + bias.

    Args:
        eps: keeps the division finite; positive.
        affine: whether there are weight and bias (features).
        bias: whether there is a bias.

    Raises:
        ValueError: if eps is not positive.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.LayerNorm(), input_shape=2, dtype="float64")
        >>> model.predict([[1.0, 3.0]]).round(3).tolist()
        [[-1.0, 1.0]]
    """

    _may_hold = True

    eps: float
    affine: bool
    bias: bool

    def __init__(self, eps: float = 1e-5, affine: bool = True, bias: bool = True) -> None:
        self._keep(
            eps=eps,
            affine=affine,
            bias=bias,
        )


class GroupNorm(Fixed):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over runs of channels of each example (Wu and He 2018).

    A run takes in all that lies between the batch and the channels: pixels, or time. It is the same in training and
    otherwise, and for any batch size.

    Args:
        num_groups: how many runs of channels there are; it divides the channels.
        eps: keeps the division finite.
        affine: whether there are weight and bias (channels).

    Raises:
        ValueError: if a setting is out of range; in a call, if `num_groups` does not divide the channels.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.GroupNorm(2), input_shape=(5, 5, 4), seed=0)
        >>> model.n_parameters
        8
    """

    _may_hold = True

    num_groups: int
    eps: float
    affine: bool

    def __init__(self, num_groups: int, eps: float = 1e-5, affine: bool = True) -> None:
        self._keep(num_groups=num_groups, eps=eps, affine=affine)


class InstanceNorm(Fixed):
    """`GroupNorm` of each channel by itself (Ulyanov et al. 2016): over pixels, or over time.

    Args:
        eps: keeps the division finite.
        affine: whether there are weight and bias (channels).

    Raises:
        ValueError: if eps is not positive and finite; in a call, if the input has nothing between batch and channels.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.InstanceNorm(), input_shape=(2, 1)).predict([[[1.0], [3.0]]]).round(3).tolist()
        [[[-1.0], [1.0]]]
    """

    eps: float
    affine: bool

    def __init__(self, eps: float = 1e-5, affine: bool = False) -> None:
        self._keep(eps=eps, affine=affine)

    @property
    def _may_hold(self) -> bool:  # type: ignore[override]
        return self.affine


class RMSNorm(Fixed):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019).

    Args:
        eps: keeps the division finite; 0 takes the distance from 1 to the next number of the dtype, as PyTorch does.
        affine: whether there is a weight (features).

    Raises:
        ValueError: if eps is negative or not finite.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.RMSNorm(), input_shape=2, dtype="float64").predict([[3.0, 3.0]]).round(6).tolist()
        [[1.0, 1.0]]
    """

    _may_hold = True

    eps: float
    affine: bool

    def __init__(self, eps: float = 0.0, affine: bool = True) -> None:
        self._keep(eps=eps, affine=affine)


class AlphaDropout(Fixed):
    """Dropout for networks of SELU: dropped elements become the limit of SELU at minus infinity.

    Then everything is scaled and shifted to keep mean 0 and variance 1 (Klambauer et al. 2017, section 3). Outside
    training it does nothing.

    Args:
        rate: how likely each element is dropped; at least 0, below 1.

    Raises:
        ValueError: if `rate` is out of range.

    Example:
        >>> import backpass as bp
        >>> bp.AlphaDropout(0.1)
        AlphaDropout(rate=0.1)
    """

    rate: float

    def __init__(self, rate: float) -> None:
        self._keep(rate=rate)


class GaussianNoise(Fixed):
    """In training normal noise is added to each element; nothing otherwise (Bishop 1995).

    Args:
        deviation: the noise's standard deviation, finite and not negative.

    Raises:
        ValueError: if `deviation` is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.GaussianNoise(0.1), input_shape=2)
        >>> model.predict([[1.0, 2.0]]).tolist()
        [[1.0, 2.0]]
    """

    deviation: float

    def __init__(self, deviation: float) -> None:
        self._keep(deviation=deviation)
