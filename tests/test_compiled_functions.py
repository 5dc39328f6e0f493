"""Compiled functions: what is traced when, what is kept, dtypes, threads, and messages."""

import gc
import threading
import weakref

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def counted():
    def f(x, n=1, *, name="f"):
        f.traces.append((x.shape, x.dtype, n, name))
        return x * 2.0

    f.traces = []
    return f


def test_methods_of_two_objects_are_two_functions():
    class Scaled:
        def __init__(self, by):
            self.by = by

        def sum_of(self, x):
            return bp.sum(x * self.by)

    for made in (bp.compile, bp.grad, bp.vmap):
        assert [float(np.sum(made(Scaled(by).sum_of)(np.ones(1)))) for by in (2.0, 3.0)] == [2.0, 3.0]


def test_memory_of_large_results_that_are_gone_is_used_again():
    f, x = bp.compile(lambda x: x + 1.0), np.ones(20000)
    place = f(x).ctypes.data
    second = f(x)
    assert second.ctypes.data == place
    assert second.flags.writeable
    assert second.flags.c_contiguous
    assert not np.shares_memory(f(x), second)
    part = second[5:]  # holds the memory
    del second
    f(x)[:] = 7
    np.testing.assert_array_equal(part, 2.0)


def test_one_trace_for_each_structure(counted):
    f = bp.compile(counted, static_argnums=1, static_argnames="name")
    for _ in range(3):
        f(np.ones(2), 1)
    f(np.ones(2) * 3, 2)
    f(np.ones((2, 1)), 2)
    f(np.ones(2, np.float32), 2)
    f(np.ones(2), 2, name="g")
    f(np.ones(2), True)  # which is 1, but another value
    assert counted.traces == [
        ((2,), "float64", 1, "f"),
        ((2,), "float64", 2, "f"),
        ((2, 1), "float64", 2, "f"),
        ((2,), "float32", 2, "f"),
        ((2,), "float64", 2, "g"),
        ((2,), "float64", True, "f"),
    ]
    assert len(f) == 6
    f.clear()
    assert len(f) == 0


def test_what_is_made_of_a_function_is_kept_with_it():
    def f(x):
        return bp.sum(x * x)

    assert bp.grad(f) is bp.grad(f)
    assert bp.grad(f) is not bp.grad(f, (0,))
    assert bp.hessian(f) is bp.hessian(f)
    kept = weakref.ref(bp.grad(f))
    kept()(np.ones(2))
    del f
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    ("args", "dtype"),
    [
        ((np.ones(2), np.ones(2)), "float64"),
        ((np.ones(2), np.ones(2, np.float32)), "float32"),
        ((np.ones(2), 3), "float64"),
        ((np.ones(2), [1.0, 2.0]), "float64"),
        ((1.0, 2), "float32"),
        ((np.float64(1), 2), "float64"),
        ((np.array([True, False]), 2.0), "float32"),
    ],
)
def test_the_type_in_which_it_computes(args, dtype):
    first = bp.compile(lambda a, b: a + (b[0] if isinstance(b, list) else b))(*args)
    assert first.dtype == dtype


def test_integers_are_indices():
    table, at = np.arange(6.0).reshape(3, 2), np.array([2, 0])
    assert bp.compile(bp.take)(table, at).tolist() == [[4, 5], [0, 1]]
    assert bp.compile(lambda i, x: (i, x * 1.0))(at, table)[0].tolist() == [2, 0]
    with pytest.raises(ValueError, match=r"must be in \[-3, 3\), got 3"):
        bp.compile(bp.take)(table, np.array([3, 0]))
    with pytest.raises(TypeError, match="integers have no derivative"):
        bp.grad(lambda i: bp.sum(bp.take(bp.constant(table), i)))(at)


def test_results_may_be_anything():
    x = np.ones(2)
    y = bp.compile(lambda x: {"same": x, "number": 3, "text": "t", "none": None, "twice": (x + x, [])})(x)
    assert y["same"] is not x
    np.testing.assert_array_equal(y["same"], x)
    assert (y["number"], y["text"], y["none"], y["twice"][1]) == (3, "t", None, [])


def test_memory_of_any_layout():
    x = np.arange(12.0).reshape(3, 4)
    f = bp.compile(lambda x: x * 2.0)
    for view in (x.T, x[::2], x[:, ::2], x[::-1], x.astype(">f8"), x.astype("f4")):
        np.testing.assert_array_equal(f(view), np.asarray(view, np.float64) * 2)


def test_random_numbers_by_seed_and_step():
    def f(x):
        return bp.dropout(x, 0.5, stream=1)

    x = np.ones(100)
    a, b = (bp.compile(f, training=True, seed=s) for s in (1, 2))
    first, second = a(x), a(x)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, b(x))
    a.step = 0
    np.testing.assert_array_equal(a(x), first)
    np.testing.assert_array_equal(bp.compile(f)(x), x)


def test_threads_share_a_function():
    f = bp.grad(lambda x: bp.sum(x**3))
    wrong = []

    def work(k):
        x = np.full(5, float(k))
        wrong.extend(k for _ in range(200) if not np.array_equal(f(x), 3 * x * x))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_messages():
    with pytest.raises(ValueError, match=r"must give one number, got shape \(2,\); jacobian takes any shape"):
        bp.grad(lambda x: x)(np.ones(2))
    with pytest.raises(TypeError, match="takes a function, got 3"):
        bp.grad(3)
    with pytest.raises(ValueError, match="argnums names argument 1, the call has 1"):
        bp.grad(lambda x: bp.sum(x), 1)(np.ones(2))
    with pytest.raises(TypeError, match=r"static_argnums"):
        bp.compile(lambda x: x if bp.sum(x) else -x)(np.ones(2))
    with pytest.raises(TypeError, match="must be hashable"):
        bp.compile(lambda x: x, static_argnums=0)([1])
    with pytest.raises(ValueError, match="structure"):
        bp.vjp(lambda x: (x, x), np.ones(2))[1](np.ones(2))


def test_plans_can_be_printed():
    f = bp.compile(lambda x: bp.sum(bp.tanh(x)))
    assert "tanh" in str(f.plan(np.ones(2)))
    assert "tanh" in str(f.graph(np.ones(2)))
