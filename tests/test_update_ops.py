"""Steps of optimizers as ops: by the kernel, and composed where they are mapped or differentiated."""

import numpy as np
import pytest

import backpass as bp
from backpass._core import eager_cache
from registry import DTYPES, OPTIMIZERS, by_name, generator

CASES = by_name([case for case in OPTIMIZERS if case.make().__class__ not in (bp.LBFGS, bp.Muon)])
CLIPPED = {"clip_norm": lambda: bp.AdamW(0.1, weight_decay=0.1, clip_norm=0.5), "plain": lambda: bp.AdamW(0.1)}


def drawn(*shape, dtype="float64", seed=0):
    return generator("update", *shape, seed).standard_normal(shape).astype(dtype)


def after(optimizer, w, count=3):
    """A weight and its state after some steps."""
    state = optimizer.init(w)
    for i in range(count):
        w, state = optimizer.apply(w, drawn(*w.shape, dtype=w.dtype, seed=i), state)
    return w, state


def calls_of(plan):
    return [line.split()[2] for line in str(plan).splitlines()[1:] if line.startswith("  ") and line[2] != " "]


def assert_same(got, wanted):
    for a, b in zip(bp.tree.leaves(got), bp.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **CASES)
def test_the_composed_rule_has_the_bits_of_the_kernel(case, dtype):
    """Under vmap over states each element has numbers of its own: the rule is composed there."""
    optimizer = case.make()
    w, state = after(optimizer, drawn(5, 7, dtype=dtype))
    gradient = drawn(5, 7, dtype=dtype, seed=9)
    batched = [bp.tree.map(lambda leaf: np.asarray(leaf)[None], part) for part in (w, gradient, state)]
    step = bp.vmap(optimizer.apply)
    assert "update" not in calls_of(step.plan(*batched))
    composed = bp.tree.map(lambda leaf: leaf[0], step(*batched))
    assert_same(composed, optimizer.apply(w, gradient, state))


@pytest.mark.parametrize("make", CLIPPED.values(), ids=CLIPPED)
def test_members_that_share_the_number_of_the_step_are_one_update(make):
    optimizer = make()
    members, gradients = drawn(4, 3, 5), drawn(4, 3, 5, seed=1)
    _, state = after(optimizer, members)
    axes = (0, 0, {"steps": None, "slots": dict.fromkeys(state["slots"], 0)})
    step = bp.vmap(optimizer.apply, in_axes=axes)
    together, moved = step(members, gradients, state)
    if make is CLIPPED["plain"]:
        assert calls_of(step.plan(members, gradients, state)).count("update") == 1
    for i in range(4):
        alone = {"steps": state["steps"], "slots": {name: slot[i] for name, slot in state["slots"].items()}}
        w, one = optimizer.apply(members[i], gradients[i], alone)
        np.testing.assert_allclose(together[i], w, rtol=1e-14)
        np.testing.assert_allclose(moved["slots"]["exp_avg"][i], one["slots"]["exp_avg"], rtol=1e-14)


def test_a_step_is_one_call_for_each_weight():
    """Which reads its numbers where they lie, and the gradient as its product leaves it."""
    adam, w = bp.Adam(0.1), {"a": drawn(4, 3), "b": drawn(3)}
    step = bp.compile(adam.apply)
    calls = calls_of(step.plan(w, w, adam.init(w)))
    assert sorted(calls) == ["next", "step", "update", "update"]


def test_large_weights_and_what_nobody_asks_for():
    """Over several tasks and pieces, odd at the end; slots stay in scratch memory where only the weight is wanted."""
    adam = bp.Adam(0.1)
    w, state = after(adam, drawn(3, 12345))
    gradient = drawn(3, 12345, seed=5)
    moved, kept = adam.apply(w, gradient, state)
    np.testing.assert_array_equal(bp.compile(lambda *args: adam.apply(*args)[0])(w, gradient, state), moved)
    square = bp.compile(lambda *args: adam.apply(*args)[1]["slots"]["exp_avg_sq"])(w, gradient, state)
    np.testing.assert_array_equal(square, kept["slots"]["exp_avg_sq"])
    mean, grad = state["slots"]["exp_avg"], gradient
    np.testing.assert_allclose(kept["slots"]["exp_avg"], 0.9 * mean + 0.1 * grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,)])
def test_sizes(shape):
    adam, w = bp.Adam(0.1), np.ones(shape)
    moved, state = adam.apply(w, w, adam.init(w))
    np.testing.assert_allclose(moved, np.full(shape, 0.9), rtol=1e-7)
    assert state["slots"]["exp_avg"].shape == shape


SMOOTH = by_name([case for case in OPTIMIZERS if case.kind not in ("Lion", "Muon", "LBFGS")])


@pytest.mark.parametrize("case", **SMOOTH)
def test_derivatives(case):
    """By the weight, the gradient and the slots at once, against central differences; and of the derivative again."""
    optimizer = case.make()
    w, state = after(optimizer, drawn(3))
    state["slots"] = bp.tree.map(lambda slot: np.abs(slot) + 0.5, state["slots"])
    gradient, along = drawn(3, seed=7), drawn(3, seed=8)

    def weighed(w, gradient, slots):
        moved, after = optimizer.apply(w, gradient, {**state, "slots": slots})
        return bp.sum(bp.square(moved) * along) + sum(bp.sum(bp.sin(leaf)) for leaf in bp.tree.leaves(after["slots"]))

    point = (w, gradient, state["slots"])
    check_against_differences(weighed, point)
    check_against_differences(lambda *at: sum(map(bp.sum, bp.tree.leaves(bp.grad(weighed, (0, 1))(*at)))), point)


def check_against_differences(f, point, h=1e-6):
    run = bp.compile(f)
    gradients = bp.tree.leaves(bp.grad(f, tuple(range(len(point))))(*point))
    leaves, structure = bp.tree.flatten(point)
    for i, gradient in enumerate(gradients):
        for j in range(gradient.size):
            step = h * np.eye(gradient.size)[j].reshape(gradient.shape)
            ends = [
                run(*bp.tree.unflatten(structure, [*leaves[:i], leaves[i] + s, *leaves[i + 1 :]]))
                for s in (step, -step)
            ]
            np.testing.assert_allclose(gradient.flat[j], (ends[0] - ends[1]) / (2 * h), rtol=1e-5, atol=1e-6)


def test_one_tensor_in_several_places():
    """The weight is its own gradient: w - 0.1 w, and so the derivative."""
    sgd = bp.SGD(0.1)
    moved = bp.grad(lambda w: bp.sum(sgd.apply(w, w, sgd.init(w))[0]))(np.ones(3))
    np.testing.assert_allclose(moved, 0.9)


def test_eager_loops_find_their_plans_again():
    adam, w = bp.Adam(0.1), bp.tensor(np.ones(1237))  # of a size that no other test has left plans for
    state, compiled = adam.init(w), []
    for _ in range(5):
        w, state = adam.apply(w, w * 2.0, state)
        for leaf in [w, *bp.tree.leaves(state)]:
            leaf.numpy()
        compiled.append(eager_cache()[1])
    assert compiled[-1] == compiled[1]
