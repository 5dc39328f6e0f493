"""Convolutions: what `registry.OPS` takes from here, and what they compute in NumPy."""

import numpy as np

import backpass as bp
from op_case import OpCase


def pair(number):
    return number if isinstance(number, tuple) else (number, number)


def conv2d(x, weight, stride=1, padding=0, dilation=1, groups=1):
    """x (n, h, w, c), weight (o, kh, kw, c / groups): tap by tap, group by group."""
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    x = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))
    out, *kernel, channels = weight.shape
    size = [(x.shape[1 + i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    y = np.zeros((len(x), *size, out), np.result_type(x, weight))
    for group in range(groups):
        these, filters = slice(group * channels, (group + 1) * channels), out // groups
        those = slice(group * filters, (group + 1) * filters)
        for at in np.ndindex(*kernel):
            rows, cols = (slice(at[i] * dilation[i], at[i] * dilation[i] + (size[i] - 1) * stride[i] + 1, stride[i])
                          for i in (0, 1))  # fmt: skip
            y[..., those] += x[:, rows, cols, these] @ weight[those, at[0], at[1]].T
    return y


def conv2d_transpose(y, weight, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """The gradient of `conv2d` to its images, pixel by pixel."""
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    extra = pair(output_padding)
    out, kh, kw, channels = weight.shape
    high, wide = ((y.shape[1 + i] - 1) * s + d * (k - 1) + 1 + extra[i]
                  for i, s, d, k in ((0, sh, dh, kh), (1, sw, dw, kw)))  # fmt: skip
    x = np.zeros((len(y), high, wide, channels * groups), np.result_type(y, weight))
    filters = out // groups
    for group, i, j, row, col in np.ndindex(groups, y.shape[1], y.shape[2], kh, kw):
        those = slice(group * filters, (group + 1) * filters)
        x[:, i * sh + row * dh, j * sw + col * dw, group * channels : (group + 1) * channels] += (
            y[:, i, j, those] @ weight[those, row, col]
        )
    return x[:, ph : high - ph, pw : wide - pw]


def in_torch(name):
    """PyTorch's convolution of images and filters that have their channels last."""

    def call(t, x, weight, options):
        turned = x.permute(0, 3, 1, 2), weight.permute(0, 3, 1, 2)
        return getattr(t.nn.functional, name)(*turned, **options).permute(0, 2, 3, 1)

    return call


def case(title, x, weight, function=conv2d, **options):
    name = function.__name__
    theirs = in_torch("conv_transpose2d" if function is conv2d_transpose else "conv2d")
    return OpCase(
        f"{name}, {title}",
        lambda x, w: getattr(bp, name)(x, w, **options),
        lambda x, w: function(x, w, **options),
        (x, weight),
        torch=lambda t, x, w: theirs(t, x, w, options),
    )


CONVOLUTIONS = (
    case("plain", (2, 4, 5, 3), (4, 3, 2, 3)),
    case("padded", (2, 3, 4, 2), (3, 3, 3, 2), padding=(1, 2)),
    case("stride that leaves a rest", (1, 6, 7, 2), (3, 2, 3, 2), stride=(2, 3)),
    case("stride beyond the kernel", (1, 7, 6, 2), (2, 2, 2, 2), stride=3, padding=1),
    case("dilated", (1, 6, 7, 2), (2, 2, 3, 2), dilation=(3, 2), padding=(1, 1)),
    case("stride and dilation with a common factor", (1, 9, 8, 1), (2, 3, 2, 1), stride=4, dilation=2, padding=2),
    case("groups", (2, 4, 4, 4), (6, 2, 2, 2), groups=2, padding=1),
    case("a filter for each channel", (1, 5, 4, 3), (6, 3, 3, 1), groups=3, stride=2, padding=1),
    case("kernel beyond the image", (1, 2, 1, 2), (2, 3, 3, 2), padding=1),
    case("pixel by pixel", (2, 3, 2, 3), (4, 1, 1, 3)),
    case("pixel by pixel, every second", (1, 3, 4, 2), (3, 1, 1, 2), stride=2),
    case("more filters than a vector", (1, 3, 3, 2), (19, 2, 2, 2)),
    case("plain", (2, 3, 2, 3), (3, 2, 3, 2), conv2d_transpose),
    case("stride", (1, 2, 3, 2), (2, 3, 2, 3), conv2d_transpose, stride=(2, 3), padding=(1, 0), output_padding=(1, 2)),
    case("groups, dilated", (1, 3, 2, 4), (4, 2, 2, 1), conv2d_transpose, groups=2, dilation=2, stride=3, padding=1),
)
