"""Frozen parameters: no work, no gradient, no update."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def model():
    return bp.Sequential(
        bp.Dense(8), bp.BatchNorm(), bp.ReLU(), bp.Dense(5, activation="tanh"), bp.Dense(2), input_shape=4, seed=0,
        dtype="float64",
    )  # fmt: skip


@pytest.fixture
def data(rng):
    return rng.standard_normal((32, 4)), rng.standard_normal((32, 2))


def changed(model, before):
    return {name for name, value in model.state_dict().items() if not np.array_equal(value, before[name])}


def fit(model, data, optimizer=None):
    before = model.state_dict()
    model.fit(*data, loss=bp.MSE(), optimizer=optimizer or bp.AdamW(0.01, weight_decay=0.1), epochs=2, batch_size=8)
    return changed(model, before)


def test_only_what_is_not_frozen_changes(model, data):
    everything = set(model.state_dict())
    assert fit(model, data) == everything
    model.freeze("0.*", "*.bias")
    assert model.frozen == ("0.weight", "0.bias", "1.bias", "3.bias", "4.bias")
    optimizer = bp.AdamW(0.01, weight_decay=0.1)
    assert fit(model, data, optimizer) == everything - set(model.frozen)
    model.freeze("1.running_*")
    assert fit(model, data, optimizer) == everything - set(model.frozen)
    model.unfreeze("0.weight")
    assert fit(model, data, optimizer) == everything - set(model.frozen)
    model.unfreeze()
    assert fit(model, data, optimizer) == everything


def test_gradients_of_the_rest_are_the_same(model, data):
    free = {name: value.copy() for name, value in model.value_and_grad(*data, bp.MSE())[1].items()}
    model.freeze("0.*")
    _, frozen = model.value_and_grad(*data, bp.MSE())
    for name, value in frozen.items():
        np.testing.assert_array_equal(value, 0 if name in model.frozen else free[name], err_msg=name)
    model.zero_grad()
    model.backward(np.ones_like(model.forward(data[0])))
    assert (model.gradients()["0.weight"] == 0).all()
    assert (model.gradients()["3.weight"] != 0).all()


def test_trained_like_a_model_of_pytorch_with_the_same_layers_frozen(model, data):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 5), torch.nn.Tanh(),
        torch.nn.Linear(5, 2),
    ).double()  # fmt: skip
    names = {name: name.replace("4.", "5.") for name in model.state_dict()}  # its Tanh is a layer of its own
    theirs.load_state_dict({names[k]: torch.tensor(v) for k, v in model.state_dict().items()}, strict=False)
    model.freeze("0.*", "1.weight")
    for name, parameter in theirs.named_parameters():
        parameter.requires_grad_(not (name.startswith("0.") or name == "1.weight"))
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam(0.01))
    optimizer = torch.optim.Adam([p for p in theirs.parameters() if p.requires_grad], lr=0.01)
    x, y = map(torch.tensor, data)
    for _ in range(30):
        trainer.step(*data)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(theirs(x), y).backward()
        optimizer.step()
    state = theirs.state_dict()
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value, state[names[name]].numpy(), rtol=1e-10, atol=1e-10, err_msg=name)


def test_nothing_is_done_before_the_first_layer_that_is_trained(data):
    model = bp.Sequential(bp.Dense(64), bp.ReLU(), bp.Dense(64), bp.ReLU(), bp.Dense(2), input_shape=4, seed=0)
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))

    def backward_flops():
        return sum(call.flops for call in trainer.plan(32).calls if call.phase == "backward" and call.name == "matmul")

    full = backward_flops()
    model.freeze("0.*", "2.*")
    last = 2 * 32 * 64 * 2  # dW of the last layer alone
    assert backward_flops() == last < full / 5
    trainer.step(data[0], data[1])  # and a trainer that has stepped before sees what is frozen since
    before = model.state_dict()
    model.unfreeze("2.*")
    trainer.step(data[0], data[1])
    assert changed(model, before) == {"2.weight", "2.bias", "4.weight", "4.bias"}


def test_all_frozen(model, data):
    model.freeze()
    with pytest.warns(bp.UserMistakeWarning, match=r"^\[fit\] all parameters are frozen: nothing is trained"):
        assert fit(model, data) == set()
    with pytest.warns(bp.UserMistakeWarning, match=r"^\[step\] all parameters are frozen: nothing is trained"):
        assert bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(*data) > 0


def test_copies_keep_what_is_frozen_and_files_do_not(model, tmp_path):
    model.freeze("0.*")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.frozen == model.frozen
    model.save(tmp_path / "model.safetensors")
    assert bp.load(tmp_path / "model.safetensors").frozen == ()


def test_a_pattern_that_matches_nothing_changes_nothing(model):
    with pytest.raises(ValueError, match=r'\[freeze\] pattern must match a parameter or a state, got "9.\*"'):
        model.freeze("0.*", "9.*")
    assert model.frozen == ()
    with pytest.raises(TypeError, match=r"\[freeze\] pattern must be a string, got 0"):
        model.freeze(0)


def test_backward_does_not_go_on_with_what_another_freezing_kept(model, data):
    for change in (lambda: model.freeze("0.*"), lambda: model.unfreeze()):
        output = model.forward(data[0])
        change()
        with pytest.raises(RuntimeError, match="needs a forward"):
            model.backward(np.ones_like(output))
    model.backward(np.ones_like(model.forward(data[0])))
