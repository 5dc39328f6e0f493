"""Functions of tensors that are methods, too."""

import pytest

import backpass as bp


@pytest.mark.parametrize("name", ["abs", "cos", "exp", "log", "relu", "sigmoid", "sin", "sqrt", "square", "tanh"])
def test_elementwise_functions_are_methods(name):
    x = bp.tensor([0.25, 1.0, 2.0])
    assert getattr(x, name)().tolist() == getattr(bp, name)(x).tolist()
    assert getattr(bp.input((2, 3)), name)().shape == (2, 3)
