"""Layers of pooling: over images, series, and all that lies between the batch and the channels."""

from __future__ import annotations

from backpass.layers._convolutions import Padding, PerAxis, padding_text
from backpass.layers._fixed import Fixed

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "MaxPool1d",
    "MaxPool2d",
]


class _MaxPool(Fixed):
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...]
    padding: str
    dilation: int | tuple[int, ...]
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: PerAxis = 2,
        stride: PerAxis | None = 0,
        padding: Padding = "valid",
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
    ) -> None:
        self._keep(
            kernel_size=kernel_size,
            stride=0 if stride is None else stride,
            padding=padding_text(self._kind(), padding),
            dilation=dilation,
            ceil_mode=ceil_mode,
        )


class MaxPool2d(_MaxPool):
    """The greatest of each window and channel of images (batch, height, width, channels). See `bp.max_pool2d`.

    Args:
        kernel_size: how many elements windows have along each axis: a number, or a pair.
        stride: how far windows are from one to the next; 0: as far as they are large, as for None.
        padding: what stands around: a name, or how much, as of `Conv2d`; at most half the window. It is never the
            greatest.
        dilation: how far the elements of a window are apart.
        ceil_mode: whether a last window may reach beyond the padding.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.MaxPool2d(2), input_shape=(7, 8, 3), seed=0).output_shape
        (3, 4, 3)
    """


class MaxPool1d(_MaxPool):
    """The greatest of each window and channel of series (batch, time, channels): `MaxPool2d` along one axis.

    Args:
        kernel_size: how many elements windows have along each axis, of which there is one.
        stride: how far windows are from one to the next; 0: as far as they are large, as for None.
        padding: what stands around: a name, or how much.
        dilation: how far the elements of a window are apart.
        ceil_mode: whether a last window may reach beyond the padding.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.MaxPool1d(3, stride=2), input_shape=(9, 3), seed=0).output_shape
        (4, 3)
    """


class _AvgPool(Fixed):
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...]
    padding: str
    ceil_mode: bool
    count_include_pad: bool

    def __init__(
        self,
        kernel_size: PerAxis = 2,
        stride: PerAxis | None = 0,
        padding: Padding = "valid",
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._keep(
            kernel_size=kernel_size,
            stride=0 if stride is None else stride,
            padding=padding_text(self._kind(), padding),
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class AvgPool2d(_AvgPool):
    """The mean of each window and channel of images (batch, height, width, channels). See `bp.avg_pool2d`.

    Args:
        kernel_size: how many elements windows have along each axis: a number, or a pair.
        stride: how far windows are from one to the next; 0: as far as they are large, as for None.
        padding: what stands around: a name, or how much, as of `Conv2d`; at most half the window.
        ceil_mode: whether a last window may reach beyond the padding.
        count_include_pad: whether zeros of the padding count as elements.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.AvgPool2d((2, 4)), input_shape=(6, 8, 3), seed=0).output_shape
        (3, 2, 3)
    """


class AvgPool1d(_AvgPool):
    """The mean of each window and channel of series (batch, time, channels): `AvgPool2d` along one axis.

    Args:
        kernel_size: how many elements windows have along each axis, of which there is one.
        stride: how far windows are from one to the next; 0: as far as they are large, as for None.
        padding: what stands around: a name, or how much.
        ceil_mode: whether a last window may reach beyond the padding.
        count_include_pad: whether zeros of the padding count as elements.

    Raises:
        ValueError: if a setting is out of range or, when it is called, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.AvgPool1d(4), input_shape=(8, 3), seed=0).output_shape
        (2, 3)
    """


class _Adaptive(Fixed):
    output_size: int | tuple[int, ...]

    def __init__(self, output_size: PerAxis) -> None:
        self._keep(output_size=output_size)


class AdaptiveMaxPool2d(_Adaptive):
    """The greatest of as many windows of images as `output_size` says. See `bp.adaptive_max_pool2d`.

    Args:
        output_size: how many windows there are along each axis: a number, or a pair.

    Raises:
        ValueError: if it is not positive.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.AdaptiveMaxPool2d((2, 3)), input_shape=(7, 8, 3), seed=0).output_shape
        (2, 3, 3)
    """


class AdaptiveMaxPool1d(_Adaptive):
    """The greatest of as many windows of series as `output_size` says.

    Args:
        output_size: how many windows there are along each axis, of which there is one.

    Raises:
        ValueError: if it is not positive.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.AdaptiveMaxPool1d(2), input_shape=(7, 3), seed=0).output_shape
        (2, 3)
    """


class AdaptiveAvgPool2d(_Adaptive):
    """The mean of as many windows of images as `output_size` says. See `bp.adaptive_avg_pool2d`.

    Args:
        output_size: how many windows there are along each axis: a number, or a pair.

    Raises:
        ValueError: if it is not positive.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.AdaptiveAvgPool2d(2), input_shape=(7, 8, 3), seed=0).output_shape
        (2, 2, 3)
    """


class AdaptiveAvgPool1d(_Adaptive):
    """The mean of as many windows of series as `output_size` says.

    Args:
        output_size: how many windows there are along each axis, of which there is one.

    Raises:
        ValueError: if it is not positive.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.AdaptiveAvgPool1d(2), input_shape=(7, 3), seed=0).output_shape
        (2, 3)
    """


class GlobalAvgPool(Fixed):
    """The mean over all axes between the batch and the channels: (batch, channels).

    Raises:
        ValueError: when it is called on an input without such axes.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.GlobalAvgPool(), input_shape=(7, 8, 3), seed=0).output_shape
        (3,)
    """


class GlobalMaxPool(Fixed):
    """The greatest over all axes between the batch and the channels: (batch, channels).

    Raises:
        ValueError: when it is called on an input without such axes.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.GlobalMaxPool(), input_shape=(9, 3), seed=0).output_shape
        (3,)
    """
