"""What a trainer tells of its memory and of each call."""

import numpy as np
import pytest

import backpass as bp


def classifier():
    return bp.Sequential(bp.Dense(16), bp.ReLU(), bp.Dropout(0.1), bp.Dense(3), input_shape=4, seed=1)


@pytest.mark.row("M1")
def test_memory_grows_linearly_with_depth():
    """One activation more per layer, and its parameters: equal differences."""

    def estimate(depth):
        layers = [bp.Dense(64, activation="tanh") for _ in range(depth)]
        return bp.Sequential(*layers, input_shape=(64,), seed=1).memory_estimate(256)

    estimates = [estimate(depth) for depth in (4, 8, 12, 16, 20)]
    steps = np.diff(estimates)
    assert (steps >= 4 * 256 * 64 * 4).all()  # the stored activations alone
    assert steps.max() <= 1.1 * steps.min()


@pytest.mark.row("M6")
def test_the_profile_tells_the_bytes_of_every_layer_by_name():
    """A call names the parameters that it reads, or whose gradients it writes."""
    rows = 64
    calls = bp.Trainer(classifier(), bp.CrossEntropy(), bp.Adam()).profile(rows, repeats=1).calls
    named = {
        (call.phase, name.partition("@")[0]): call.bytes
        for call in calls
        for name in (*call.reads, *call.writes)
        if call.phase in ("forward", "backward")
    }
    for layer, (inputs, outputs) in {"0": (4, 16), "3": (16, 3)}.items():
        of_product = 4 * (rows * inputs + inputs * outputs + rows * outputs)
        assert named["forward", f"{layer}.weight"] == of_product
        assert named["backward", f"grad {layer}.weight"] == of_product
        assert named["backward", f"grad {layer}.bias"] == 4 * rows * outputs


@pytest.mark.row("M6")
def test_the_profile_tells_bytes_and_time_of_every_call():
    trainer = bp.Trainer(classifier(), bp.CrossEntropy(), bp.Adam())
    before = trainer.model.flat_parameters.copy()
    profile = trainer.profile(64, repeats=3)
    assert [call.name for call in profile.calls] == [call.name for call in trainer.plan(64).calls]
    assert all(call.bytes > 0 for call in profile.calls)
    assert all(call.milliseconds > 0 for call in profile.calls if call.name == "matmul")
    np.testing.assert_array_equal(trainer.model.flat_parameters, before)
