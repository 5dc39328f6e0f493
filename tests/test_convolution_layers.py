"""Layers that convolve, beside PyTorch's, and in models."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

torch = pytest.importorskip("torch", reason="PyTorch is what this is compared with")

IMAGES = (5, 9, 8, 4)
SERIES = (5, 12, 4)

CASES = {
    "Conv2d": (lambda: bp.Conv2d(6, (3, 2), stride=(2, 1), padding=(1, 2), groups=2, activation="tanh"),
               lambda: torch.nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), groups=2), IMAGES),
    "Conv2d, same": (lambda: bp.Conv2d(3, 3, padding="same", activation="tanh"),
                     lambda: torch.nn.Conv2d(4, 3, 3, padding="same"), IMAGES),
    "Conv1d": (lambda: bp.Conv1d(6, 3, stride=2, dilation=2, padding=2, activation="tanh"),
               lambda: torch.nn.Conv1d(4, 6, 3, 2, 2, 2), SERIES),
    "ConvTranspose2d": (
        lambda: bp.ConvTranspose2d(6, 3, stride=2, padding=1, output_padding=1, groups=2, activation="tanh"),
        lambda: torch.nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), IMAGES),
    "ConvTranspose1d": (lambda: bp.ConvTranspose1d(6, 4, stride=3, dilation=2, activation="tanh"),
                        lambda: torch.nn.ConvTranspose1d(4, 6, 4, 3, dilation=2), SERIES),
    "DepthwiseConv2d": (lambda: bp.DepthwiseConv2d(3, 2, padding=1, activation="tanh"),
                        lambda: torch.nn.Conv2d(4, 8, 3, padding=1, groups=4), IMAGES),
}  # fmt: skip


def channels_last(array):
    return np.moveaxis(np.asarray(array), 1, -1)


@pytest.mark.parametrize("name", CASES)
def test_layers_are_pytorch_s_with_the_same_weights(name):
    make, theirs, shape = CASES[name]
    layer, other = bp.Sequential(make(), input_shape=shape[1:], dtype="float64", seed=0), theirs().double()
    layer.load_state_dict({"0.weight": channels_last(other.weight.detach()), "0.bias": other.bias.detach().numpy()})
    x = generator("layers", name).standard_normal(shape)
    y = torch.tanh(other(torch.tensor(np.moveaxis(x, -1, 1).copy())))
    np.testing.assert_allclose(layer.predict(x), channels_last(y.detach()), atol=1e-12)
    torch.sum(y * y).backward()
    f, parameters = layer.functional()
    grads = bp.grad(lambda p: bp.sum(bp.square(f(p, x))))(parameters)
    np.testing.assert_allclose(grads["0.weight"], channels_last(other.weight.grad), atol=1e-10)
    np.testing.assert_allclose(grads["0.bias"], other.bias.grad.numpy(), atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_layers_are_saved_described_and_checked_by_central_differences(name, tmp_path):
    make, _, shape = CASES[name]
    model = bp.Sequential(make(), bp.Flatten(), bp.Dense(2), input_shape=shape[1:], dtype="float64", seed=1)
    x = generator("saved layers", name).standard_normal((3, *shape[1:]))
    assert bp.gradcheck(model, bp.MSE(), x, np.ones((3, 2))) < 1e-6
    model.save(tmp_path / "m.safetensors")
    loaded = bp.load(tmp_path / "m.safetensors")
    assert loaded.layers == model.layers
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert eval(repr(model.layers[0]), vars(bp)) == model.layers[0]
    assert type(model.layers[0]).__name__ in str(model.summary())
    assert model.output_shape == (2,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.Conv2d(6, 3, groups=4), "groups must divide the channels of the input, 3, got 4"),
        (lambda: bp.Conv2d(4, 3, groups=3), "groups must divide filters, 4, got 3"),
        (lambda: bp.Conv2d(4, (3, 3, 3)), "kernel_size takes one number, or 2, got 3"),
        (lambda: bp.Conv2d(4, 3, padding=(1, 2, 3)), "padding takes one number, or 2, or 4, got 3"),
        (lambda: bp.Conv2d(4, 3, padding="full"), 'padding must be "valid", "same", "causal" or numbers, got "full"'),
        (lambda: bp.ConvTranspose2d(4, 3, padding="same"), "the size of the output does not follow"),
        (lambda: bp.Conv2d(4, 9), "a kernel of 9 elements reaches over 9, beyond the 8"),
        (lambda: bp.Conv1d(4, 3), r"needs an input of shape \(batch, time, channels\), got \(batch, 8, 8, 3\)"),
    ],
)
def test_layers_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        bp.Sequential(make(), input_shape=(8, 8, 3))


@pytest.mark.parametrize("wrong", ["three", 3.0, (3, None)])
def test_settings_that_are_no_integers_are_refused(wrong):
    with pytest.raises(TypeError, match="kernel_size must be an integer"):
        bp.Conv2d(4, wrong)


@pytest.mark.parametrize("settings", [{"filters": 0}, {"kernel_size": 0}, {"stride": 0}, {"dilation": -1}], ids=str)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be positive"):
        bp.Conv2d(**({"filters": 2, "kernel_size": 3} | settings))


@pytest.mark.row("G3")
def test_a_convolutional_network_reads_digits():
    x, y = bp.datasets.load_digits()
    x = x.reshape(-1, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(x))
    train, held_out = order[:1437], order[1437:]
    model = bp.Sequential(
        bp.Conv2d(32, 3, padding="same", activation="relu"),
        bp.Conv2d(64, 3, stride=2, padding=1, activation="relu"),
        bp.Flatten(),
        bp.Dropout(0.4),
        bp.Dense(10),
        input_shape=(8, 8, 1),
        seed=0,
    )
    model.fit(x[train], y[train], loss="cross_entropy", optimizer=bp.Adam(2e-3), epochs=25, batch_size=32)
    assert model.evaluate(x[held_out], y[held_out], metrics=["accuracy"])["accuracy"] >= 0.98
