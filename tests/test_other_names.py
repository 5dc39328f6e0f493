"""Names of PyTorch and Keras for what tensors and models have."""

import numpy as np
import pytest

import backpass as bp


def test_names_on_tensors():
    x = bp.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True)
    assert x.view(3, 2).tolist() == x.reshape(3, 2).tolist()
    assert x.view(-1).shape == (6,)
    assert x.permute(1, 0).tolist() == x.T.tolist()
    assert x.unsqueeze(0).shape == (1, 2, 3)
    assert x.unsqueeze(-1).shape == (2, 3, 1)
    assert x.sum(dim=1).tolist() == [3, 12]
    assert x.mean(dim=0, keepdim=True).shape == (1, 3)
    (x.clone() * 2).sum().backward()
    assert x.grad.tolist() == [[2, 2, 2], [2, 2, 2]]
    assert x.clone() is not x


def test_names_on_models():
    model = bp.Sequential(bp.Dense(4), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    other = bp.Sequential(bp.Dense(4), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=1)
    named = dict(model.named_parameters())
    assert list(named) == list(model.parameters())
    np.testing.assert_array_equal(named["0.weight"].numpy(), model.parameters()["0.weight"])
    assert len(model.weights) == len(named)
    model.freeze("0.*")
    assert len(model.trainable_weights) == len(named) - 2
    x = np.ones((3, 2), np.float32)
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    other.load_state_dict({name: value * 0 for name, value in model.state_dict().items()})
    assert not other.flat_parameters.any()
    with pytest.raises(ValueError, match=r"\[set_weights\] weights must be \d+ arrays"):
        other.set_weights(model.get_weights()[:-1])


def test_an_optimizer_of_a_model_without_shapes():
    with pytest.raises(RuntimeError, match=r"input_shape, call it once \(model\(x\)\)"):
        bp.Adam(bp.Sequential(bp.Dense(1)).parameters(), lr=1e-3)
