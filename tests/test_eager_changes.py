"""Leaves that change between what is computed from them and backward."""

import numpy as np
import pytest

import backpass as bp

CHANGED = r"\[backward\] a leaf of shape \(2,\) has changed since it was used"


def by_assign(w):
    w.assign([5.0, 6.0])


def in_place(w):
    with bp.no_grad():
        w -= 1.0


@pytest.mark.parametrize("change", [by_assign, in_place])
def test_a_leaf_that_changed_is_refused(change):
    w = bp.tensor([1.0, 2.0], requires_grad=True)
    y = bp.sum(w * w)
    change(w)
    with pytest.raises(ValueError, match=CHANGED):
        y.backward()
    assert w.grad is None
    assert float(y) == 5  # its value is from before
    bp.sum(w * w).backward()
    assert w.grad.tolist() == (2 * w).tolist()


def test_a_leaf_that_an_optimizer_stepped_is_refused():
    w = bp.tensor([1.0, 2.0], requires_grad=True)
    optimizer = bp.SGD([w], lr=0.25)
    y, again = bp.sum(w * w), bp.sum(w * w)
    y.backward()
    optimizer.step()
    with pytest.raises(ValueError, match=CHANGED):
        again.backward()
    optimizer.zero_grad()
    bp.sum(w * w).backward()
    assert w.grad.tolist() == [1.0, 2.0]


def test_parameters_used_directly_are_refused_too():
    model = bp.Sequential(bp.Dense(1, bias=False), input_shape=2, seed=0)
    (w,) = model.trainable_variables
    penalty = bp.sum(w * w)
    w.assign(np.ones((1, 2)))
    with pytest.raises(ValueError, match="has changed since it was used"):
        penalty.backward()


def test_what_follows_from_other_leaves_stays():
    w, v = bp.tensor([1.0, 2.0], requires_grad=True), bp.tensor([3.0, 4.0], requires_grad=True)
    y = bp.sum(w * w)
    v.assign([0.0, 0.0])
    y.backward()
    assert w.grad.tolist() == [2.0, 4.0]
