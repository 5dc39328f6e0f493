"""What users of other libraries type first: it works, or the error says what to write."""

import pickle

import numpy as np
import pytest

import backpass as bp
from registry import generator


def rows(*shape, dtype="float32"):
    return generator("typed first").standard_normal(shape).astype(dtype)


class Blocks(bp.Module):
    def __init__(self, seed=0):
        super().__init__(seed=seed)
        self.body = bp.Sequential(bp.Dense(4, activation="tanh"), bp.BatchNorm(), bp.Dropout(0.5))
        self.head = bp.Dense(2)

    def forward(self, x):
        return self.head(self.body(x))


def test_a_sequential_without_shape_within_a_module():
    x = rows(6, 3)
    net, again = Blocks(), Blocks()
    optimizer = bp.Adam(net.parameters(), lr=0.1)
    assert net(x).tolist() == again(x).tolist()  # its seed is the module's
    assert net.eval()(x).tolist() != Blocks(seed=1).eval()(x).tolist()
    before = float(bp.MSE()(net(x), np.zeros((6, 2))))
    for _ in range(5):
        optimizer.zero_grad()
        loss = bp.MSE()(net(x), np.zeros((6, 2)))
        loss.backward()
        optimizer.step()
    assert float(loss) < before
    with pytest.raises(ValueError, match=r"x must be rows of features"):
        bp.Sequential(bp.Dense(2))(bp.tensor([1.0, 2.0]))


def test_weights_wait_for_a_sequential_without_shape():
    x = rows(6, 3)
    net, other = Blocks().eval(), Blocks(seed=1).eval()
    y = net(x).tolist()
    other.load_state_dict(net.state_dict())
    assert other(x).tolist() == y
    assert pickle.loads(pickle.dumps(net.state_dict())).keys() == net.state_dict().keys()
    parts = {name: value for name, value in net.state_dict().items() if name.startswith("head")}
    with pytest.raises(ValueError, match=r'"body\.\*" is missing'):
        Blocks().load_state_dict(parts)


def test_a_sequential_keeps_a_seed_of_its_own():
    class One(bp.Module):
        def __init__(self, seed):
            super().__init__(seed=seed)
            self.body = bp.Sequential(bp.Dense(2), seed=5)

        def forward(self, x):
            return self.body(x)

    x = rows(4, 3)
    assert One(0)(x).tolist() == One(1)(x).tolist() == bp.Sequential(bp.Dense(2), input_shape=3, seed=5)(x).tolist()


@pytest.mark.parametrize("model", [False, True])
def test_zeros_are_a_first_state_in_a_module(model):
    class Recurrent(bp.Module):
        def __init__(self):
            super().__init__(seed=0)
            self.new = bp.Dense(4)
            self.old = bp.Sequential(bp.Dense(4)) if model else bp.Dense(4)

        def forward(self, x):
            h = bp.zeros((x.shape[0], 4))
            for t in range(x.shape[1]):
                h = bp.tanh(self.new(x[:, t]) + self.old(h))
            return h

    net, x = Recurrent(), rows(5, 3, 2)
    loss = bp.mean(net(x))
    loss.backward()
    w = {
        name.removeprefix("old.0.").removeprefix("old."): v.numpy()
        for name, v in net.named_parameters()
        if "old" in name
    }
    new = {name: v.numpy() for name, v in net.named_parameters() if "new" in name}
    h = np.zeros((5, 4), np.float32)
    for t in range(3):
        h = np.tanh(x[:, t] @ new["new.weight"].T + new["new.bias"] + h @ w["weight"].T + w["bias"])
    assert np.isclose(float(loss), h.mean(), atol=1e-6)
    assert np.allclose(bp.compile(lambda x: net(x))(x), h, atol=1e-6)  # constants of a traced function stay constants


def test_modules_take_tables_and_other_tensors():
    class Copy(bp.Module):
        def forward(self, x, times=None):
            return x * (2 if times is None else times)

    class Foreign:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 2.0])

    assert Copy()(Foreign()).dtype == "float32"
    assert Copy()(Foreign(), times=np.int64(3)).tolist() == [3.0, 6.0]  # numbers are handed on


