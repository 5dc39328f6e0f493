"""Tensors with values: what is asked for is computed, with its gradients, by plans that are found again."""

import math

import numpy as np
import pytest

import backpass as bp
from backpass import _core
from registry import generator


def compiled():
    return _core.eager_cache()[1]


def test_values_where_somebody_asks():
    x = bp.tensor([1.0, 2.0, 3.0])
    y = bp.sum(x * 2 + 1)
    assert float(y) == y.item() == y.numpy() == 15
    assert int(y) == 15
    assert bool(y)
    assert np.asarray(x * x).tolist() == (x * x).tolist() == [1, 4, 9]
    assert repr(x * 0.5) == "tensor([0.5, 1. , 1.5])"
    assert f"{bp.tensor(np.float64(2), requires_grad=True)!r}" == "tensor(2., dtype=float64, requires_grad=True)"
    assert f"{y:.2f} {y:>6.1f} {x}" == f"15.00   15.0 {x!r}"
    assert len(x) == 3
    assert [float(each) for each in x] == [1, 2, 3]
    assert math.floor(bp.tensor(2.5)) == 2
    assert round(bp.tensor(2.6)) == 3


def test_types_of_values():
    assert bp.tensor([1, 2]).dtype == bp.tensor(np.float32(1)).dtype == bp.tensor(3).dtype == "float32"
    assert bp.tensor(np.ones(2)).dtype == "float64"
    assert bp.tensor(np.arange(2)).dtype == "int32"
    assert bp.tensor([True, False]).tolist() == [1, 0]
    assert bp.tensor([1.0], dtype="float64").dtype == "float64"
    assert bp.tensor(bp.tensor([1.0]) * 2).tolist() == [2]
    assert bp.tensor(np.zeros((0, 3))).numpy().shape == (0, 3)


def test_a_tensor_has_a_copy_of_its_array():
    array = np.ones(3)
    x = bp.tensor(array)
    y = x * 1
    array[:] = 7
    assert x.tolist() == y.tolist() == [1, 1, 1]
    shown = x.numpy()
    shown[:] = 9
    assert x.tolist() == [1, 1, 1]


