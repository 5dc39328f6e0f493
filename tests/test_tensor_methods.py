"""Functions of tensors that are methods, too."""

import pytest

import backpass as bp


@pytest.mark.parametrize("name", ["abs", "cos", "exp", "log", "relu", "sigmoid", "sin", "sqrt", "square", "tanh"])
def test_elementwise_functions_are_methods(name):
    x = bp.tensor([0.25, 1.0, 2.0])
    assert getattr(x, name)().tolist() == getattr(bp, name)(x).tolist()
    assert getattr(bp.input((2, 3)), name)().shape == (2, 3)


def test_elements_are_counted_where_all_dimensions_are_known():
    assert (bp.zeros((2, 0, 3)).numel(), bp.zeros(()).numel(), bp.zeros((2, 3)).numel()) == (0, 1, 6)
    with pytest.raises(ValueError, match=r"\[numel\] the batch of .* is not known"):
        bp.Input(3).numel()
