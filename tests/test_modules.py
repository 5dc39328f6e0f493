"""Modules: classes in the style of PyTorch, whose forward is any Python."""

import numpy as np
import pytest

import backpass as bp
from backpass import _core
from backpass.layers._fixed import LAYERS
from registry import DTYPES, generator


def data(rows=16, dtype="float32"):
    rng = generator("modules")
    return rng.standard_normal((rows, 3)).astype(dtype), rng.standard_normal((rows, 1)).astype(dtype)


class Net(bp.Module):
    def __init__(self, **options):
        super().__init__(**options)
        self.first = bp.Dense(8, activation="tanh")
        self.last = bp.Dense(1)

    def forward(self, x):
        return self.last(self.first(x))


def train(call, optimizer, x, y, turns=20):
    losses = []
    for _ in range(turns):
        optimizer.zero_grad()
        loss = bp.MSE()(call(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


@pytest.mark.row("X1")
def test_a_class_of_pytorch_with_control_flow():
    class Net(bp.Module):
        def __init__(self, hidden):
            super().__init__(seed=0)
            self.fc1 = bp.Dense(hidden)
            self.fc2 = bp.Dense(hidden)
            self.out = bp.Dense(1)
            self.scale = bp.Parameter([1.0])
            self.turns = []

        def forward(self, x):
            x = bp.tanh(self.fc1(x))
            turns = 0
            while float(bp.norm(x)) > 1 and turns < 3:
                x = bp.tanh(self.fc2(x))
                turns += 1
            self.turns.append(turns)
            if self.training:
                x = x * self.scale
            return self.out(x)

    X = bp.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    Y = bp.tensor([[0.0], [1.0], [1.0], [0.0]])
    model = Net(16)
    criterion = bp.MSE()
    optimizer = bp.optimizers.Adam(model.parameters(), lr=0.01)
    model.train()
    for _ in range(400):
        optimizer.zero_grad()
        loss = criterion(model(X), Y)
        loss.backward()
        optimizer.step()
        if loss.item() < 1e-3:
            break
    assert loss.item() < 1e-2
    assert set(model.turns) <= {0, 1, 2, 3}
    model.eval()
    assert not model.training
    with bp.no_grad():
        assert model(X).shape == (4, 1)
    assert sum(p.numel() for p in model.parameters()) == model.n_parameters == 3 * 16 + 17 * 16 + 17 + 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bits_of_the_sequential_of_the_same_layers(dtype):
    x, y = data(dtype=dtype)
    net = Net(dtype=dtype)
    net(x)
    model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(1), input_shape=3, dtype=dtype)
    state = net.state_dict().items()
    model.load_weights({name.replace("first", "0").replace("last", "1"): value for name, value in state})
    ours = train(net, bp.Adam(net.parameters(), lr=0.05), x, y)
    assert ours == train(model, bp.Adam(model.parameters(), lr=0.05), x, y)
    np.testing.assert_array_equal(net(x).numpy(), model.predict(x))
    for value, expected in zip(net.state_dict().values(), model.state_dict().values(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_names_are_those_of_pytorch():
    class Part(bp.Module):
        def __init__(self):
            super().__init__()
            self.layers = [bp.Dense(3), bp.ReLU(), bp.Dense(3)]
            self.gain = bp.Parameter(np.ones(3, np.float32))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x * self.gain

    class Whole(bp.Module):
        def __init__(self):
            super().__init__()
            self.heads = {"a": bp.Dense(1), "b": bp.Dense(2)}
            self.part = Part()
            self.whole = bp.Sequential(bp.Dense(3), bp.BatchNorm(), input_shape=3)
            self.again = self.part
            self.rate = 3

        def forward(self, x, head):
            return self.heads[head](self.whole(self.part(x)))

    net = Whole()
    x = data()[0]
    assert net(x, "a").shape == (16, 1)
    assert net(x, head="b").shape == (16, 2)
    assert [name for name, _ in net.named_parameters()] == [
        "heads.a.weight", "heads.a.bias", "heads.b.weight", "heads.b.bias",
        "part.gain", "part.layers.0.weight", "part.layers.0.bias", "part.layers.2.weight", "part.layers.2.bias",
        "whole.0.weight", "whole.0.bias", "whole.1.weight", "whole.1.bias",
    ]  # fmt: skip
    assert {*net.state_dict()} - dict(net.named_parameters()).keys() == {"whole.1.running_mean", "whole.1.running_var"}
    assert [type(module).__name__ for module in net.modules()] == ["Whole", "Part"]


def test_what_is_called_later_is_trained_from_then_on():
    class Growing(Net):
        def __init__(self):
            super().__init__(seed=0)
            self.extra = bp.Dense(8, activation="tanh")
            self.deep = False

        def forward(self, x):
            h = self.first(x)
            return self.last(self.extra(h) if self.deep else h)

    x, y = data()
    net = Growing()
    optimizer = bp.Adam(net.parameters(), lr=0.01)
    train(net, optimizer, x, y, 5)
    moments = optimizer.state_dict()["slots"]["exp_avg"]
    net.deep = True
    net(x)
    before = net.state_dict()["extra.weight"]
    train(net, optimizer, x, y, 1)
    assert optimizer.steps == 6
    assert not np.array_equal(net.state_dict()["extra.weight"], before)
    after = optimizer.state_dict()["slots"]["exp_avg"]
    assert {*after} == {*moments, "extra.weight", "extra.bias"}
    gradient = dict(net.named_parameters())["first.weight"].grad.numpy()
    np.testing.assert_allclose(
        after["first.weight"], 0.9 * moments["first.weight"] + 0.1 * gradient, rtol=1e-4, atol=1e-7
    )


def test_training_and_evaluation_reach_all_layers():
    class Noisy(bp.Module):
        def __init__(self):
            super().__init__()
            self.parts = [bp.Dropout(0.5), bp.Sequential(bp.BatchNorm(), bp.Dropout(0.5), input_shape=3)]

        def forward(self, x):
            return self.parts[1](self.parts[0](x))

    net, x = Noisy(), data()[0]
    assert net.training
    with bp.no_grad():
        assert not net.training
    net.eval()
    assert (net(x).numpy() == net(x).numpy()).all()
    net.train()
    assert (net(x).numpy() != net(x).numpy()).any()


def test_dropout_before_and_behind_a_value_that_was_asked_for():
    class Twice(bp.Module):
        def __init__(self):
            super().__init__(seed=0)
            self.first, self.drop, self.again = bp.Dense(8, activation="tanh"), bp.Dropout(0.5), bp.Dropout(0.5)

        def forward(self, x):
            h = self.drop(self.first(x))
            self.kept = [h.detach().numpy()]
            h = self.again(h * 2)
            self.kept.append(h.detach().numpy())
            return h

    net, x = Twice(), data()[0]
    masks, compiled = [], []
    for _ in range(3):
        net.zero_grad()
        bp.sum(net(x)).backward()
        t = np.tanh(x @ net.state_dict()["first.weight"].T + net.state_dict()["first.bias"])
        mask = net.kept[1] / t
        assert set(np.unique(mask.round(3))) == {0.0, 8.0}
        gradient = dict(net.named_parameters())["first.bias"].grad.numpy()
        np.testing.assert_allclose(gradient, (mask * (1 - t**2)).sum(axis=0), rtol=1e-3, atol=1e-5)
        masks.append(mask.round(3).tolist())
        compiled.append(_core.eager_cache())
    assert masks[0] != masks[1]
    assert compiled[1] == compiled[2]


def test_freezing_as_in_pytorch():
    x, y = data()
    net = Net(seed=0)
    net(x)
    for w in net.first.parameters():
        w.requires_grad = False
    optimizer = bp.AdamW(net.parameters(), lr=0.05)
    before = net.state_dict()
    train(net, optimizer, x, y, 3)
    after = net.state_dict()
    assert [name for name in after if (after[name] == before[name]).all()] == ["first.weight", "first.bias"]
    assert [w.requires_grad for w in net.parameters()] == [False, False, True, True]
    assert len(net.trainable_variables) == 2
    net.requires_grad_()
    train(net, optimizer, x, y, 1)
    assert (net.state_dict()["first.weight"] != after["first.weight"]).any()
    model = bp.Sequential(bp.Dense(2), bp.Dense(1), input_shape=3, seed=0)
    model.weights[0].requires_grad = False
    assert model.frozen == ("0.weight",)
    assert [w.requires_grad for w in model.weights] == [False, True, True, True]


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4, 3)), ((2, 4, 3), (2, 3))])
def test_one_frozen_leaf_of_a_layer_is_frozen_for_inputs_of_all_shapes(shapes):
    layer, (x, z) = bp.Dense(2), (bp.tensor(np.ones(shape, "f4")) for shape in shapes)
    layer(x), layer(z)
    weight, bias = layer.parameters()
    bias.requires_grad = False
    for given in (x, z, bp.tensor(np.ones((2, 1, 1, 3), "f4"))):
        bp.sum(layer(given)).backward()
        assert not np.any(bias.grad)
        assert np.all(weight.grad.numpy() > 0)
    bias.requires_grad = True
    for given in (x, z):
        bp.sum(layer(given)).backward()
    assert bias.grad.tolist() == [10, 10]


