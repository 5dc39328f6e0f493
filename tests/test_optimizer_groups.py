"""Groups of parameters with options of their own, and decay of matrices alone."""

import math

import numpy as np
import pytest

import backpass as bp
from registry import generator
from test_optimizer_options import batch, small_model

GROUPED = {
    "rates": ([("*.bias", 0.03, None), ("2.*", 0.002, None)], "all"),
    "decays": ([("0.weight", None, 0.3), ("*.weight", 0.004, 0.0)], "all"),
    "matrices": ([], "matrices"),
    "matrices, but these": ([("2.bias", None, 0.2)], "matrices"),
}


@pytest.mark.row("R5")
@pytest.mark.parametrize("kind", ["SGD", "AdamW", "Adagrad"])
@pytest.mark.parametrize("grouped", GROUPED)
def test_groups_are_those_of_pytorch(grouped, kind):
    torch = pytest.importorskip("torch")
    patterns, decay = GROUPED[grouped]
    model, rng = small_model(), generator(grouped)
    groups = [bp.Group(*group) for group in patterns]
    optimizer = getattr(bp, kind)(0.01, weight_decay=0.1, groups=groups, decay=decay)
    theirs, settings = {}, []
    for name, value in model.parameters().items():
        theirs[name] = torch.tensor(value.copy(), requires_grad=True)
        first = next((g for g in patterns if name.endswith(g[0].strip("*")) or name.startswith(g[0].strip("*"))), None)
        rate, own = first[1:] if first else (None, None)
        usual = 0.0 if decay == "matrices" and value.ndim < 2 else 0.1
        settings.append({
            "params": [theirs[name]],
            "lr": 0.01 if rate is None else rate, "weight_decay": usual if own is None else own,
        })  # fmt: skip
    other = getattr(torch.optim, kind)(settings)
    for step in range(100):
        if step == 50:
            optimizer.learning_rate *= 0.5
            for group in other.param_groups:
                group["lr"] *= 0.5
        grad = rng.standard_normal(model.n_parameters)
        model.flat_gradients[:] = grad
        optimizer.step(model)
        for name, value in theirs.items():
            value.grad = torch.tensor(model.gradients()[name].copy())
        other.step()
    for name, value in theirs.items():
        np.testing.assert_allclose(model.parameters()[name], value.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.row("R5")
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "Lion"])
def test_decay_takes_hold_of_matrices_and_spares_biases_and_normalisation(kind):
    model = bp.Sequential(bp.Dense(3), bp.LayerNorm(), bp.Dense(2), input_shape=4, seed=1, dtype="float64")
    model.flat_parameters[:] = 1
    getattr(bp, kind)(0.1, weight_decay=0.5, decay="matrices").step(model)
    for value in model.parameters().values():
        assert (value < 1).all() if value.ndim == 2 else (value == 1).all()


@pytest.mark.row("R5")
def test_coupled_decay_adds_to_the_gradient():
    """A step with decay is a step along g + decay * w."""
    one, other = small_model(), small_model()
    one.flat_gradients[:] = grad = generator("decay").standard_normal(one.n_parameters)
    other.flat_gradients[:] = grad + 0.25 * other.flat_parameters
    bp.RMSprop(0.1, weight_decay=0.25).step(one)
    bp.RMSprop(0.1).step(other)
    np.testing.assert_allclose(one.flat_parameters, other.flat_parameters, rtol=1e-14)


def test_trainers_use_groups_too():
    x, y = batch()
    model = small_model()
    before = {name: value.copy() for name, value in model.parameters().items()}
    bp.Trainer(model, bp.MSE(), bp.SGD(0.1, groups=[bp.Group("?.bias", 0.0), bp.Group("0.*", 0.2)])).step(x, y)
    rates = {"0.weight": 0.2, "0.bias": 0.0, "2.weight": 0.1, "2.bias": 0.0}
    for name, value in model.parameters().items():
        np.testing.assert_allclose(value, before[name] - rates[name] * model.gradients()[name], rtol=1e-14)


