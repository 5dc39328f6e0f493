"""Containers as arguments of functions: those that hold themselves, are very deep, or change while they are read."""

import contextlib

import numpy as np
import pytest

import backpass as bp

TRANSFORMED = {
    "compile": lambda: bp.compile(lambda tree: 1.0),
    "grad": lambda: bp.grad(lambda tree: 1.0),
    "vmap": lambda: bp.vmap(lambda tree: 1.0),
    "jacobian": lambda: bp.jacobian(lambda tree: 1.0),
}


def holding_themselves():
    values, by_name = [], {}
    values.append(values)
    by_name["self"] = by_name
    return [values, by_name, (values, by_name)]


def nested(depth):
    tree = np.ones(2)
    for _ in range(depth):
        tree = [tree]
    return tree


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED)
def test_containers_without_an_end(transformed):
    for tree in [*holding_themselves(), nested(100_000)]:
        with pytest.raises(ValueError, match="contains itself, or is nested too deeply"):
            transformed()(tree)


def test_deep_containers():
    def first(tree):
        while isinstance(tree, list):
            (tree,) = tree
        return tree * 2

    f = bp.compile(first)
    for depth in (1, 50, 200):
        np.testing.assert_array_equal(f(nested(depth)), [2, 2])


class Leaving:
    """An array that takes everything out of its container while it is read."""

    def __init__(self, container):
        self.container = container

    def __array__(self, dtype=None, copy=None):
        self.container.clear()
        return np.ones(2)


def test_parts_that_leave_while_they_are_read():
    values, by_name = [], {}
    values.extend([Leaving(values), np.ones(3)])
    by_name.update(a=Leaving(by_name), b=np.ones(3))
    f = bp.compile(lambda tree: bp.sum(bp.tree.leaves(tree)[0]) if bp.tree.leaves(tree) else 0.0)
    for tree in (values, by_name):
        with contextlib.suppress(ValueError, RuntimeError):  # what was read and what is there now may differ
            assert np.isfinite(f(tree))
        assert len(tree) == 0
