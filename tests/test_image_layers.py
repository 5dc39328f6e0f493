"""Norms over groups, and layers that change the size of images, beside PyTorch's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import generator

torch = pytest.importorskip("torch", reason="what is compared with is not installed")


def drawn(*shape):
    return generator("images", *shape).standard_normal(shape)


def first(x):
    """Channels first."""
    return x.movedim(-1, 1)


def check(layer, x, theirs, tolerance=1e-10):
    """Values and the gradient of the input; `theirs` takes and gives channels last."""
    model = bp.Sequential(layer, input_shape=x.shape[1:], seed=0, dtype="float64")
    own, other = bp.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    found, wanted = model(own), theirs(other)
    np.testing.assert_allclose(found.numpy(), wanted.detach().numpy(), rtol=tolerance, atol=tolerance)
    by = drawn(*wanted.shape)
    bp.sum(found * by).backward()
    (wanted * torch.tensor(by)).sum().backward()
    np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), rtol=1e-8, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(1, 3), st.sampled_from([(), (4,), (3, 5), (2, 3, 2)]), st.integers(1, 3), st.integers(2, 3))
def test_group_norm(batch, places, groups, each):
    x = drawn(batch, *places, groups * each)
    check(bp.GroupNorm(groups), x, lambda t: torch.nn.functional.group_norm(first(t), groups).movedim(1, -1), 1e-8)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 4, 3, 2)])
def test_instance_norm(shape):
    check(bp.InstanceNorm(), drawn(*shape), lambda t: torch.nn.functional.instance_norm(first(t)).movedim(1, -1), 1e-9)


def test_norms_of_groups_have_pytorchs_parameters():
    module = torch.nn.GroupNorm(2, 6)
    with torch.no_grad():
        module.weight.copy_(torch.arange(6.0)), module.bias.copy_(torch.arange(6.0) / 3)
    model = bp.Sequential(bp.GroupNorm(2), input_shape=(4, 4, 6), seed=0)
    model.load_state_dict({f"0.{name}": value.detach().numpy() for name, value in module.state_dict().items()})
    x = drawn(2, 4, 4, 6).astype("f4")
    wanted = module(torch.tensor(x).movedim(-1, 1)).movedim(1, -1).detach().numpy()
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-5)


@settings(max_examples=30)
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.sampled_from(["nearest", "linear"])
)
def test_upsampling(height, width, down, across, mode):
    theirs = "nearest" if mode == "nearest" else "bilinear"
    options = {} if mode == "nearest" else {"align_corners": False}

    def upsampled(t):
        return torch.nn.functional.interpolate(first(t), scale_factor=(down, across), mode=theirs, **options).movedim(
            1, -1
        )

    check(bp.Upsample((down, across), mode=mode), drawn(2, height, width, 3), upsampled)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsampling_of_series(mode):
    def upsampled(t):
        return torch.nn.functional.interpolate(first(t), scale_factor=3, mode=mode).movedim(1, -1)

    check(bp.Upsample(3, mode=mode), drawn(2, 5, 2), upsampled)


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_pixels_are_shuffled_and_back(height, width, channels, r):
    shuffle, unshuffle = torch.nn.functional.pixel_shuffle, torch.nn.functional.pixel_unshuffle
    x = drawn(2, height, width, channels * r * r)
    check(bp.PixelShuffle(r), x, lambda t: shuffle(first(t), r).movedim(1, -1))
    y = drawn(2, height * r, width * r, channels)
    check(bp.PixelUnshuffle(r), y, lambda t: unshuffle(first(t), r).movedim(1, -1))


@pytest.mark.parametrize(("padding", "around"), [
    (2, ((2, 2), (2, 2))), ((1, 3), ((1, 1), (3, 3))), (((0, 1), (2, 0)), ((0, 1), (2, 0))), (0, ((0, 0), (0, 0))),
], ids=str)  # fmt: skip
def test_zeros_around_images(padding, around):
    x = drawn(2, 3, 4, 2)
    model = bp.Sequential(bp.ZeroPad2d(padding), input_shape=x.shape[1:], dtype="float64")
    np.testing.assert_array_equal(model.predict(x), np.pad(x, ((0, 0), *around, (0, 0))))
    series = bp.Sequential(bp.ZeroPad1d([around[0]]), input_shape=x.shape[2:], dtype="float64")
    np.testing.assert_array_equal(series.predict(x[:, 0]), np.pad(x[:, 0], ((0, 0), around[0], (0, 0))))


@pytest.mark.parametrize("layers", [
    [bp.GroupNorm(2), bp.Upsample(2)], [bp.InstanceNorm(affine=True), bp.PixelShuffle(2)],
    [bp.ZeroPad2d(1), bp.Upsample((1, 3), "linear"), bp.PixelUnshuffle(3)],
], ids=["groups", "shuffle", "pad"])  # fmt: skip
def test_they_train_and_are_saved(layers, tmp_path):
    x, y = drawn(4, 4, 4, 4).astype("f4"), drawn(4, 1).astype("f4")
    model = bp.Sequential(
        bp.Conv2d(4, 3, padding="same"), *layers, bp.Flatten(), bp.Dense(1), input_shape=(4, 4, 4), seed=0
    )
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6
    model.fit(x, y, epochs=2, loss=bp.MSE(), optimizer=bp.Adam(1e-3), progress=False)
    model.save(tmp_path / "m.safetensors")
    other = bp.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert repr(other.layers) == repr(model.layers)
    assert model.predict(x[:0]).shape == (0, 1)


@pytest.mark.parametrize(("make", "shape", "message"), [
    (lambda: bp.GroupNorm(0), (4,), r"\[GroupNorm\] num_groups must be positive"),
    (lambda: bp.GroupNorm(3), (4,), r"\[GroupNorm\] num_groups must divide the channels, 4, got 3"),
    (lambda: bp.InstanceNorm(), (4,), r"\[InstanceNorm\] needs an input of shape \(batch, ..., channels\)"),
    (lambda: bp.Upsample(0), (4, 4, 1), r"\[Upsample\] scale_factor must be positive"),
    (lambda: bp.Upsample(2, mode="cubic"), (4, 4, 1), r"mode must be"),
    (lambda: bp.Upsample((2, 2)), (4, 1), r"\[Upsample\] scale_factor takes one number"),
    (lambda: bp.Upsample(2), (4,), r"\[Upsample\] needs an input of shape"),
    (lambda: bp.PixelShuffle(2), (2, 2, 6), r"the square of upscale_factor must divide the channels, 6"),
    (lambda: bp.PixelUnshuffle(2), (3, 2, 6), r"downscale_factor must divide height and width, 3 and 2"),
    (lambda: bp.ZeroPad2d("same"), (3, 2, 6), r"\[ZeroPad2d\] padding takes numbers"),
    (lambda: bp.ZeroPad2d(-1), (3, 2, 6), r"\[ZeroPad2d\] padding must not be negative"),
    (lambda: bp.ZeroPad1d((1, 2, 3)), (3, 2), r"\[ZeroPad1d\] padding takes one number, or 1, or 2, got 3"),
], ids=range(12))  # fmt: skip
def test_what_does_not_fit_is_refused(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make()(bp.Input(shape))
