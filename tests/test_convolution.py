"""Convolutions beside PyTorch's, over any sizes; as functions, in networks, mapped, on any number of threads."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings

import backpass as bp
from registry import ISAS, generator, using_isa
from registry_images import conv2d, conv2d_transpose

torch = pytest.importorskip("torch", reason="PyTorch is what this is compared with")

SMALL = st.integers(1, 3)


@st.composite
def convolutions(draw):
    """Shapes of images and filters, and settings that fit."""
    groups = draw(SMALL)
    kernel = draw(SMALL), draw(SMALL)
    size = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    options = {
        "stride": (draw(SMALL), draw(SMALL)),
        "padding": (draw(st.integers(0, 3)), draw(st.integers(0, 3))),
        "dilation": (draw(SMALL), draw(SMALL)),
        "groups": groups,
    }
    for i in (0, 1):
        assume(size[i] + 2 * options["padding"][i] > options["dilation"][i] * (kernel[i] - 1))
    channels, filters = draw(SMALL), draw(SMALL)
    return (
        (draw(st.integers(0, 3)), *size, channels * groups),
        (filters * groups, *kernel, channels),
        options,
    )


def theirs(x, weight, options):
    """PyTorch's value, and its gradients of the sum of value * cos(value)."""
    xs = [torch.tensor(a, requires_grad=True) for a in (x, weight)]
    y = torch.nn.functional.conv2d(*(a.permute(0, 3, 1, 2) for a in xs), **options).permute(0, 2, 3, 1)
    grads = torch.autograd.grad((y * torch.cos(y)).sum(), xs)
    return y.detach().numpy(), [grad.numpy() for grad in grads]


@given(convolutions(), st.sampled_from(("float32", "float64")))
@settings(max_examples=150, deadline=None)
def test_any_convolution_is_pytorch_s(case, dtype):
    shape, filters, options = case
    rng = generator("convolution", *shape, *filters)
    x, weight = rng.standard_normal(shape).astype(dtype), rng.standard_normal(filters).astype(dtype)
    value, grads = theirs(x.astype("float64"), weight.astype("float64"), options)

    def loss(x, weight):
        y = bp.conv2d(x, weight, **options)
        return bp.sum(y * bp.cos(y))

    ours = bp.compile(lambda x, weight: bp.conv2d(x, weight, **options))(x, weight)
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(ours, value, rtol=tolerance, atol=tolerance)
    for own, other in zip(bp.grad(loss, argnums=(0, 1))(x, weight), grads, strict=True):
        np.testing.assert_allclose(own, other, rtol=50 * tolerance, atol=50 * tolerance)


@pytest.mark.row("G3")
@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_the_gradient_to_images_is_the_transposed_convolution(case):
    shape, filters, options = case
    rng = generator("transposed", *shape, *filters)
    x, weight = rng.standard_normal(shape), rng.standard_normal(filters)
    y = conv2d(x, weight, **options)
    extra = tuple(
        (shape[1 + i] + 2 * options["padding"][i] - options["dilation"][i] * (filters[1 + i] - 1) - 1)
        % options["stride"][i]
        for i in (0, 1)
    )
    grad = bp.grad(lambda x: bp.sum(bp.conv2d(x, weight, **options) * y))(x)
    same = bp.compile(lambda y, w: bp.conv2d_transpose(y, w, output_padding=extra, **options))(y, weight)
    np.testing.assert_array_equal(grad, same)
    np.testing.assert_allclose(same, conv2d_transpose(y, weight, output_padding=extra, **options), atol=1e-10)


