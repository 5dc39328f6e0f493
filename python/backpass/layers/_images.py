"""Layers that change the size of images and series, without parameters."""

from __future__ import annotations

from backpass.layers._convolutions import Padding, PerAxis, padding_text
from backpass.layers._fixed import Fixed

__all__ = ["PixelShuffle", "PixelUnshuffle", "Upsample", "ZeroPad1d", "ZeroPad2d"]


class Upsample(Fixed):
    """Each pixel of images (batch, height, width, channels), or step of series (batch, time, channels), as several.

    Args:
        scale_factor: how many pixels each becomes along each axis: a number, or one for each.
        mode: what lies between pixels: "nearest" repeats them; "linear" goes in straight lines from the middle of one
            to that of the next, as PyTorch's "bilinear" (`align_corners=False`) and Keras' `UpSampling2D` do.

    Raises:
        ValueError: if a setting is out of range or, in a call, does not fit the input.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.Upsample(2, mode="linear"), input_shape=(2, 1)).predict([[[0.0], [4.0]]]).ravel().tolist()
        [0.0, 1.0, 3.0, 4.0]
    """

    scale_factor: int | tuple[int, ...]
    mode: str

    def __init__(self, scale_factor: PerAxis = 2, mode: str = "nearest") -> None:
        self._keep(scale_factor=scale_factor, mode=mode)


class PixelShuffle(Fixed):
    """Channels as pixels: (batch, height, width, channels r²) as (batch, height r, width r, channels).

    Channel c r² + i r + j is pixel (i, j) of each block (Shi et al. 2016), as in PyTorch.

    Args:
        upscale_factor: how many pixels each becomes along each axis, r.

    Raises:
        ValueError: if r is not positive; in a call, if its square does not divide the channels.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.PixelShuffle(2), input_shape=(1, 1, 4)).predict([[[[1, 2, 3, 4]]]])[0, ..., 0].tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """

    upscale_factor: int

    def __init__(self, upscale_factor: int = 2) -> None:
        self._keep(upscale_factor=upscale_factor)


class PixelUnshuffle(Fixed):
    """`PixelShuffle` the other way: (batch, height r, width r, channels) as (batch, height, width, channels r²).

    Args:
        downscale_factor: how many pixels become one along each axis, r.

    Raises:
        ValueError: if r is not positive; in a call, if it does not divide height and width.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.PixelUnshuffle(2), input_shape=(4, 6, 3)).output_shape
        (2, 3, 12)
    """

    downscale_factor: int

    def __init__(self, downscale_factor: int = 2) -> None:
        self._keep(downscale_factor=downscale_factor)


class _ZeroPad(Fixed):
    padding: str

    def __init__(self, padding: Padding = "1") -> None:
        kind = self._kind()
        text = "0" if padding == 0 and not isinstance(padding, bool) else padding_text(kind, padding)
        if not text.replace(",", "").replace(" ", "").replace("-", "").isdigit():
            raise ValueError(f"[{kind}] padding takes numbers, got {padding!r}")
        self._keep(padding=text)


class ZeroPad2d(_ZeroPad):
    """Zeros around images (batch, height, width, channels).

    Args:
        padding: how many zeros stand around: a number, a pair for height and width, or pairs ((top, bottom), (left,
            right)).

    Raises:
        ValueError: if it is not so or, in a call, negative.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.ZeroPad2d(((0, 1), (2, 2))), input_shape=(4, 6, 3)).output_shape
        (5, 10, 3)
    """


class ZeroPad1d(_ZeroPad):
    """Zeros before and behind series (batch, time, channels).

    Args:
        padding: how many zeros stand around: a number, or a pair in a list, [(before, behind)].

    Raises:
        ValueError: if it is not so or, in a call, negative.

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.ZeroPad1d([(3, 0)]), input_shape=(4, 2)).output_shape
        (7, 2)
    """
