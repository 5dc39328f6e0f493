"""Pooling beside PyTorch's, over any sizes, and at its edges: ties, nan, infinities, threads, files."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings

import backpass as bp
from registry import ISAS, generator, using_isa
from registry_images import windows

torch = pytest.importorskip("torch", reason="PyTorch is what this is compared with")
functional = torch.nn.functional

SMALL = st.integers(1, 3)


@st.composite
def poolings(draw, dilates):
    kernel = draw(SMALL), draw(SMALL)
    options = {
        "stride": (draw(SMALL), draw(SMALL)),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel),
        "ceil_mode": draw(st.booleans()),
    }
    if dilates:
        options["dilation"] = (draw(SMALL), draw(SMALL))
    size = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    for i in (0, 1):
        assume(size[i] + 2 * options["padding"][i] > options.get("dilation", (1, 1))[i] * (kernel[i] - 1))
    # PyTorch writes beyond its memory where a window has padding alone.
    assume(all(inside.size for _, _, inside, _ in windows(np.ones((1, *size, 1)), kernel, **options)))
    return (draw(st.integers(0, 3)), *size, draw(st.sampled_from((1, 3, 17)))), kernel, options


def check_with_torch(name, shape, arguments, options):
    rng = generator(name, *shape)
    x = rng.permutation(np.prod(shape)).reshape(shape) / 7.0  # no ties

    def ours(x):
        y = getattr(bp, name)(x, *arguments, **options)
        return bp.sum(y * bp.cos(y)), y

    def theirs(x):
        y = getattr(functional, name)(x.permute(0, 3, 1, 2), *arguments, **options).permute(0, 2, 3, 1)
        return (y * torch.cos(y)).sum(), y

    (_, y), grad = bp.value_and_grad(ours, has_aux=True)(x)
    other = torch.tensor(x, requires_grad=True)
    loss, wanted = theirs(other)
    loss.backward()
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(grad, other.grad.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.row("G4")
@given(poolings(dilates=True))
@settings(max_examples=80, deadline=None)
def test_any_max_pooling_is_pytorch_s(case):
    shape, kernel, options = case
    check_with_torch("max_pool2d", shape, (kernel,), options)


@pytest.mark.row("G4")
@given(poolings(dilates=False), st.booleans())
@settings(max_examples=80, deadline=None)
def test_any_mean_pooling_is_pytorch_s(case, count_include_pad):
    shape, kernel, options = case
    check_with_torch("avg_pool2d", shape, (kernel,), options | {"count_include_pad": count_include_pad})


@given(st.sampled_from(("adaptive_avg_pool2d", "adaptive_max_pool2d")), *(st.integers(1, 7) for _ in range(4)))
@settings(max_examples=60, deadline=None)
def test_any_adaptive_pooling_is_pytorch_s(name, height, width, down, across):
    check_with_torch(name, (2, height, width, 3), ((down, across),), {})


def gradient_of_max(x, **options):
    return bp.grad(lambda x: bp.sum(bp.max_pool2d(x, 2, **options)))(np.asarray(x, float)[None, ..., None])[0, ..., 0]


@pytest.mark.row("G4")
def test_of_equal_elements_the_first_gets_the_gradient():
    np.testing.assert_array_equal(gradient_of_max([[1, 1], [1, 1]]), [[1, 0], [0, 0]])
    np.testing.assert_array_equal(gradient_of_max([[0, 1], [1, 1]]), [[0, 1], [0, 0]])
    np.testing.assert_array_equal(gradient_of_max([[3, 1, 3], [1, 2, 1]], stride=1), [[1, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(gradient_of_max(np.full((2, 2), -np.inf)), [[1, 0], [0, 0]])


def test_a_window_of_padding_alone_is_minus_infinity_and_gets_no_gradient():
    options = {"stride": (3, 2), "padding": (1, 0), "dilation": (2, 1)}

    def f(x):
        y = bp.max_pool2d(x, (2, 1), **options)
        return bp.sum(y), y

    (_, y), grad = bp.value_and_grad(f, has_aux=True)(np.ones((1, 1, 5, 1)))
    np.testing.assert_array_equal(y, np.full((1, 1, 3, 1), -np.inf))
    np.testing.assert_array_equal(grad, np.zeros((1, 1, 5, 1)))


@pytest.mark.parametrize("isa", ISAS)
def test_nan_is_the_greatest(isa):
    x = np.arange(64.0).reshape(1, 4, 4, 4)
    x[0, 0, 0, 1] = x[0, 3, 2, 2] = np.nan
    with using_isa(isa):
        y = bp.compile(lambda x: bp.max_pool2d(x, 2))(x)
        grad = bp.grad(lambda x: bp.sum(bp.max_pool2d(x, 2)))(x)
    wanted = functional.max_pool2d(torch.tensor(x).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(y, wanted)
    assert grad.sum() == 16
    assert grad[0, 0, 0, 1] == grad[0, 3, 2, 2] == 1


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [(3, 9, 8, 5), (1, 30, 30, 200), (70, 8, 8, 16)], ids=str)
def test_pooling_is_the_same_on_any_number_of_threads_and_isa(shape, isa):
    x = generator("threads", *shape).standard_normal(shape).astype("f4")

    def f(x):
        y = bp.max_pool2d(x, 3, stride=2, padding=1) + bp.avg_pool2d(x, 3, stride=2, padding=1)
        return bp.sum(bp.square(y)), y

    before, results = bp.get_threads(), []
    try:
        with using_isa(isa):
            for threads in (1, 3):
                bp.set_threads(threads)
                (_, y), grad = bp.value_and_grad(f, has_aux=True)(x)
                results.append((y, grad))
    finally:
        bp.set_threads(before)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    turned = torch.tensor(x.astype("f8"), requires_grad=True)
    z = turned.permute(0, 3, 1, 2)
    wanted = functional.max_pool2d(z, 3, 2, 1) + functional.avg_pool2d(z, 3, 2, 1)
    (wanted**2).sum().backward()
    np.testing.assert_allclose(results[0][0], wanted.detach().permute(0, 2, 3, 1).numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[0][1], turned.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_series_are_images_of_height_one():
    x = generator("series").standard_normal((2, 9, 3))
    y = bp.compile(lambda x: [bp.max_pool1d(x, 3, 2, 1), bp.avg_pool1d(x, 2), bp.adaptive_avg_pool1d(x, 4),
                              bp.adaptive_max_pool1d(x, 1)])(x)  # fmt: skip
    z = torch.tensor(np.moveaxis(x, -1, 1).copy())
    wanted = [functional.max_pool1d(z, 3, 2, 1), functional.avg_pool1d(z, 2), functional.adaptive_avg_pool1d(z, 4),
              functional.adaptive_max_pool1d(z, 1)]  # fmt: skip
    for own, other in zip(y, wanted, strict=True):
        np.testing.assert_allclose(own, np.moveaxis(other.numpy(), 1, -1), atol=1e-12)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_mapped_pooling_is_that_of_the_elements(name):
    x = generator("mapped", name).standard_normal((3, 2, 5, 4, 2))
    f = bp.value_and_grad(lambda x: bp.sum(bp.square(getattr(bp, name)(x, 3, stride=2, padding=1))))
    values, grads = bp.vmap(f)(x)
    for i in range(3):
        value, grad = f(x[i])
        np.testing.assert_allclose(values[i], value, rtol=1e-12)
        np.testing.assert_array_equal(grads[i], grad)


def test_pooling_is_saved_and_loaded(tmp_path):
    x = bp.input((None, 6, 7, 2), name="x")
    y = [bp.max_pool2d(x, 3, 2, 1, ceil_mode=True), bp.avg_pool2d(x, 2, padding=1, count_include_pad=False),
         bp.adaptive_max_pool2d(x, (2, 3)), bp.adaptive_avg_pool2d(x, 4)]  # fmt: skip
    model = bp.Network(x, y, seed=0)
    model.save(tmp_path / "m.safetensors")
    images = generator("saved pooling").standard_normal((4, 6, 7, 2)).astype("f4")
    for own, other in zip(bp.load(tmp_path / "m.safetensors").predict(images), model.predict(images), strict=True):
        np.testing.assert_array_equal(own, other)


X = bp.input((None, 5, 5, 4))
REFUSED = {
    "padding": (lambda: bp.max_pool2d(X, 3, padding=2), "padding is at most half the window, 1, got 2"),
    "no window": (lambda: bp.avg_pool2d(X, 0), "at least one|one element at least, got 0"),
    "beyond the image": (lambda: bp.max_pool2d(X, 6), "reaches over 6, beyond the 5"),
    "no size": (lambda: bp.adaptive_avg_pool2d(X, 0), "size of the output must be positive, got 0"),
    "rank": (lambda: bp.max_pool1d(X, 2), r"x has 3 dimensions, got \(batch, 5, 5, 4\)"),
    "integers": (lambda: bp.max_pool2d(bp.input((None, 5, 5, 4), "int32"), 2), "takes a real tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_a_window_that_is_too_large_is_refused_by_its_name(name):
    with pytest.raises(ValueError, match=rf"\[{name}\] a kernel of 5 elements reaches over 5, beyond the 3"):
        getattr(bp, name)(bp.input((1, 3, 3, 1)), 5)