def test_losses_of_arrays():
    logits, labels = rows(6, 3), np.array([0, 1, 2, 0, 1, 2])
    expected, _ = bp.CrossEntropy().value_and_grad(logits, labels)
    value = bp.CrossEntropy()(logits, labels)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    assert value.dtype == "float32"
    assert not value.requires_grad
    assert bp.MSE()([1.0, 2.0], [1.0, 3.0]).tolist() == 0.5
    assert bp.MSE()(np.array([1, 2]), np.array([1, 3])).dtype == "float32"
    assert bp.MSE()(np.ones(2), np.zeros(2), np.array([1.0, 3.0])).dtype == "float64"

    @bp.JointLoss
    def both(predictions, target):
        return bp.square(predictions[0] - target) + predictions[1]

    assert both([np.ones((2, 1)), np.full((2, 1), 2.0)], np.zeros((2, 1))).item() == 3.0


def test_losses_refuse_targets_in_front_of_predictions():
    with pytest.raises(TypeError, match=r"\[MSE\] the prediction comes first, then the target"):
        bp.MSE()(np.ones(2), bp.tensor([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"\[MSE\] prediction must be an array of real numbers, got a string"):
        bp.MSE()("ones", np.ones(2))


def test_functional_models_take_arrays_beside_traced_parameters():
    model = bp.Sequential(bp.Dense(2, activation="tanh"), bp.Dense(1), input_shape=3, dtype="float64", seed=0)
    f, parameters = model.functional()
    x = rows(5, 3, dtype="float64")
    inside = bp.hessian(lambda p: bp.mean(bp.square(f(p, x))))(parameters)
    given = bp.hessian(lambda p, x: bp.mean(bp.square(f(p, x))))(parameters, x)
    assert np.allclose(inside["0.weight"]["1.bias"], given["0.weight"]["1.bias"], rtol=1e-12)
    assert bp.grad(lambda p: f(p, [[0.0, 0.0, 0.0]])[0, 0])(parameters)["1.bias"].tolist() == [1.0]


def test_states_of_an_ensemble_are_mapped():
    adam = bp.Adam(0.1)
    stacked = {"w": rows(4, 3, dtype="float64")}
    states = bp.vmap(adam.init)(stacked)
    assert states["steps"].dtype == np.int32
    assert states["steps"].tolist() == [0] * 4
    step = bp.vmap(lambda p, s: adam.apply(p, bp.grad(lambda p: bp.sum(p["w"] ** 2))(p), s))
    moved, states = step(stacked, states)
    alone, _ = adam.apply({"w": stacked["w"][1]}, {"w": 2 * stacked["w"][1]}, adam.init({"w": stacked["w"][1]}))
    assert states["steps"].tolist() == [1] * 4
    assert np.allclose(moved["w"][1], alone["w"], rtol=1e-12)


def test_methods_under_their_names_in_pytorch():
    x = bp.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
    bp.sum(x.pow(2).clamp(max=9.5)).backward()
    assert x.grad.tolist() == [[2.0, -4.0], [6.0, 0.0]]
    assert x.gather(1, np.array([[1], [0]])).tolist() == [[-2.0], [3.0]]
    assert x.masked_fill(np.eye(2, dtype=bool), -9.0).tolist() == [[-9.0, -2.0], [3.0, -9.0]]
    assert bp.Parameter(np.zeros(2), dtype="float32").dtype == "float32"


@pytest.mark.parametrize(
    ("name", "cure"),
    [("randn", "draw with NumPy"), ("nn", "bp.Module"), ("AdamWW", "did you mean 'AdamW'"), ("zzz", "")],
)
def test_names_of_other_libraries(name, cure):
    with pytest.raises(AttributeError, match=f"module 'backpass' has no attribute '{name}'.*{cure}"):
        getattr(bp, name)
    assert not hasattr(bp, "__wrapped__")


def test_no_hint_is_about_a_name_that_is_there():
    from backpass._names import ELSEWHERE

    assert [name for name in ELSEWHERE if name in dir(bp)] == []


def test_what_a_module_has_not():
    with pytest.raises(AttributeError, match=r"'Blocks' object has no attribute 'fit': a Module is trained by a loop"):
        Blocks().fit(rows(2, 3), rows(2, 2))
    with pytest.raises(ValueError, match=r"\[Dense\] its weight is float32 .* give it inputs of its type"):
        bp.compile(bp.Sequential(bp.Dense(2), input_shape=3))(np.ones((4, 3)))
