"""int32 tensors: they compare, and are cast to real types; constants have values."""

import operator

import numpy as np
import pytest

import backpass as bp

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
A, B = np.array([[3, -1, 2**24 + 1]], np.int32), np.array([[3], [2**24]], np.int32)


@pytest.mark.parametrize("compare", COMPARISONS, ids=lambda f: f.__name__)
def test_int32_tensors_compare(compare):
    result = compare(bp.tensor(A), bp.tensor(B))
    assert result.dtype == "float32"
    np.testing.assert_array_equal(result.numpy(), compare(A, B))
    np.testing.assert_array_equal(compare(bp.tensor(A), B.astype(np.int64)).numpy(), compare(A, B))
    np.testing.assert_array_equal(compare(bp.tensor(A), 3).numpy(), compare(A, 3))


@pytest.mark.parametrize("kind", [np.array, bp.tensor], ids=["array", "tensor"])
def test_the_usual_line_for_accuracy(kind):
    logits, labels = np.array([[1, 2], [4, 3], [5, 6]], np.float32), np.array([1, 0, 0])
    accuracy = (bp.tensor(logits).argmax(axis=1) == kind(labels)).mean()
    assert float(accuracy) == pytest.approx(2 / 3)


def test_accuracy_of_a_model_in_training():
    model = bp.Sequential(bp.Dense(3), input_shape=2, seed=0)
    x, labels = np.ones((4, 2), np.float32), np.array([0, 1, 2, 0])
    assert 0 <= float((model(x).argmax(axis=1) == labels).mean()) <= 1


def test_accuracy_in_float64():
    x, labels = np.eye(3), np.array([0, 2, 2])
    accuracy = bp.compile(lambda x, y: bp.mean(bp.argmax(x, axis=1) == y))(x, labels)
    assert (float(accuracy), accuracy.dtype) == (pytest.approx(2 / 3), np.float64)
    assert float((bp.tensor(x).argmax(axis=1) == labels).mean()) == pytest.approx(2 / 3)


def test_comparisons_in_functions():
    correct = bp.vmap(lambda x, y: bp.argmax(x) == y)(np.eye(3, dtype=np.float32), np.array([0, 2, 2], np.int32))
    np.testing.assert_array_equal(correct, [1, 0, 1])
    with pytest.raises(ValueError, match="a choice, which has no gradient"):
        bp.grad(lambda x: bp.mean(bp.argmax(x, axis=1) == bp.arange(3)))(np.eye(3, dtype=np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cast_to_a_real_type(dtype):
    x = bp.tensor(A)
    for y in (x.astype(dtype), x.to(dtype), bp.cast(x, dtype), x.astype(np.dtype(dtype))):
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.numpy(), A.astype(dtype))
    weights = bp.tensor(np.ones(3, dtype), requires_grad=True)
    bp.sum(x.astype(dtype)[0, :2] * weights[:2]).backward()
    assert weights.grad.tolist() == [3, -1, 0]


def test_other_casts():
    x = bp.tensor([1.75, -1.75])
    assert x.astype("int32").tolist() == [1, -1]
    assert x.astype("float64").dtype == "float64"
    assert x.astype("float32") is not None
    with pytest.raises(ValueError, match="a graph computes in one real type"):
        bp.input((2,)).astype("float64")
    with pytest.raises(ValueError, match="cast makes it real"):
        bp.tensor(A) == bp.tensor([1.0])  # noqa: B015


def test_constants_have_values():
    assert bp.zeros((2,)).numpy().tolist() == [0, 0]
    assert bp.arange(3).numpy().tolist() == [0, 1, 2]
    assert float(bp.sum(bp.ones((3,)))) == 3
    assert (bp.arange(3) == bp.arange(3)).numpy().tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"a tensor made with requires_grad"):
        bp.zeros((2,)).requires_grad_()
    assert bp.tensor(bp.zeros((2,)), requires_grad=True).requires_grad


def test_gradients_of_eager_tensors():
    w = bp.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"xs must be a list of tensors: gradients\(y, \[x\]\)"):
        bp.gradients((w * w).sum(), w)
    assert [g.tolist() for g in bp.gradients(w.sum(), [w])] == [[1, 1]]
    assert [g.tolist() for g in bp.gradients((w * w).sum(), [w])] == [[2, 4]]
    model = bp.Sequential(bp.Dense(1, bias=False), input_shape=2, seed=0)
    (slope,) = bp.gradients(model(w[None]).sum(), [w])
    np.testing.assert_allclose(slope.numpy(), model.parameters()["0.weight"][0])
