"""Networks of images with PyTorch's weights."""

import numpy as np
import pytest

import backpass as bp
from backpass.exchange import load_torch, to_torch
from registry import generator

torch = pytest.importorskip("torch", reason="what is compared with is not installed")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv1(torch.relu(self.bn1(x)))


def lenet():
    theirs = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 4 * 3, 30), nn.ReLU(), nn.Dropout(0.1), nn.Linear(30, 10))  # fmt: skip
    ours = [bp.Conv2d(6, 5, padding=2, activation="relu"), bp.MaxPool2d(2), bp.Conv2d(16, 5, activation="relu"),
            bp.MaxPool2d(2), bp.Flatten(), bp.Dropout(0.1), bp.Dense(30, activation="relu"), bp.Dense(10)]  # fmt: skip
    return theirs, ours, (24, 20, 1)


def resnet():
    theirs = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), Block(8),
        nn.Conv2d(8, 12, 3, 2, 1, groups=4), Block(12), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(48, 5))  # fmt: skip

    def block(channels):
        return bp.Residual(bp.BatchNorm(), bp.ReLU(), bp.Conv2d(channels, 3, padding="same"))

    ours = [bp.Conv2d(8, 3, padding=1, bias=False), bp.BatchNorm(), bp.ReLU(), block(8),
            bp.Conv2d(12, 3, 2, 1, groups=4), block(12), bp.AdaptiveAvgPool2d(2), bp.Flatten(),
            bp.Dense(5)]  # fmt: skip
    return theirs, ours, (9, 8, 3)


def decoder():
    theirs = nn.Sequential(
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), nn.GroupNorm(2, 6), nn.Tanh(),
        nn.BatchNorm2d(6, affine=False),
        nn.Conv2d(6, 12, 3, groups=6), nn.Upsample(scale_factor=2), nn.Conv2d(12, 1, 1))  # fmt: skip
    ours = [bp.ConvTranspose2d(6, 3, stride=2, padding=1, output_padding=1), bp.GroupNorm(2), bp.Tanh(),
            bp.BatchNorm(affine=False), bp.DepthwiseConv2d(3, 2), bp.Upsample(2), bp.Conv2d(1, 1)]  # fmt: skip
    return theirs, ours, (3, 4, 4)


def series():
    theirs = nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 6, 2))
    return theirs, [bp.Conv1d(5, 3, activation="relu"), bp.Flatten(), bp.Dense(2)], (8, 3)


def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(24, 2)), [bp.Flatten(), bp.Dense(2)], (3, 4, 2)


NETWORKS = {"lenet": lenet, "resnet": resnet, "decoder": decoder, "series": series, "flat": flat}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_and_go(name, dtype):
    module, layers, shape = NETWORKS[name]()
    module = module.to(getattr(torch, dtype))
    x = generator(name).standard_normal((3, *shape)).astype(dtype)
    with torch.no_grad():
        for buffer in module.buffers():  # running statistics that are not those of the start
            if buffer.is_floating_point():
                buffer.copy_(torch.rand_like(buffer) + 0.5)
        module.eval()
        wanted = module(torch.tensor(x).movedim(-1, 1))
    wanted = (wanted.movedim(1, -1) if wanted.ndim > 2 else wanted).numpy()
    model = bp.Sequential(*layers, input_shape=shape, seed=0, dtype=dtype)
    load_torch(model, module.state_dict())
    tolerance = 1e-5 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(model.predict(x), wanted, rtol=tolerance, atol=tolerance)
    theirs = {name: value.numpy() for name, value in module.state_dict().items() if "num_batches" not in name}
    for value, own in zip(sorted(theirs.items()), sorted(_renamed(to_torch(model), theirs).items()), strict=True):
        assert value[0] == own[0]
        np.testing.assert_array_equal(value[1], own[1])


def _renamed(ours, theirs):
    """Our arrays under their names: layers in their order."""
    layers = sorted({name.rpartition(".")[0] for name in ours}, key=lambda layer: [*map(int, layer.split("."))])
    others = dict.fromkeys(name.rpartition(".")[0] for name in theirs)
    names = dict(zip(layers, others, strict=True))
    return {f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value for name, value in ours.items()}


def test_what_does_not_fit_is_refused_and_changes_nothing():
    module, layers, shape = lenet()
    model = bp.Sequential(*layers, input_shape=shape, seed=0)
    before, given = model.state_dict(), module.state_dict()
    short = {name: value for name, value in given.items() if not name.startswith("10.")}
    with pytest.raises(
        ValueError, match=r"\[load_torch\] the model has 4 layers with weights, .*; the state dict has 3"
    ):
        load_torch(model, short)
    with pytest.raises(ValueError, match=r"\[load_torch\] layer '7' has \['bias', 'weight'\], '10' has \['weight'\]"):
        load_torch(model, {name: value for name, value in given.items() if name != "10.bias"})
    with pytest.raises(ValueError, match=r"must have shape"):
        load_torch(model, {**given, "0.weight": torch.zeros(6, 1, 3, 3)})
    with pytest.raises(ValueError, match=r"the model has 4 layers with weights, .*; the state dict has 5"):
        load_torch(model, {**to_torch(model), "99.weight": np.zeros((2, 2))})  # all of ours by name, and one more
    with pytest.raises(TypeError, match=r"\[load_torch\] takes a model of backpass, got Sequential"):
        load_torch(module, given)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