def test_arrays_and_numbers_beside_tensors():
    x, a = bp.tensor([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    for result, expected in (
        (x * a, [[3, 6], [4, 8]]),
        (a * x, [[3, 6], [4, 8]]),
        (a - x, [[2, 1], [3, 2]]),
        (x / np.float64(2), [[0.5, 1]]),
        (np.float32(2) * x, [[2, 4]]),
        (np.square(x), [[1, 4]]),
    ):
        assert isinstance(result, bp.Tensor)
        assert result.dtype == "float32"
        assert result.tolist() == expected
    assert np.mean(x) == 1.5
    assert (a[:, 0] * bp.Input(2)).shape == (None, 2)


def test_gradients_add_up_in_leaves():
    a, b = bp.tensor([1.0, 2.0], requires_grad=True), bp.tensor(3.0, requires_grad=True)
    constant = bp.tensor([1.0, 1.0])
    for turn in (1, 2):
        bp.sum(a * a * b + constant).backward()
        assert a.grad.tolist() == [6 * turn, 12 * turn]
        assert float(b.grad) == 5 * turn
    assert constant.grad is None
    a.grad = None
    b.grad.zero_()
    (a * b).backward(bp.tensor([1.0, 10.0]))
    assert a.grad.tolist() == [3, 30]
    assert float(b.grad) == 21


def test_a_second_backward_needs_the_recording():
    x = bp.tensor(2.0, requires_grad=True)
    y = x * x
    z = y * 3
    z.backward(retain_graph=True)
    z.backward()
    assert float(x.grad) == 24
    assert float(y) == 4  # its value stays
    for again in (z, y, y * 2):
        with pytest.raises(ValueError, match="backward with retain_graph keeps it"):
            again.backward()
    assert float(x.grad) == 24


def test_a_value_that_was_asked_for_before_backward():
    x = bp.tensor([0.5, 1.5], requires_grad=True)
    h = bp.tanh(x)
    assert h.tolist() == pytest.approx(np.tanh([0.5, 1.5]).tolist())
    loss = bp.sum(h * h)
    assert float(loss) > 0
    loss.backward()
    t = np.tanh([0.5, 1.5])
    np.testing.assert_allclose(x.grad.numpy(), 2 * t * (1 - t * t), rtol=1e-6)


def test_control_flow_over_values():
    def collatz(x):
        while x > bp.tensor(1.5):
            x = x / 2
        return x

    x = bp.tensor(12.0, requires_grad=True)
    y = collatz(x)
    y.backward()
    assert float(y) == 1.5
    assert float(x.grad) == 1 / 8


def test_retained_gradients_and_detach():
    x = bp.tensor([1.0, -2.0], requires_grad=True)
    h = x * 2
    h.retain_grad()
    y = bp.sum(h * h.detach())
    assert x.is_leaf
    assert not h.is_leaf
    assert h.detach().is_leaf
    assert not h.detach().requires_grad
    y.backward()
    assert h.grad.tolist() == [2, -4]
    assert x.grad.tolist() == [4, -8]


def test_hooks_see_and_change_gradients():
    x = bp.tensor([1.0, 2.0], requires_grad=True)
    h = x * 3
    seen = []
    first = h.register_hook(lambda grad: seen.append(grad.tolist()))
    h.register_hook(lambda grad: grad * 2)
    x.register_hook(lambda grad: np.array([1, 1]) + grad.numpy())
    bp.sum(h * h).backward()
    assert seen == [[6, 12]]
    assert x.grad.tolist() == [37, 73]
    first.remove()
    first.remove()
    x.grad = None
    bp.sum(x * 3).backward()
    assert x.grad.tolist() == [4, 4]
    assert len(seen) == 1


def test_a_hook_that_fails_is_heard():
    x = bp.tensor([1.0], requires_grad=True)

    def fail(grad):
        raise KeyError("mine")

    hook = x.register_hook(fail)
    with pytest.raises(KeyError, match="mine"):
        bp.sum(x * 2).backward()
    hook.remove()
    x.register_hook(lambda grad: np.ones(3))
    with pytest.raises(ValueError, match=r"register_hook.*shape \(1,\)"):
        bp.sum(x * 2).backward()


def test_updates_in_place():
    w = bp.tensor([1.0, 2.0], requires_grad=True)
    same = w
    for _ in range(3):
        bp.sum(w * w).backward()
        old = w * 1
        with bp.no_grad():
            w -= 0.25 * w.grad
            w *= 1.0
        w.grad = None
    assert w is same
    assert w.requires_grad
    assert w.is_leaf
    assert w.tolist() == [0.125, 0.25]
    assert old.tolist() == [0.25, 0.5]  # as it was when it was computed
    with pytest.raises(RuntimeError, match=r"within bp.no_grad\(\)"):
        w -= 1
    total = bp.tensor(0.0)
    total += bp.sum(w)
    assert total.requires_grad


def test_no_grad_and_enable_grad():
    w = bp.tensor(2.0, requires_grad=True)

    @bp.no_grad()
    def twice(x):
        return x * 2

    assert not twice(w).requires_grad
    assert (w * 2).requires_grad
    with bp.no_grad(), bp.enable_grad():
        assert (w * 2).requires_grad
    with pytest.raises(ZeroDivisionError), bp.no_grad():
        1 / 0  # noqa: B018
    assert (w * 2).requires_grad
    with pytest.raises(ValueError, match="requires a gradient"):
        twice(w).backward()


def test_the_second_turn_compiles_nothing():
    w = bp.tensor(generator("turns").standard_normal((3, 3)), requires_grad=True)

    def turn(rate):
        loss = bp.mean(bp.tanh(w @ w + 1) * 0.5)
        loss.backward()
        with bp.no_grad():
            w.assign(w - rate * w.grad)
        w.grad = None
        return float(loss)

    for i in range(4):
        turn(0.1 / (i + 1))
    before = compiled()
    for i in range(20):
        turn(0.03 / (i + 1))  # another number in each turn
    assert compiled() == before


def test_structure_tells_recordings_apart():
    a, b = bp.tensor([1.0, 2.0]), bp.tensor([3.0, 4.0])
    for expected, x, y in (([1, 4], a, a), ([3, 8], a, b), ([9, 16], b, b)):
        assert (x * y).tolist() == expected
    assert (a - b).tolist() == [-2, -2]
    assert (b - a).tolist() == [2, 2]
    assert bp.sum(a, axis=0).item() == 3
    assert [bp.elu(a - 2, alpha).tolist()[0] for alpha in (1.0, 2.0)] == pytest.approx([np.expm1(-1), 2 * np.expm1(-1)])
    assert [(a + k).tolist()[0] for k in range(5)] == [1, 2, 3, 4, 5]


def test_tapes():
    x, y = bp.tensor(3.0), bp.Variable(2.0)
    with bp.GradientTape(persistent=True) as tape:
        tape.watch({"x": [x]})
        z = x * x * y
        other = z * 2
    assert float(tape.gradient(z, x)) == 12
    assert [float(g) for g in tape.gradient([z, other], [x, y])] == [36, 27]
    grads = tape.gradient(z, {"x": x, "rest": (y,)}, output_gradients=bp.tensor(10.0))
    assert float(grads["rest"][0]) == 90
    with bp.GradientTape() as tape:
        z = x * 1
    assert tape.gradient(z, [x, y])[1] is None
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(z, x)
    with pytest.raises(TypeError, match="tensors with values"):
        bp.GradientTape().watch(bp.Input(2))


def test_tapes_within_tapes():
    x = bp.tensor([0.3, 0.7], dtype="float64")
    with bp.GradientTape() as outer:
        outer.watch(x)
        with bp.GradientTape() as inner:
            y = bp.sum(bp.exp(x) * x)
        slope = inner.gradient(y, x)
        penalty = bp.sum(slope * slope)
    values = np.array([0.3, 0.7])
    first, second = np.exp(values) * (values + 1), np.exp(values) * (values + 2)
    np.testing.assert_allclose(slope.numpy(), first, rtol=1e-12)
    np.testing.assert_allclose(outer.gradient(penalty, x).numpy(), 2 * first * second, rtol=1e-12)


def test_what_is_refused():
    graph = bp.Input(2)
    for ask in (float, bool, int, np.asarray, bp.Tensor.numpy, bp.Tensor.item, bp.Tensor.tolist):
        with pytest.raises(TypeError, match="while a graph is built"):
            ask(graph)
    assert graph.grad is None
    x = bp.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"needs a gradient where the tensor is not one number.*\(2,\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"gradient must have shape \(2,\)"):
        (x * 2).backward(bp.tensor([1.0]))
    with pytest.raises(ValueError, match="is no number"):
        float(x)
    with pytest.raises(ValueError, match="float32 and float64"):
        bp.tensor(np.arange(3), requires_grad=True)
    with pytest.raises(ValueError, match=r"expected values of shape \(2,\)"):
        x.assign([1.0])
    with pytest.raises(ValueError, match="only a leaf"):
        (x * 2).assign([1.0, 2.0])
    for bad in ("text", None, [None], [[1], [1, 2]], object()):
        with pytest.raises((TypeError, ValueError), match="tensor"):
            bp.tensor(bad)
    with pytest.raises(ValueError, match="too large for float32"):
        bp.tensor([1e300])
    with pytest.raises(ValueError, match="dtype"):
        bp.tensor([1.0], dtype="float16")
