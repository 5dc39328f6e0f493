"""Layers that convolve: over images, series, and the other way round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from backpass import _checks, _names
from backpass.layers._dense import ACTIVATIONS
from backpass.layers._fixed import ACTIVATION_ALIASES, Fixed

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "DepthwiseConv2d",
]

PerAxis: TypeAlias = int | Sequence[int]  # a number for all axes, or one for each
Padding: TypeAlias = int | str | Sequence[int] | Sequence[tuple[int, int]]
Initializer: TypeAlias = "str | Callable[[tuple[int, ...], np.random.Generator], Any]"


def padding_text(where: str, given: Any) -> str:
    """A name, or numbers as the core has them: "1", "1, 2", "1, 1, 2, 2"."""
    if isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool) and given == 0:
        return "valid"
    numbers: list[Any] = list(given) if isinstance(given, Sequence) else [given]
    if any(isinstance(number, Sequence) for number in numbers):
        if not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in numbers):
            raise ValueError(f"[{where}] padding takes pairs of numbers, got {given!r}")
        numbers = [number for pair in numbers for number in pair]
    return ", ".join(str(_checks.integer(where, "padding", number)) for number in numbers)


class _Convolution(Fixed):
    """What layers that convolve share."""

    _may_hold = True

    def _keep_windows(self, **settings: Any) -> None:
        kind, activation = self._kind(), settings["activation"]
        if activation is not None:
            if not isinstance(activation, str):
                raise TypeError(f"[{kind}] activation must be a name, got {activation!r}; a function is a layer behind")
            known = {each: each for each in ACTIVATIONS}
            settings["activation"] = _names.lookup(kind, "activation", activation, known, ACTIVATION_ALIASES)
        self._keep(**settings | {"padding": padding_text(kind, settings["padding"])})


class _Filters(_Convolution):
    """Convolutions whose filters look at all channels, or at those of a group."""

    filters: int
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...]
    padding: str
    dilation: int | tuple[int, ...]
    groups: int
    activation: str | None
    bias: bool
    weight_init: Initializer | None
    bias_init: Initializer


class _Forward(_Filters):
    def __init__(
        self,
        filters: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = "valid",
        dilation: PerAxis = 1,
        groups: int = 1,
        activation: str | None = None,
        bias: bool = True,
        weight_init: Initializer | None = None,
        bias_init: Initializer = "zeros",
    ) -> None:
        self._keep_windows(
            filters=filters,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            activation=activation,
            bias=bias,
            weight_init=weight_init,
            bias_init=bias_init,
        )


class Conv2d(_Forward):
    """A convolution over images (batch, height, width, channels), plus a bias, then the activation.

    Parameters are `weight` (filters, kernel height, kernel width, channels / groups) and `bias` (filters). Filters are
    not turned round. Weights start as those of `Dense`, by all that a filter reads. See `bp.conv2d`.

    Args:
        filters: how many channels the output has.
        kernel_size: how many elements windows have along each axis: a number, or a pair.
        stride: how far windows are from one to the next, likewise.
        padding: zeros around: a name, or how many. A number, a pair, pairs ((top, bottom),
            (left, right)), "valid" for none, "same" for ceil(size / stride) windows, or "causal" for all before.
        dilation: how far the elements of a window are apart.
        groups: how many runs of channels have filters of their own.
        activation: what is applied to the output, by name, or None.
        bias: whether there is a bias.
        weight_init: how the weights start, as of `Dense`.
        bias_init: how the bias starts.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> layer = bp.Conv2d(6, 5, padding="same", activation="relu")
        >>> bp.Sequential(layer, input_shape=(28, 28, 1), seed=0).output_shape
        (28, 28, 6)
    """


class Conv1d(_Forward):
    """A convolution over series (batch, time, channels), plus a bias, then the activation.

    Parameters are `weight` (filters, kernel, channels / groups) and `bias` (filters). Otherwise it is `Conv2d` along
    one axis; with padding="causal" no output looks ahead.

    Args:
        filters: how many channels the output has.
        kernel_size: how many elements windows have along each axis, of which there is one.
        stride: how far windows are from one to the next, likewise.
        padding: zeros around: a name, or how many. A number, a pair in a list [(before, after)], "valid",
            "same" or "causal".
        dilation: how far the elements of a window are apart.
        groups: how many runs of channels have filters of their own.
        activation: what is applied to the output, by name, or None.
        bias: whether there is a bias.
        weight_init: how the weights start, as of `Dense`.
        bias_init: how the bias starts.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.Conv1d(4, 3, dilation=2, padding="causal"), input_shape=(10, 2), seed=0).output_shape
        (10, 4)
    """


class _Transposed(_Filters):
    output_padding: int | tuple[int, ...]

    def __init__(
        self,
        filters: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = "valid",
        output_padding: PerAxis = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        activation: str | None = None,
        bias: bool = True,
        weight_init: Initializer | None = None,
        bias_init: Initializer = "zeros",
    ) -> None:
        self._keep_windows(
            filters=filters,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            dilation=dilation,
            groups=groups,
            activation=activation,
            bias=bias,
            weight_init=weight_init,
            bias_init=bias_init,
        )


class ConvTranspose2d(_Transposed):
    """The gradient of a `Conv2d` to its images, as a layer: images grow where a convolution makes them smaller.

    Parameters are `weight` (channels, kernel height, kernel width, filters / groups), the weight of that convolution,
    and `bias` (filters). See `bp.conv2d_transpose`.

    Args:
        filters: how many channels the output has.
        kernel_size: how many elements windows have along each axis: a number, or a pair.
        stride: how far windows over the output are from one to the next.
        padding: how much of the output's border is left out: a number, a pair, or pairs.
        output_padding: rows and columns more that the output has, below the stride.
        dilation: how far the elements of a window are apart.
        groups: how many runs of channels have filters of their own.
        activation: what is applied to the output, by name, or None.
        bias: whether there is a bias.
        weight_init: how the weights start, as of `Dense`.
        bias_init: how the bias starts.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.ConvTranspose2d(8, 4, stride=2, padding=1), input_shape=(7, 7, 16), seed=0).output_shape
        (14, 14, 8)
    """


class ConvTranspose1d(_Transposed):
    """The gradient of a `Conv1d` to its series, as a layer: `ConvTranspose2d` along one axis.

    Parameters are `weight` (channels, kernel, filters / groups) and `bias` (filters).

    Args:
        filters: how many channels the output has.
        kernel_size: how many elements windows have along each axis, of which there is one.
        stride: how far windows over the output are from one to the next.
        padding: how much of the output's border is left out.
        output_padding: rows and columns more that the output has, below the stride; here elements.
        dilation: how far the elements of a window are apart.
        groups: how many runs of channels have filters of their own.
        activation: what is applied to the output, by name, or None.
        bias: whether there is a bias.
        weight_init: how the weights start, as of `Dense`.
        bias_init: how the bias starts.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.ConvTranspose1d(8, 4, stride=2, padding=1), input_shape=(7, 16), seed=0).output_shape
        (14, 8)
    """


class DepthwiseConv2d(_Convolution):
    """A convolution of each channel by filters of its own: a `Conv2d` with as many groups as channels.

    Parameters are `weight` (channels * depth_multiplier, kernel height, kernel width, 1) and `bias`. With a `Conv2d` of
    kernel size 1 behind it, it is the separable convolution of MobileNet (Howard et al. 2017).

    Args:
        kernel_size: how many elements windows have along each axis: a number, or a pair.
        depth_multiplier: how many filters each channel has.
        stride: how far windows are from one to the next, likewise.
        padding: zeros around: a name, or how many, as of `Conv2d`.
        dilation: how far the elements of a window are apart.
        activation: what is applied to the output, by name, or None.
        bias: whether there is a bias.
        weight_init: how the weights start, as of `Dense`.
        bias_init: how the bias starts.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.DepthwiseConv2d(3, depth_multiplier=2), input_shape=(8, 8, 4), seed=0).output_shape
        (6, 6, 8)
    """

    kernel_size: int | tuple[int, ...]
    depth_multiplier: int
    stride: int | tuple[int, ...]
    padding: str
    dilation: int | tuple[int, ...]
    activation: str | None
    bias: bool
    weight_init: Initializer | None
    bias_init: Initializer

    def __init__(
        self,
        kernel_size: PerAxis,
        depth_multiplier: int = 1,
        stride: PerAxis = 1,
        padding: Padding = "valid",
        dilation: PerAxis = 1,
        activation: str | None = None,
        bias: bool = True,
        weight_init: Initializer | None = None,
        bias_init: Initializer = "zeros",
    ) -> None:
        self._keep_windows(
            kernel_size=kernel_size,
            depth_multiplier=depth_multiplier,
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation=activation,
            bias=bias,
            weight_init=weight_init,
            bias_init=bias_init,
        )
