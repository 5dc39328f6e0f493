"""Convolutions and pooling: what `registry.OPS` takes from here, and what they compute in NumPy."""

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


def windows(x, kernel, stride=None, padding=0, dilation=1, ceil_mode=False):
    """For each window of x (n, h, w, c): its place, and the elements that are there."""
    kernel, padding, dilation = pair(kernel), pair(padding), pair(dilation)
    stride = kernel if stride is None else pair(stride)
    size = []
    for i in (0, 1):
        free = x.shape[1 + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1
        count = (-(-free // stride[i]) if ceil_mode else free // stride[i]) + 1
        size.append(count - ((count - 1) * stride[i] >= x.shape[1 + i] + padding[i] and ceil_mode))
    for at in np.ndindex(*size):
        begin = [at[i] * stride[i] - padding[i] for i in (0, 1)]
        rows, cols = ([p for k in range(kernel[i]) if 0 <= (p := begin[i] + k * dilation[i]) < x.shape[1 + i]]
                      for i in (0, 1))  # fmt: skip
        spans = [min(begin[i] + kernel[i], x.shape[1 + i] + padding[i]) - begin[i] for i in (0, 1)]
        yield at, size, x[:, rows][:, :, cols], spans[0] * spans[1]


def max_pool2d(x, kernel, **options):
    """The greatest of each window."""
    y = {at: inside.max(axis=(1, 2)) for at, size, inside, _ in windows(x, kernel, **options)}
    size = np.max(list(y), axis=0) + 1
    return np.stack([y[at] for at in np.ndindex(*size)], axis=1).reshape(len(x), *size, x.shape[-1])


def avg_pool2d(x, kernel, count_include_pad=True, **options):
    """The mean of each window."""
    y = {
        at: inside.sum(axis=(1, 2)) / (span if count_include_pad else inside.shape[1] * inside.shape[2])
        for at, size, inside, span in windows(x, kernel, **options)
    }
    size = np.max(list(y), axis=0) + 1
    return np.stack([y[at] for at in np.ndindex(*size)], axis=1).reshape(len(x), *size, x.shape[-1])


def adaptive(x, size, function):
    """`function` of as many windows as `size` says."""
    lines = []
    for i, j in np.ndindex(*size):
        (top, bottom), (left, right) = (
            (at * x.shape[1 + axis] // size[axis], -(-(at + 1) * x.shape[1 + axis] // size[axis]))
            for axis, at in enumerate((i, j))
        )
        lines.append(function(x[:, top:bottom, left:right], axis=(1, 2)))
    return np.stack(lines, axis=1).reshape(len(x), *size, x.shape[-1])


def pooled(name, title, shape, numpy, *arguments, **options):
    def theirs(t, x):
        function = getattr(t.nn.functional, name)
        return function(x.permute(0, 3, 1, 2), *arguments, **options).permute(0, 2, 3, 1)

    return OpCase(
        f"{name}, {title}",
        lambda x: getattr(bp, name)(x, *arguments, **options),
        lambda x: numpy(x, *arguments, **options),
        (shape,),
        torch=theirs,
    )


POOLING = (
    pooled("max_pool2d", "plain", (2, 4, 5, 3), max_pool2d, 2),
    pooled("max_pool2d", "overlapping, padded", (1, 5, 4, 2), max_pool2d, (3, 2), stride=1, padding=(1, 1)),
    pooled("max_pool2d", "with a rest", (1, 5, 6, 2), max_pool2d, 2, stride=3, ceil_mode=True),
    pooled("max_pool2d", "dilated", (1, 6, 7, 2), max_pool2d, 2, stride=2, dilation=(2, 3)),
    pooled("avg_pool2d", "plain", (2, 4, 6, 3), avg_pool2d, (2, 3)),
    pooled("avg_pool2d", "padding counts", (1, 5, 4, 2), avg_pool2d, 3, stride=2, padding=1),
    pooled("avg_pool2d", "padding left out", (1, 5, 4, 2), avg_pool2d, 3, stride=2, padding=1, count_include_pad=False),
    pooled("avg_pool2d", "beyond the padding", (1, 5, 7, 2), avg_pool2d, 3, stride=3, padding=1, ceil_mode=True),
    pooled("adaptive_avg_pool2d", "overlapping", (2, 5, 7, 2), lambda x, s: adaptive(x, s, np.mean), (3, 4)),
    pooled("adaptive_avg_pool2d", "more than there are", (1, 2, 3, 2), lambda x, s: adaptive(x, s, np.mean), (3, 5)),
    pooled("adaptive_avg_pool2d", "all", (2, 3, 4, 2), lambda x, s: adaptive(x, s, np.mean), (1, 1)),
    pooled("adaptive_max_pool2d", "overlapping", (2, 5, 4, 2), lambda x, s: adaptive(x, s, np.max), (3, 3)),
)  # fmt: skip