def test_equal_settings_are_one_segment():
    def detail(**options):
        return bp.Trainer(small_model(), bp.MSE(), bp.SGD(0.1, **options)).plan(8).calls[-1].detail

    assert detail() == detail(decay="matrices") == detail(groups=[bp.Group("*", 0.1)]) == "37 parameters"
    assert detail(groups=[bp.Group("0.*", 0.5)]) == "37 parameters in 2 segments"
    assert detail(groups=[bp.Group("*.bias", 0.5)]) == "37 parameters in 4 segments"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", "0.weight 0.bias 2.weight 2.bias"), ("*.bias", "0.bias 2.bias"), ("0.*", "0.weight 0.bias"),
        ("2.bias", "2.bias"), ("?.w*t", "0.weight 2.weight"), ("*.*i*", "0.weight 0.bias 2.weight 2.bias"),
        ("**2**s**", "2.bias"),
    ],
)  # fmt: skip
def test_patterns(pattern, names):
    model = small_model()
    model.flat_gradients[:] = 1
    before = {name: value.copy() for name, value in model.parameters().items()}
    bp.SGD(0.5, groups=[bp.Group(pattern, 0.0)]).step(model)
    still = [name for name, value in model.parameters().items() if np.array_equal(value, before[name])]
    assert still == names.split()


def test_a_pattern_that_matches_nothing_is_refused_before_anything_changes():
    model, (x, y) = small_model(), batch()
    before = model.flat_parameters.copy()
    optimizer = bp.Adam(groups=[bp.Group("*.scale", 0.1)])
    for attempt in (
        lambda: optimizer.step(model),
        lambda: bp.Trainer(model, bp.MSE(), optimizer).step(x, y),
        lambda: model.fit(x, y, loss=bp.MSE(), optimizer=optimizer, progress=False),
    ):
        with pytest.raises(ValueError, match=r'\[Adam\] groups must match parameters, got "\*.scale"'):
            attempt()
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert optimizer.steps == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bp.SGD(0.1, clip_norm=0), ValueError, r"\[SGD\] clip_norm must be finite and above 0, got 0"),
        (lambda: bp.Adam(clip_value=math.inf), ValueError, r"\[Adam\] clip_value"),
        (lambda: bp.Adam(clip_value="1"), TypeError, r"\[Adam\] clip_value must be a number"),
        (lambda: bp.Adam(decay="biases"), ValueError, r"\[Adam\] decay must be one of all, matrices"),
        (lambda: bp.Adam(groups="*.bias"), TypeError, r"\[Adam\] groups must be a list of Group"),
        (lambda: bp.Adam(groups=["*.bias"]), TypeError, r"\[Adam\] groups"),
        (lambda: bp.Group(3), TypeError, r"\[Group\] pattern must be a string, got 3"),
        (lambda: bp.Group("*", "fast"), TypeError, r"\[Group\] learning_rate must be a number"),
        (lambda: bp.Lion(groups=[bp.Group("*", -1)]), ValueError, r"\[Lion\] a group's learning_rate"),
        (lambda: bp.Lion(groups=[bp.Group("*", None, math.nan)]), ValueError, r"\[Lion\] a group's weight_decay"),
        (lambda: bp.SGD(0.0, groups=[bp.Group("*", 1)]), ValueError, r"\[SGD\] learning_rate must be above 0"),
        (lambda: bp.SGD(0.1, clip=1), TypeError, "clip"),
        (lambda: bp.SGD(0.1, 0.9, True, dampening=0.1), ValueError, r"\[SGD\] nesterov"),
        (lambda: bp.RMSprop(centered=1), TypeError, r"\[RMSprop\] centered must be True or False"),
        (lambda: bp.Adadelta(rho=1), ValueError, r"\[Adadelta\] rho must be at least 0 and below 1, got 1"),
        (lambda: bp.Adagrad(initial_accumulator_value=-1), ValueError, r"\[Adagrad\] initial_accumulator_value"),
        (lambda: bp.NAdam(momentum_decay=-1), ValueError, r"\[NAdam\] momentum_decay"),
        (lambda: bp.Lion(betas=(0.9, 1)), ValueError, r"\[Lion\] betas"),
    ],
)
def test_options_and_settings_out_of_range_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
