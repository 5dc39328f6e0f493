"""Clipping of gradients, by any optimizer."""

import math

import numpy as np
import pytest

import backpass as bp
from backpass import _core
from registry import DTYPES, generator


def small_model(dtype="float64", seed=3):
    return bp.Sequential(bp.Dense(5), bp.Tanh(), bp.Dense(2), input_shape=(4,), seed=seed, dtype=dtype)


def batch(rows=12):
    rng = generator("batch", rows)
    return rng.standard_normal((rows, 4)), rng.standard_normal((rows, 2))


# Clipping.


@pytest.mark.row("S3")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_norm_is_capped_and_the_direction_kept(scale, dtype):
    model = small_model(dtype)
    grad = (scale * generator("norm").standard_normal(model.n_parameters)).astype(dtype)
    model.flat_gradients[:] = grad
    bp.SGD(0.1, clip_norm=0.5).step(model)
    clipped = model.flat_gradients.astype(float)
    norm = np.linalg.norm(grad.astype(float))
    assert np.linalg.norm(clipped) <= 0.5 * (1 + 1e-6)
    if norm < 0.5:
        np.testing.assert_array_equal(model.flat_gradients, grad)
    else:
        assert np.linalg.norm(clipped) == pytest.approx(0.5, rel=2e-6 + 1e-6 / norm)
        assert clipped @ grad / np.linalg.norm(clipped) / norm == pytest.approx(1, abs=1e-6)


@pytest.mark.row("S4")
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_capped_one_by_one(dtype):
    model = small_model(dtype)
    grad = generator("value").standard_normal(model.n_parameters).astype(dtype)
    model.flat_gradients[:] = grad
    before = model.flat_parameters.copy()
    bp.SGD(1.0, clip_value=0.25).step(model)
    np.testing.assert_array_equal(model.flat_gradients, np.clip(grad, -0.25, 0.25))
    np.testing.assert_array_equal(model.flat_parameters, before - np.clip(grad, -0.25, 0.25))


@pytest.mark.row("S3")
@pytest.mark.row("S4")
@pytest.mark.parametrize(
    "options", [{"clip_norm": 0.05}, {"clip_value": 0.02}, {"clip_norm": 0.05, "clip_value": 0.02}]
)
def test_training_clips_as_pytorch_does(options):
    torch = pytest.importorskip("torch")
    model, (x, y) = small_model(), batch()
    theirs = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in model.parameters().items()}
    trainer, other = bp.Trainer(model, bp.MSE(), bp.Adam(1e-2, **options)), torch.optim.Adam(theirs.values(), lr=1e-2)
    for _ in range(100):
        trainer.step(x, y)
        hidden = torch.tanh(torch.tensor(x) @ theirs["0.weight"].T + theirs["0.bias"])
        loss = ((hidden @ theirs["2.weight"].T + theirs["2.bias"] - torch.tensor(y)) ** 2).mean()
        other.zero_grad()
        loss.backward()
        if "clip_value" in options:
            torch.nn.utils.clip_grad_value_(theirs.values(), options["clip_value"])
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_(theirs.values(), options["clip_norm"])
        other.step()
    for name, value in theirs.items():
        np.testing.assert_allclose(model.gradients()[name], value.grad.numpy(), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(model.parameters()[name], value.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.row("S3")
def test_squares_that_float32_cannot_hold_are_no_obstacle():
    model = small_model("float32")
    model.flat_gradients[:] = 1e30
    bp.SGD(0.0, clip_norm=1.0).step(model)
    assert np.linalg.norm(model.flat_gradients.astype(float)) == pytest.approx(1, rel=1e-5)


@pytest.mark.row("S2")
@pytest.mark.row("S3")
@pytest.mark.parametrize("options", [{"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_a_gradient_that_is_not_finite_is_never_clipped(options):
    """The loss is finite, its gradient is not: the square root of zero."""
    x = bp.Input(1, dtype="float64")
    w = bp.parameter((1, 1), "float64", "w", initializer="ones")
    model = bp.Network(x, bp.sqrt(bp.matmul(x, w)), seed=0)
    data, target = np.zeros((3, 1)), np.ones((3, 1))
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam(0.1, **options))
    assert math.isnan(trainer.step(data, target))
    assert trainer.optimizer.steps == 0
    assert model.flat_parameters == [1.0]
    with pytest.raises(bp.DivergedError, match="gradient") as caught:
        model.fit(data, target, loss=bp.MSE(), optimizer=bp.Adam(0.1, **options), progress=False)
    assert caught.value.layer == "the gradient"
    assert math.isfinite(trainer.step(data + 4, target))
    model.flat_gradients[:] = np.nan
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=r'\[Adam\] nothing was updated: the gradient of "w" is not finite'):
        trainer.optimizer.step(model)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert trainer.optimizer.steps == 1


def test_clipping_stands_in_the_plan_only_where_it_is_asked_for():
    names = [call.name for call in bp.Trainer(small_model(), bp.MSE(), bp.Adam()).plan(8).calls]
    clipped = bp.Trainer(small_model(), bp.MSE(), bp.Adam(clip_norm=1.0, clip_value=1.0)).plan(8).calls
    assert [call.name for call in clipped] == [*names[:-1], "clip_value", "clip_norm", "adam"]
    assert names[-1] == "adam"


# Threads.


def test_clipped_steps_have_the_same_bits_for_any_number_of_threads():
    """Large enough for several tasks in every segment."""
    x = generator("threads").standard_normal((64, 300)).astype("float32")
    y = generator("labels").integers(0, 10, 64)
    results = []
    _core.set_sharing_cut(False)
    try:
        for threads in (1, 2, 3):
            model = bp.Sequential(bp.Dense(128, activation="tanh"), bp.Dense(10), input_shape=300, seed=5)
            groups = [bp.Group("*.bias", 0.02)]
            optimizer = bp.Adam(0.01, amsgrad=True, clip_norm=0.01, clip_value=0.001, groups=groups, weight_decay=0.1)
            trainer = bp.Trainer(model, bp.CrossEntropy(), optimizer, threads=threads)
            results.append([trainer.step(x, y) for _ in range(5)] + model.flat_parameters.tolist())
    finally:
        _core.set_sharing_cut(True)
    assert results[0] == results[1] == results[2]
