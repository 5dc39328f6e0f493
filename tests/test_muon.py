"""Muon: every parameter by its own rule, against the reference; and what orthogonal steps promise."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, ISAS, generator, using_isa

SETTINGS = (
    {},
    {"momentum": 0.8, "nesterov": False, "weight_decay": 0.0, "steps": 3},
    {"adjust": "match_rms_adamw", "weight_decay": 0.3},
)


def models(dtype="float64"):
    """A wide and a tall matrix, a row, vectors."""
    return bp.Sequential(
        bp.Dense(5), bp.Tanh(), bp.Dense(9), bp.Tanh(), bp.Dense(1), input_shape=7, seed=3, dtype=dtype
    )


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("settings", SETTINGS)
def test_steps_follow_the_formula(settings, dtype, isa):
    rng = generator("muon")
    with using_isa(isa):
        model, optimizer = models(dtype), bp.Muon(0.02, **settings)
        expected = {name: value.astype(np.float64) for name, value in model.parameters().items()}
        states = {name: {} for name in expected}
        for _ in range(30):
            model.flat_gradients[:] = rng.standard_normal(model.n_parameters)
            for name, grad in model.gradients().items():
                grad = grad.astype(np.float64)
                expected[name] = reference.muon(expected[name], grad, states[name], 0.02, **settings)
            optimizer.step(model)
    tolerance = 1e-11 if dtype == "float64" else 2e-3
    for name, value in model.parameters().items():
        np.testing.assert_allclose(value, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_a_trainer_steps_as_gradients_and_optimizer_do():
    rng = generator("data")
    x, y = rng.standard_normal((12, 7)), rng.standard_normal((12, 1))
    trained, by_hand = models(), models()
    trainer, optimizer = bp.Trainer(trained, bp.MSE(), bp.Muon(0.02)), bp.Muon(0.02)
    for _ in range(20):
        trainer.step(x, y)
        by_hand.value_and_grad(x, y, bp.MSE())
        optimizer.step(by_hand)
    np.testing.assert_allclose(trained.flat_parameters, by_hand.flat_parameters, rtol=1e-10, atol=1e-12)
    assert trainer.step(x, np.full_like(y, np.inf)) == np.inf
    np.testing.assert_allclose(trained.flat_parameters, by_hand.flat_parameters, rtol=1e-10, atol=1e-12)


def test_near_that_of_pytorch():
    """Which iterates in bfloat16: the directions agree to its three digits."""
    torch = pytest.importorskip("torch")
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this PyTorch has no Muon")
    rng = generator("torch")
    model = bp.Sequential(bp.Dense(16, bias=False), input_shape=24, seed=0, dtype="float64")
    theirs = torch.nn.Parameter(torch.tensor(model.parameters()["0.weight"]))
    start = model.flat_parameters.copy()
    ours, other = bp.Muon(0.02), torch.optim.Muon([theirs], lr=0.02)
    for _ in range(20):
        grad = rng.standard_normal((16, 24))
        model.gradients()["0.weight"][:] = grad
        theirs.grad = torch.tensor(grad)
        ours.step(model)
        other.step()
    moved, their_move = model.flat_parameters - start, theirs.detach().numpy().ravel() - start
    cosine = moved @ their_move / np.linalg.norm(moved) / np.linalg.norm(their_move)
    assert cosine > 0.995
    assert np.linalg.norm(moved) == pytest.approx(np.linalg.norm(their_move), rel=0.05)


def test_singular_values_of_a_step_are_near_one():
    model = bp.Sequential(bp.Dense(40, bias=False), input_shape=30, seed=0, dtype="float64")
    before = model.parameters()["0.weight"].copy()
    model.flat_gradients[:] = generator("svd").standard_normal(1200) * 1e-3
    bp.Muon(1.0, weight_decay=0.0, adjust="match_rms_adamw").step(model)
    values = np.linalg.svd((before - model.parameters()["0.weight"]) / (0.2 * 40**0.5), compute_uv=False)
    assert values.max() < 1.3
    assert np.median(values) > 0.6


def test_threads_groups_freezing_and_state(rng):
    x, y = rng.standard_normal((200, 7)), rng.standard_normal((200, 1))
    results = []
    for threads in (1, 2, 3):
        model = models("float32")
        model.freeze("2.weight")
        frozen = model.parameters()["2.weight"].copy()
        optimizer = bp.Muon(0.02, groups=[bp.Group("*.bias", learning_rate=1e-3, weight_decay=0.0)])
        model.fit(x, y, loss=bp.MSE(), optimizer=optimizer, epochs=3, threads=threads)
        np.testing.assert_array_equal(model.parameters()["2.weight"], frozen)
        results.append(model.flat_parameters.tobytes())
    assert results[0] == results[1] == results[2]
    again = bp.Muon(0.02)
    again.load_state_dict(optimizer.state_dict())
    assert again.steps == 0 or again.state_dict()["steps"] == optimizer.steps


def test_it_learns(rng):
    x, y = bp.datasets.load_digits()
    model = bp.Sequential(bp.Dense(32, activation="relu"), bp.Dense(10), seed=0)
    model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Muon(0.02), epochs=3)
    assert model.evaluate(x, y, metrics=["accuracy"])["accuracy"] > 0.95


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 1.0}, r"\[Muon\] momentum must be at least 0 and below 1, got 1"),
        ({"steps": 0}, r"\[Muon\] steps must be positive, got 0"),
        ({"adjust": "none"}, r"\[Muon\] adjust must be one of original, match_rms_adamw, got 'none'"),
        ({"clip_norm": 1.0}, r"\[Muon\] takes no clipping"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        bp.Muon(0.02, **settings)


def test_gradients_that_are_one_tensor_are_those_of_this_step(rng):
    """Two parameters that are added have the same gradient: both move alike from the first step on."""
    x = bp.Input(3, dtype="float64")
    p, q = bp.parameter((2, 3), "float64", "p"), bp.parameter((2, 3), "float64", "q")
    model = bp.Network(x, bp.matmul(x, p + q, transpose_b=True), seed=0)
    trainer = bp.Trainer(model, bp.MSE(), bp.Muon(0.02))
    for _ in range(3):
        trainer.step(rng.standard_normal((8, 3)), rng.standard_normal((8, 2)))
        np.testing.assert_array_equal(model.parameters()["p"], model.parameters()["q"])
        assert (model.parameters()["p"] != 0).all()


@pytest.mark.parametrize("size", [1e38, 1e-30])
def test_a_direction_has_no_scale(size, rng):
    moves = []
    gradient = rng.standard_normal((8, 6)).astype(np.float32)
    for factor in (1, np.float32(size)):
        model = bp.Sequential(bp.Dense(8, bias=False), input_shape=6, seed=0)
        before = model.flat_parameters.copy()
        model.flat_gradients[:] = gradient.ravel() * factor
        bp.Muon(0.1, momentum=0.0).step(model)
        moves.append(model.flat_parameters - before)
    np.testing.assert_allclose(moves[1], moves[0], rtol=0, atol=1e-6)
    assert np.abs(moves[0]).max() > 0.01