@pytest.mark.parametrize("padding", ["valid", "same", "causal", 1, [(2, 1)]], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
def test_series_are_images_of_height_one(padding, stride):
    rng = generator("series")
    x, weight = rng.standard_normal((2, 9, 3)), rng.standard_normal((4, 3, 3))
    before, after = {
        "valid": (0, 0),
        "same": (1, 1),
        "causal": (2, 0),
        1: (1, 1),
    }.get(padding if not isinstance(padding, list) else None, (2, 1))
    wanted = conv2d(np.pad(x, ((0, 0), (before, after), (0, 0)))[:, None], weight[:, None], stride)[:, 0]
    y = bp.compile(lambda x, w: bp.conv1d(x, w, stride, padding))(x, weight)
    np.testing.assert_allclose(y, wanted, atol=1e-12)
    if padding == "same":
        assert y.shape[1] == math.ceil(9 / stride)


def test_causal_windows_never_look_ahead():
    rng = generator("causal")
    x, weight = rng.standard_normal((1, 12, 2)), rng.standard_normal((3, 4, 2))
    f = bp.compile(lambda x: bp.conv1d(x, weight, dilation=2, padding="causal"))
    other = x.copy()
    other[:, 7:] += 1
    np.testing.assert_array_equal(f(x)[:, :7], f(other)[:, :7])
    assert f(x).shape == (1, 12, 3)


def test_a_transposed_series_takes_back_the_size():
    x = np.ones((2, 4, 3))
    y = bp.compile(lambda x: bp.conv1d_transpose(x, np.ones((3, 5, 2)), 2, 1, 1))(x)
    assert y.shape == (2, (4 - 1) * 2 + 4 + 1 - 2 + 1, 2)


LARGE = {
    "lenet": ((5, 28, 28, 1), (6, 5, 5, 1), {"padding": 2}),
    "strips of lines": ((2, 40, 33, 24), (20, 3, 3, 24), {"padding": 1}),
    "every second line": ((2, 41, 33, 16), (40, 3, 3, 16), {"padding": 1, "stride": 2}),
    "large filters, few pixels": ((3, 5, 5, 160), (130, 3, 3, 160), {"padding": 1}),
    "channels that would alias": ((2, 9, 9, 64), (32, 3, 3, 64), {"padding": 1, "dilation": 2}),
    "runs beyond a pass": ((1, 3, 700, 1), (3, 2, 600, 1), {}),
    "groups": ((4, 20, 20, 12), (18, 3, 3, 4), {"groups": 3, "stride": 2}),
}


def value_and_gradients(x, weight, options, threads):
    def loss(x, weight):
        y = bp.conv2d(x, weight, **options)
        return bp.sum(bp.tanh(y * 0.1)), y

    before = bp.get_threads()
    bp.set_threads(threads)
    try:
        (value, y), grads = bp.value_and_grad(loss, argnums=(0, 1), has_aux=True)(x, weight)
    finally:
        bp.set_threads(before)
    return value, y, *grads


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", LARGE)
def test_large_convolutions_are_right_at_every_isa_and_the_same_on_any_number_of_threads(name, isa):
    shape, filters, options = LARGE[name]
    rng = generator(name)
    x, weight = rng.standard_normal(shape), rng.standard_normal(filters)
    with using_isa(isa):
        one = value_and_gradients(x.astype("f4"), weight.astype("f4"), options, 1)
        for threads in (2, 3):
            for a, b in zip(
                one, value_and_gradients(x.astype("f4"), weight.astype("f4"), options, threads), strict=True
            ):
                np.testing.assert_array_equal(a, b)
        _, y, dx, dw = value_and_gradients(x, weight, options, 2)
    wanted = conv2d(x, weight, **options)
    np.testing.assert_allclose(y, wanted, rtol=1e-10, atol=1e-10)
    grad = 0.1 / np.cosh(0.1 * wanted) ** 2
    xs = [torch.tensor(a, requires_grad=True) for a in (x, weight)]
    out = torch.nn.functional.conv2d(*(a.permute(0, 3, 1, 2) for a in xs), **options)
    others = torch.autograd.grad(out, xs, torch.tensor(grad).permute(0, 3, 1, 2))
    for own, other in zip((dx, dw), others, strict=True):
        np.testing.assert_allclose(own, other.numpy(), rtol=1e-9, atol=1e-10)


def test_a_convolution_is_a_dense_layer_on_what_its_windows_show():
    rng = generator("unfolded")
    x, weight = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((4, 2, 3, 3))
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(1, 2))  # (n, i, j, c, k, l)
    rows = np.moveaxis(windows, 3, 5).reshape(2, 4, 4, 18)
    y = bp.compile(bp.conv2d)(x, weight)
    np.testing.assert_allclose(y, rows @ weight.reshape(4, 18).T, atol=1e-12)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=("images", "filters", "both"))
