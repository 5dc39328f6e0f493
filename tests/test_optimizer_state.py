"""The state of optimizers in and out: training goes on from it as if it had never ended."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from registry import OPTIMIZERS, by_name, generator
from test_optimizer_options import batch, small_model

CASES = by_name(OPTIMIZERS)
STATEFUL = by_name([case for case in OPTIMIZERS if case.name not in ("SGD", "SGD, weight decay")])


@pytest.mark.parametrize("case", **CASES)
def test_training_goes_on_from_a_state(case):
    """Six steps are three, and three by a new optimizer of a copy that was given the state: the same bits."""
    whole, parts, (x, y) = small_model(), small_model(), batch()
    trainer = bp.Trainer(whole, bp.MSE(), case.make())
    for _ in range(6):
        trainer.step(x, y)
    first = bp.Trainer(parts, bp.MSE(), case.make())
    for _ in range(3):
        first.step(x, y)
    state = pickle.loads(pickle.dumps(first.optimizer.state_dict()))
    later, copied = case.make(), copy.copy(parts)
    later.load_state_dict(state)
    assert later.steps == 3
    second = bp.Trainer(copied, bp.MSE(), later)
    for _ in range(3):
        second.step(x, y)
    np.testing.assert_array_equal(copied.flat_parameters, whole.flat_parameters)
    assert second.optimizer.steps == 6


@pytest.mark.parametrize("case", **STATEFUL)
def test_state_is_named_as_in_pytorch(case):
    torch = pytest.importorskip("torch")
    if not hasattr(torch.optim, case.kind):
        pytest.skip("PyTorch has none")
    model, optimizer, rng = small_model(), case.make(), generator("state", case.name)
    theirs = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in model.parameters().items()}
    other = case.torch(torch, theirs.values())
    for _ in range(5):
        model.flat_gradients[:] = rng.standard_normal(model.n_parameters)
        for name, value in theirs.items():
            value.grad = torch.tensor(model.gradients()[name].copy())
        optimizer.step(model)
        other.step()
    state = optimizer.state_dict()
    assert (state["type"], state["steps"]) == (case.kind, 5)
    for slot, arrays in state["slots"].items():
        assert list(arrays) == sorted(model.parameters())
        for name, array in arrays.items():
            np.testing.assert_allclose(array, other.state[theirs[name]][slot].numpy(), rtol=1e-10, atol=1e-12)
    others = {name for name, value in other.state[theirs["0.bias"]].items() if getattr(value, "ndim", 0) == 1}
    assert set(state["slots"]) == others


def test_a_state_is_a_copy_and_can_be_given_back():
    model, (x, y) = small_model(), batch()
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam(0.1))
    trainer.step(x, y)
    state, weights = trainer.optimizer.state_dict(), model.flat_parameters.copy()
    after = [trainer.step(x, y) for _ in range(3)]
    trainer.optimizer.learning_rate = 7
    trainer.optimizer.load_state_dict(state)
    model.flat_parameters[:] = weights
    assert (trainer.optimizer.steps, trainer.optimizer.learning_rate) == (1, 0.1)
    assert [trainer.step(x, y) for _ in range(3)] == after


def test_states_that_do_not_fit_are_refused():
    model, other = small_model(), bp.Sequential(bp.Dense(3), input_shape=4, seed=0)
    adam = bp.Adam()
    adam.step(model)
    state = adam.state_dict()
    with pytest.raises(ValueError, match=r"\[AdamW\] state must be of AdamW, got Adam"):
        bp.AdamW().load_state_dict(state)
    with pytest.raises(TypeError, match=r"\[Adam\] state must be what state_dict\(\) gave"):
        bp.Adam().load_state_dict({"steps": 3})
    for name in ("steps", "epochs"):  # NAdam goes over all of them
        with pytest.raises(ValueError, match=rf"\[NAdam\] {name} must be at most 2147483648, got 4611686018427387904"):
            bp.NAdam().load_state_dict({**state, "type": "NAdam", name: 2**62})
    amsgrad = bp.Adam(amsgrad=True)
    amsgrad.load_state_dict(state)
    with pytest.raises(ValueError, match="max_exp_avg_sq"):
        amsgrad.step(model)
    elsewhere = bp.Adam()
    elsewhere.load_state_dict(state)
    before = other.flat_parameters.copy()
    with pytest.raises(ValueError, match=r"\[Adam\] state: exp_avg of \"0.weight\" must have shape"):
        elsewhere.step(other)
    np.testing.assert_array_equal(other.flat_parameters, before)
    elsewhere.step(model)
    assert elsewhere.steps == 2
    del state["slots"]["exp_avg"]["2.bias"]
    with pytest.raises(ValueError, match="lacks"):
        adam.load_state_dict(state)
    assert adam.steps == 1


def test_options_are_shown_and_pickled():
    adam = bp.Adam(0.5, clip_norm=2.0, groups=[bp.Group("*.bias", 0.25)], decay="matrices")
    adam.learning_rate = 0.1
    again = pickle.loads(pickle.dumps(adam))
    assert repr(again) == repr(adam)
    for part in ("learning_rate=0.1", "clip_norm=2.0", "groups=[Group(pattern='*.bias'", "decay='matrices'"):
        assert part in repr(adam)
    model = small_model()
    model.flat_gradients[:] = 1e-3
    before = model.parameters()["0.bias"].copy()
    again.step(model)
    np.testing.assert_allclose(
        model.parameters()["0.bias"], before - 0.05, rtol=0, atol=1e-5
    )  # half of the learning rate
