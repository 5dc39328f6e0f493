"""Modules: state by name, files, copies, pickles."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from registry import generator


class Net(bp.Module):
    def __init__(self, seed=None):
        super().__init__(seed=seed)
        self.first = bp.Dense(8)
        self.norm = bp.BatchNorm()
        self.rest = [bp.Dense(8, activation="relu"), bp.Dense(2)]
        self.gain = bp.Parameter([1.0, 2.0])

    def forward(self, x):
        x = bp.relu(self.norm(self.first(x)))
        for layer in self.rest:
            x = layer(x)
        return x * self.gain


class WithModel(bp.Module):
    def __init__(self):
        super().__init__(seed=0)
        self.body = bp.Sequential(bp.Dense(8, activation="tanh"), input_shape=5, seed=0)
        self.last = bp.Dense(2)

    def forward(self, x):
        return self.last(self.body(x))


def rows():
    return generator("module files").standard_normal((12, 5)).astype(np.float32)


def trained(seed=0):
    net, x = Net(seed), rows()
    optimizer = bp.Adam(net.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        bp.mean(bp.square(net(x))).backward()
        optimizer.step()
    return net.eval()


def test_a_seed_fixes_the_first_weights():
    x = rows()
    first = Net(seed=3)(x).numpy()
    assert (Net(seed=3)(x).numpy() == first).all()
    assert (Net(seed=4)(x).numpy() != first).any()
    assert (Net()(x).numpy() != Net()(x).numpy()).any()


@pytest.mark.parametrize("called", [True, False])
def test_state_and_files_go_into_another(tmp_path, called):
    net, x = trained(), rows()
    expected = net(x).numpy()
    net.save(tmp_path / "net.safetensors")
    for source in (net.state_dict(), tmp_path / "net.safetensors", str(tmp_path / "net.safetensors")):
        other = Net(seed=1)
        if called:
            other(x)
        other.load_weights(source)
        other.eval()
        assert other(x).numpy().tolist() == expected.tolist()
        assert {*other.state_dict()} == {
            "gain", "first.weight", "first.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
            "rest.0.weight", "rest.0.bias", "rest.1.weight", "rest.1.bias",
        }  # fmt: skip


def test_weights_go_to_and_from_pytorch():
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(5, 8)
            self.norm = torch.nn.BatchNorm1d(8)
            self.rest = torch.nn.ModuleList([torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)])
            self.gain = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

        def forward(self, x):
            x = torch.relu(self.norm(self.first(x)))
            return self.rest[1](torch.relu(self.rest[0](x))) * self.gain

    theirs, x = Theirs().eval(), rows()
    net = Net().eval()
    net.load_state_dict(theirs.state_dict())
    np.testing.assert_allclose(net(x).numpy(), theirs(torch.from_numpy(x)).detach().numpy(), atol=1e-5)
    state = {name: torch.from_numpy(value) for name, value in trained().state_dict().items()}
    theirs.load_state_dict(state, strict=False)
    net.load_state_dict(state)
    np.testing.assert_allclose(net(x).numpy(), theirs(torch.from_numpy(x)).detach().numpy(), atol=1e-5)
    assert [name for name, _ in theirs.named_parameters()] == [name for name, _ in net.named_parameters()]


@pytest.mark.parametrize("how", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_have_the_weights_and_a_life_of_their_own(how):
    net, x = trained(), rows()
    net.first.parameters()
    next(iter(net.parameters())).requires_grad = False
    expected = net(x).numpy()
    twin = how(net)
    assert twin(x).numpy().tolist() == expected.tolist()
    assert [w.requires_grad for w in twin.parameters()] == [w.requires_grad for w in net.parameters()]
    with bp.no_grad():
        for target, w in zip(twin.trainable_variables, net.trainable_variables, strict=True):
            target -= 0.5 * (target - w) + 1
    assert net(x).numpy().tolist() == expected.tolist()
    assert twin(x).numpy().tolist() != expected.tolist()


@pytest.mark.parametrize("how", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_model_within_is_copied_with_its_module(how):
    net, x = WithModel(), rows()
    expected = net(x).numpy()
    twin = how(net)
    assert twin(x).numpy().tolist() == expected.tolist()
    twin.body.flat_parameters[:] += 1
    assert net(x).numpy().tolist() == expected.tolist()
    assert twin(x).numpy().tolist() != expected.tolist()


def test_a_copy_of_what_has_not_been_called():
    twin = copy.deepcopy(Net(seed=5))
    assert (twin(rows()).numpy() == Net(seed=5)(rows()).numpy()).all()


def test_leaves_are_copied_alone():
    w = bp.tensor([1.0, 2.0], requires_grad=True)
    twin = copy.deepcopy(w)
    assert (twin.tolist(), twin.requires_grad, twin.is_leaf) == ([1.0, 2.0], True, True)
    twin.zero_()
    assert w.tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="is not a leaf: copy what detach"):
        copy.deepcopy(w * 2)
    with pytest.raises(TypeError, match="of a graph that is being built"):
        pickle.dumps(bp.Input(3))


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    net = trained()
    state, before = net.state_dict(), net.state_dict()
    with pytest.raises(ValueError, match=r'"gain" is missing'):
        net.load_state_dict({name: value * 0 for name, value in state.items() if name != "gain"})
    with pytest.raises(ValueError, match=r'"more" is no parameter'):
        net.load_state_dict({**state, "more": np.ones(2)})
    with pytest.raises(ValueError, match=r'"first.weight" must have shape \(8, 5\)'):
        net.load_state_dict({**state, "first.weight": np.ones((8, 4))})
    with pytest.raises(ValueError, match=r'"first.\*" is missing'):
        Net().load_state_dict({name: value for name, value in state.items() if not name.startswith("first")})
    with pytest.raises(TypeError, match="source must be a path or a mapping"):
        net.load_weights(3)
    other = Net()
    other.load_state_dict({**state, "first.weight": np.ones((8, 4))})
    with pytest.raises(ValueError, match=r"must have shape \(8, 5\)"):
        other(rows())
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    net.save(tmp_path / "weights")
    with pytest.raises(ValueError, match="load_weights"):
        bp.load(tmp_path / "weights")