@pytest.mark.parametrize("name", ["conv2d", "conv2d_transpose"])
def test_mapped_convolutions_are_those_of_the_elements(name, axes):
    rng = generator("mapped", name)
    images = (2, 5, 4, 4) if name == "conv2d" else (2, 5, 4, 6)
    x, weight = rng.standard_normal((3, *images)), rng.standard_normal((3, 6, 2, 2, 2))
    options = {"groups": 2, "stride": 2, "padding": 1}

    def loss(x, weight):
        return bp.sum(bp.tanh(getattr(bp, name)(x, weight, **options)))

    f = bp.value_and_grad(loss, argnums=(0, 1))
    arguments = [a if axis == 0 else a[0] for a, axis in zip((x, weight), axes, strict=True)]
    values, grads = bp.vmap(f, in_axes=axes)(*arguments)
    for i in range(3):
        value, others = f(*(a[i] if axis == 0 else a for a, axis in zip(arguments, axes, strict=True)))
        np.testing.assert_allclose(values[i], value, rtol=1e-12)
        for own, other in zip(grads, others, strict=True):
            np.testing.assert_allclose(own[i], other, atol=1e-12)


def test_a_network_of_convolutions_is_saved_and_loaded(tmp_path):
    x = bp.input((None, 6, 6, 2), name="x")
    weight = bp.parameter((3, 3, 3, 2), name="weight")
    up = bp.parameter((3, 2, 2, 1), name="up")
    y = bp.conv2d_transpose(bp.relu(bp.conv2d(x, weight, 2, 1)), up, 2, dilation=3)
    model = bp.Network(x, y, seed=0)
    model.save(tmp_path / "m.safetensors")
    images = generator("saved").standard_normal((4, 6, 6, 2)).astype("f4")
    np.testing.assert_array_equal(bp.load(tmp_path / "m.safetensors").predict(images), model.predict(images))


def test_the_first_filters_start_by_all_that_they_read():
    weight = bp.parameter((64, 5, 5, 8), name="weight", initializer="he_uniform")
    x = bp.input((None, 5, 5, 8))
    values = bp.Network(x, bp.conv2d(x, weight), seed=0).parameters()["weight"]
    assert np.abs(values).max() == pytest.approx(math.sqrt(6 / (5 * 5 * 8)), rel=1e-3)


X, W = bp.input((None, 5, 5, 4)), bp.constant(np.zeros((6, 3, 3, 4), np.float32))
REFUSED = {
    "a kernel beyond the image": (lambda: bp.conv2d(bp.input((None, 2, 5, 4)), W), r"reaches over 3, beyond the 2"),
    "channels": (lambda: bp.conv2d(bp.input((None, 5, 5, 3)), W), r"filters must have 3 channels.*got \(6, 3, 3, 4\)"),
    "groups": (lambda: bp.conv2d(X, W, groups=3), "groups must divide the channels on both sides, 4 and 6, got 3"),
    "no groups": (lambda: bp.conv2d(X, W, groups=0), "groups must divide"),
    "no stride": (lambda: bp.conv2d(X, W, stride=0), "stride must be within 1"),
    "three strides": (lambda: bp.conv2d(X, W, stride=(1, 1, 1)), "stride takes one number, or 2, got 3"),
    "less padding than none": (lambda: bp.conv2d(X, W, padding=-1), "padding must be within 0"),
    "unknown padding": (lambda: bp.conv2d(X, W, padding="full"), r'padding must be "valid", "same", "causal"'),
    "more padding than memory": (lambda: bp.conv2d(X, W, padding=2**28), "at most 268435455 elements with padding"),
    "rank": (lambda: bp.conv2d(bp.input((None, 5, 4)), W), r"x has 4 dimensions, got \(batch, 5, 4\)"),
    "extra beyond the stride": (
        lambda: bp.conv2d_transpose(bp.input((None, 2, 2, 6)), W, stride=2, output_padding=2),
        "within 0 and the stride less 1, 1, got 2",
    ),
    "same size of a transpose": (lambda: bp.conv2d_transpose(X, W, padding="same"), "does not follow from it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_windows_beyond_all_memory_end_in_an_error():
    f = bp.compile(lambda x, w: bp.conv2d(x, w, stride=2**27, padding=2**27 - 8, dilation=2**27))
    with pytest.raises((ValueError, MemoryError)):
        f(np.ones((1, 16, 16, 64), np.float32), np.ones((4, 2, 2, 64), np.float32))


def test_a_stride_that_is_no_number_is_a_type_error():
    with pytest.raises(TypeError, match="stride"):
        bp.conv2d(X, W, stride=1.5)