@pytest.mark.parametrize("frozen_after", [1, 5, 40])
def test_a_frozen_leaf_stays_so_however_many_shapes_there_are(frozen_after):
    layer, shapes = bp.Dense(2), [(2, steps + 1, 3) for steps in range(40)]  # more than forms are kept for
    layer(bp.tensor(np.ones(shapes[0], "f4")))
    weight, bias = layer.parameters()
    for at, shape in enumerate(shapes):
        if at == min(frozen_after, len(shapes) - 1):
            bias.requires_grad = False
        layer(bp.tensor(np.ones(shape, "f4")))
    for shape in (shapes[0], shapes[20], shapes[-1]):
        bp.sum(layer(bp.tensor(np.ones(shape, "f4")))).backward()
        assert not np.any(bias.grad)
        assert np.all(weight.grad.numpy() > 0)
    bias.requires_grad = True
    bp.sum(layer(bp.tensor(np.ones(shapes[-1], "f4")))).backward()
    assert bias.grad.tolist() == [80, 80]


def test_what_is_not_there_yet():
    net = Net()
    with pytest.raises(RuntimeError, match=r"\[Net\] has parts without shapes, and so without parameters: first, last"):
        list(net.parameters())
    with pytest.raises(RuntimeError, match="Call it once first"):
        net.state_dict()
    optimizer = bp.SGD(net.parameters(), lr=0.1)
    optimizer.zero_grad()
    with pytest.raises(RuntimeError, match="without shapes"):
        optimizer.step()
    with pytest.raises(NotImplementedError, match=r"\[Module\] a module needs forward"):
        bp.Module()(data()[0])
    with pytest.raises(ValueError, match=r"\[Module\] dtype"):
        Net(dtype="float16")
    assert list(bp.Module().parameters()) == []
    assert bp.Module().state_dict() == {}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_may_hold_parameters_say_so(name):
    cls = LAYERS[name]
    settings = {"Dense": (2,), "Embedding": (5, 2), "Residual": (bp.Dense(4),)}
    settings |= dict.fromkeys(("Dropout", "AlphaDropout", "GaussianNoise"), (0.1,))
    settings |= {other: (3, 1) for other in LAYERS if "Conv" in other} | {"DepthwiseConv2d": (1,)}
    settings |= {other: (2,) for other in LAYERS if "Adaptive" in other}
    settings |= {other: (2, 2) for other in LAYERS if "Transformer" in other}
    settings |= dict.fromkeys(("MultiheadAttention", "GroupNorm"), (2,))
    recurrent = name.startswith(("RNN", "LSTM", "GRU"))
    settings |= {name: (3,)} if recurrent else {}
    layer = cls(*settings.get(name, ()))
    of_sequences = (
        name.endswith(("1d", "Pool", "Attention", "Encoding", "InstanceNorm", "Upsample")) or "Transformer" in name
    )
    of_sequences |= recurrent and not name.endswith("Cell")
    of_images = name.endswith(("2d", "Shuffle", "Unshuffle"))
    shape = (2, 4, 4, 4) if of_images else (2, 4, 4) if of_sequences else (2, 4)
    x = bp.tensor(np.ones(shape, np.int32 if name == "Embedding" else np.float32))
    layer(*([x, x] if name in ("Add", "Concat", "Multiply") or "Decoder" in name else [x]))
    assert layer._may_hold == bool(layer._residents())
