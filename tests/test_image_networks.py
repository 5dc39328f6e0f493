"""Small networks of the kinds that read images and sounds: they learn what they are given."""

import numpy as np
import pytest

import backpass as bp


def digits():
    x, y = bp.datasets.load_digits()
    return x.reshape(-1, 8, 8, 1), y


def vgg():
    return [
        *(bp.Conv2d(16, 3, padding="same", activation="relu") for _ in range(2)),
        bp.MaxPool2d(2),
        *(bp.Conv2d(32, 3, padding="same", activation="relu") for _ in range(2)),
        bp.MaxPool2d(2),
        bp.Flatten(),
        bp.Dense(64, activation="relu"),
    ]


def resnet():
    def block(filters):
        return bp.Residual(
            bp.Conv2d(filters, 3, padding="same", bias=False), bp.BatchNorm(), bp.ReLU(),
            bp.Conv2d(filters, 3, padding="same", bias=False), bp.BatchNorm(),
        )  # fmt: skip

    return [
        bp.Conv2d(16, 3, padding="same", bias=False), bp.BatchNorm(), bp.ReLU(), block(16), bp.ReLU(),
        bp.Conv2d(32, 3, stride=2, padding=1, bias=False), bp.BatchNorm(), bp.ReLU(), block(32), bp.ReLU(),
        bp.GlobalAvgPool(),
    ]  # fmt: skip


def mobilenet():
    def separable(filters, stride):
        return [
            bp.DepthwiseConv2d(3, stride=stride, padding=1, bias=False), bp.BatchNorm(), bp.ReLU6(),
            bp.Conv2d(filters, 1, bias=False), bp.BatchNorm(), bp.ReLU6(),
        ]  # fmt: skip

    return [
        bp.Conv2d(16, 3, padding="same", bias=False), bp.BatchNorm(), bp.ReLU6(),
        *separable(32, 1), *separable(64, 2), bp.GlobalAvgPool(),
    ]  # fmt: skip


@pytest.mark.row("G5")
@pytest.mark.parametrize("make", [vgg, resnet, mobilenet], ids=lambda make: make.__name__)
def test_networks_of_all_kinds_learn_64_images_by_heart(make):
    x, y = digits()
    x, y = x[:64], y[:64]
    model = bp.Sequential(*make(), bp.Dense(10), input_shape=(8, 8, 1), seed=0)
    model.fit(x, y, loss="cross_entropy", optimizer=bp.Adam(5e-3), epochs=60, batch_size=16)
    assert model.evaluate(x, y, metrics=["accuracy"])["accuracy"] == 1


def spectrum(waves, window=64, step=32):
    """The magnitudes of short-time Fourier transforms: (n, times, frequencies)."""
    frames = np.lib.stride_tricks.sliding_window_view(waves, window, axis=1)[:, ::step]
    return np.abs(np.fft.rfft(frames * np.hanning(window), axis=2)).astype(np.float32)


@pytest.mark.row("G20")
def test_tones_in_noise_are_told_apart_by_their_spectrum():
    rng = np.random.default_rng(0)
    tones = np.array([0.05, 0.09, 0.14, 0.2, 0.3])  # cycles per sample
    label = rng.integers(0, len(tones), 600)
    t = np.arange(512)
    phase, pitch = rng.uniform(0, 2 * np.pi, (600, 1)), tones[label][:, None] * rng.uniform(0.95, 1.05, (600, 1))
    x = spectrum(np.sin(2 * np.pi * pitch * t + phase) + 0.5 * rng.standard_normal((600, 512)))
    model = bp.Sequential(
        bp.Conv1d(32, 3, activation="relu"), bp.MaxPool1d(2), bp.Conv1d(32, 3, activation="relu"), bp.GlobalAvgPool(),
        bp.Dense(len(tones)), input_shape=x.shape[1:], seed=0,
    )  # fmt: skip
    model.fit(x[:400], label[:400], loss="cross_entropy", optimizer=bp.Adam(3e-3), epochs=20, batch_size=32)
    assert model.evaluate(x[400:], label[400:], metrics=["accuracy"])["accuracy"] >= 0.99
