"""Optimizers over parameters of several modules, models, layers and leaves at once."""

import itertools

import numpy as np
import pytest

import backpass as bp
from registry import generator


def data(rows=16):
    rng = generator("optimizers of several")
    return rng.standard_normal((rows, 3)).astype(np.float32), rng.standard_normal((rows, 1)).astype(np.float32)


class Net(bp.Module):
    def __init__(self, units, seed):
        super().__init__(seed=seed)
        self.layer = bp.Dense(units, activation="tanh")

    def forward(self, x):
        return self.layer(x)


def made(called=True):
    """A module, a model, a layer and a leaf; what is composed of them."""
    net, model, layer = Net(4, 0), bp.Sequential(bp.Dense(4, activation="tanh"), input_shape=4, seed=1), bp.Dense(1)
    layer._caller_for((bp.tensor(np.zeros((1, 4), np.float32)),))
    w = bp.tensor([2.0], requires_grad=True)
    if called:
        net(data()[0])
    return net, model, layer, w


def loss_of(net, model, layer, w):
    x, y = data()
    return bp.MSE()(layer(model(net(x))) * w, y)


def leaves_of(net, model, layer, w):
    return [*net.parameters(), *model.weights, *layer.parameters(), w]


WAYS = {
    "list of all": lambda net, model, layer, w: [net, model, layer, w],
    "leaves": lambda *parts: leaves_of(*parts),
    "chain": lambda net, model, layer, w: itertools.chain(
        net.parameters(), model.weights, layer.parameters(), iter([w])
    ),
    "parameters()": lambda net, model, layer, w: [net.parameters(), model.parameters(), layer.parameters(), [w]],
}


@pytest.mark.parametrize("called", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", [bp.SGD, bp.AdamW])
def test_one_optimizer_steps_them_as_numbers_say(rule, way, called):
    if not called and way == "leaves":
        pytest.skip("they are not there yet")
    parts = made(called)
    optimizer = rule(WAYS[way](*parts), lr=0.01)
    alone = None
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(*parts).backward()
        if alone is None:  # copies, each with an optimizer of its own: the same rule, element by element
            alone = [bp.tensor(leaf.numpy(), requires_grad=True) for leaf in leaves_of(*parts)]
            rules = [rule([each], lr=0.01) for each in alone]
        for each, leaf, own in zip(alone, leaves_of(*parts), rules, strict=True):
            each.grad = leaf.grad
            own.step()
        optimizer.step()
        for each, leaf in zip(alone, leaves_of(*parts), strict=True):
            assert each.tolist() == leaf.tolist()


def test_clipping_is_of_all_together():
    parts = made()
    optimizer = bp.SGD([*parts], lr=1.0, clip_norm=0.01)
    before = [leaf.numpy() for leaf in leaves_of(*parts)]
    loss_of(*parts).backward()
    optimizer.step()
    moved = [leaf.numpy() - start for leaf, start in zip(leaves_of(*parts), before, strict=True)]
    assert sum(float((each**2).sum()) for each in moved) ** 0.5 == pytest.approx(0.01, rel=1e-3)


def test_some_parameters_of_a_model_alone():
    model = bp.Sequential(bp.Dense(4), bp.Dense(1), input_shape=3, seed=0)
    x, y = data()
    optimizer = bp.AdamW(model.weights[2:], lr=0.1)
    before = model.state_dict()
    for _ in range(2):
        model.zero_grad()
        bp.MSE()(model(x), y).backward()
        optimizer.step()
    after = model.state_dict()
    assert [name for name in after if (after[name] == before[name]).all()] == ["0.weight", "0.bias"]


def test_all_parameters_of_a_model_are_the_model():
    model = bp.Sequential(bp.Dense(4), bp.Dense(1), input_shape=3, seed=0)
    x, y = data()
    optimizer = bp.Adam(model.weights, lr=0.1)
    bp.MSE()(model(x), y).backward()
    optimizer.step()
    assert {*optimizer.state_dict()["slots"]["exp_avg"]} == {*model.parameters()}
    optimizer.step(model)
    assert optimizer.steps == 2


def test_keras_pairs_of_several_modules():
    first, second = Net(4, 0), Net(1, 1)
    x, y = data()
    optimizer = bp.Adam(learning_rate=0.05)
    losses = []
    for _ in range(30):
        with bp.GradientTape() as tape:
            loss = bp.MSE()(second(first(x)), y)
        variables = first.trainable_variables + second.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(float(loss))
    assert losses[-1] < 0.8 * losses[0]
    assert optimizer.steps == 30


def test_two_optimizers_with_a_part_in_common():
    parts = made()
    both, leaf = bp.SGD([*parts], lr=0.1), bp.SGD([parts[3]], lr=0.1)
    loss_of(*parts).backward()
    before, gradient = parts[3].numpy(), parts[3].grad.numpy()
    both.step()
    leaf.step()
    np.testing.assert_allclose(parts[3].numpy(), before - 0.2 * gradient, rtol=1e-6)


def test_what_cannot_be_stepped():
    net, model, layer, w = made()
    with pytest.raises(TypeError, match=r"got '0.weight': a model's parameters\(\) is a dict, which gives names"):
        bp.Adam(list(model.parameters()) + list(model.parameters()), lr=0.1)
    with pytest.raises(TypeError, match=r"groups are an option, groups=\[Group"):
        bp.Adam([{"params": [w], "lr": 0.1}], lr=0.1)
    with pytest.raises(TypeError, match="must be tensors, layers, models or modules, got 3"):
        bp.Adam([w, 3], lr=0.1)
    with pytest.raises(ValueError, match=r'"1" must be a leaf that requires a gradient'):
        bp.Adam([w, bp.tensor([1.0])], lr=0.1)
    with pytest.raises(ValueError, match="must be of one type, got float32"):
        bp.Adam([w, bp.tensor(np.ones(2), requires_grad=True)], lr=0.1)
    with pytest.raises(ValueError, match="has no parameters"):
        bp.Adam([], lr=0.1)
    with pytest.raises(TypeError, match="model must be a Sequential or a Network"):
        bp.Adam(0.1).step(3)
    optimizer = bp.Adam(0.1)
    loss_of(net, model, layer, w).backward()
    optimizer.step(net)
    assert optimizer.steps == 1
    with pytest.raises(ValueError, match="already steps another network"):
        optimizer.step(model)
