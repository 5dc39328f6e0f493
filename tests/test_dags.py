"""Parity with PyTorch on graphs made at random: layers of every kind, branches, merges, sharing, several losses."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import backpass as bp
from dags import Problem, all_close, as_list, close, gradient_of, leaves, one_or_list, torch
from registry import DTYPES, OptimizerCase, by_name

pytestmark = pytest.mark.row("C3")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """PyTorch's threads wait for each other longer than they compute at these sizes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# One of each kind; `test_torch.py` has them all, for one graph. The steps are small: some graphs are steep.
RULES = (
    OptimizerCase("nesterov", "SGD", {"learning_rate": 1e-3, "momentum": 0.9, "nesterov": True}),
    OptimizerCase("Adam", "Adam", {"learning_rate": 1e-3, "weight_decay": 0.05}),
    OptimizerCase("AdamW", "AdamW", {"learning_rate": 1e-3, "weight_decay": 0.05}),
    OptimizerCase("RMSprop", "RMSprop", {"learning_rate": 1e-3, "eps": 1e-6, "momentum": 0.9}),
)
SMOOTH = ("sigmoid", "tanh", "gelu", "gelu_tanh", "softplus", "silu", "mish")


@pytest.mark.row("A1")
@pytest.mark.row("A12")
@pytest.mark.row("A13")
@pytest.mark.row("P1")
@pytest.mark.parametrize("dtype", DTYPES)
@given(layers=st.integers(1, 8), rows=st.integers(1, 9), seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_outputs_losses_and_gradients(dtype, layers, rows, seed):
    problem = Problem(layers, rows, seed, dtype)
    model, x = problem.model, one_or_list(problem.x)
    parameters, inputs = problem.parameters_in_torch(), leaves(problem.x)
    outputs, expected = problem.in_torch(parameters, inputs)
    expected.backward()
    expected_grads = [gradient_of(leaf) for leaf in parameters.values()]

    all_close(as_list(model.predict(x)), outputs)
    value, grads = model.value_and_grad(x, one_or_list(problem.y), problem.losses, problem.weight)
    close(np.asarray(value, dtype), expected)
    all_close(grads.values(), expected_grads)

    model.zero_grad()
    parts = zip(problem.losses, as_list(model.forward(x)), problem.y, strict=True)
    to_outputs = [loss.value_and_grad(p, y, problem.weight)[1] for loss, p, y in parts]
    all_close(as_list(model.backward(one_or_list(to_outputs))), [gradient_of(leaf) for leaf in inputs])
    all_close(model.gradients().values(), expected_grads)


@pytest.mark.row("A14")
@pytest.mark.parametrize("optimizer", **by_name(RULES))
@given(layers=st.integers(2, 8), rows=st.integers(2, 9), seed=st.integers(0, 2**32))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_a_hundred_steps(optimizer, layers, rows, seed):
    """Smooth activations: at a kink two roundings may part for good."""
    problem = Problem(layers, rows, seed, names=SMOOTH, others=())
    parameters, inputs = problem.parameters_in_torch(), leaves(problem.x)
    assume(parameters)
    trainer = bp.Trainer(problem.model, problem.losses, optimizer.make())
    theirs = optimizer.torch(torch, parameters.values())
    for _ in range(100):
        value = trainer.step(one_or_list(problem.x), one_or_list(problem.y), problem.weight)
        theirs.zero_grad()
        _, expected = problem.in_torch(parameters, inputs)
        expected.backward()
        theirs.step()
        close(np.asarray(value), expected)
    all_close(problem.model.parameters().values(), parameters.values())
