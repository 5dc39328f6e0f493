"""What every optimizer can do: clipping, groups, decay of matrices alone, and its state in and out."""

import copy
import math
import pickle

import numpy as np
import pytest

import backpass as bp
from backpass import _core
from registry import DTYPES, OPTIMIZERS, by_name, generator

CASES = by_name(OPTIMIZERS)
STATEFUL = by_name([case for case in OPTIMIZERS if case.name not in ("SGD", "SGD, weight decay")])


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


# Groups.


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


# State.


@pytest.mark.parametrize("case", **CASES)
def test_training_goes_on_from_a_state(case):
    """Six steps are three, and three by a new optimizer of a copy that was given the state: the same bits."""
    whole, parts, (x, y) = small_model(), small_model(), batch()
    trainer = bp.Trainer(whole, bp.MSE(), case.make())
    for _ in range(6):
        trainer.step(x, y)
    first = bp.Trainer(parts, bp.MSE(), case.make())
    for _ in range(3):
        first.step(x, y)
    state = pickle.loads(pickle.dumps(first.optimizer.state_dict()))
    later, copied = case.make(), copy.copy(parts)
    later.load_state_dict(state)
    assert later.steps == 3
    second = bp.Trainer(copied, bp.MSE(), later)
    for _ in range(3):
        second.step(x, y)
    np.testing.assert_array_equal(copied.flat_parameters, whole.flat_parameters)
    assert second.optimizer.steps == 6


@pytest.mark.parametrize("case", **STATEFUL)
def test_state_is_named_as_in_pytorch(case):
    torch = pytest.importorskip("torch")
    if not hasattr(torch.optim, case.kind):
        pytest.skip("PyTorch has none")
    model, optimizer, rng = small_model(), case.make(), generator("state", case.name)
    theirs = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in model.parameters().items()}
    other = case.torch(torch, theirs.values())
    for _ in range(5):
        model.flat_gradients[:] = rng.standard_normal(model.n_parameters)
        for name, value in theirs.items():
            value.grad = torch.tensor(model.gradients()[name].copy())
        optimizer.step(model)
        other.step()
    state = optimizer.state_dict()
    assert (state["type"], state["steps"]) == (case.kind, 5)
    for slot, arrays in state["slots"].items():
        assert list(arrays) == sorted(model.parameters())
        for name, array in arrays.items():
            np.testing.assert_allclose(array, other.state[theirs[name]][slot].numpy(), rtol=1e-10, atol=1e-12)
    others = {name for name, value in other.state[theirs["0.bias"]].items() if getattr(value, "ndim", 0) == 1}
    assert set(state["slots"]) == others


def test_a_state_is_a_copy_and_can_be_given_back():
    model, (x, y) = small_model(), batch()
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam(0.1))
    trainer.step(x, y)
    state, weights = trainer.optimizer.state_dict(), model.flat_parameters.copy()
    after = [trainer.step(x, y) for _ in range(3)]
    trainer.optimizer.learning_rate = 7
    trainer.optimizer.load_state_dict(state)
    model.flat_parameters[:] = weights
    assert (trainer.optimizer.steps, trainer.optimizer.learning_rate) == (1, 0.1)
    assert [trainer.step(x, y) for _ in range(3)] == after


def test_states_that_do_not_fit_are_refused():
    model, other = small_model(), bp.Sequential(bp.Dense(3), input_shape=4, seed=0)
    adam = bp.Adam()
    adam.step(model)
    state = adam.state_dict()
    with pytest.raises(ValueError, match=r"\[AdamW\] state must be of AdamW, got Adam"):
        bp.AdamW().load_state_dict(state)
    with pytest.raises(TypeError, match=r"\[Adam\] state must be what state_dict\(\) gave"):
        bp.Adam().load_state_dict({"steps": 3})
    for name in ("steps", "epochs"):  # NAdam goes over all of them
        with pytest.raises(ValueError, match=rf"\[NAdam\] {name} must be at most 2147483648, got 4611686018427387904"):
            bp.NAdam().load_state_dict({**state, "type": "NAdam", name: 2**62})
    amsgrad = bp.Adam(amsgrad=True)
    amsgrad.load_state_dict(state)
    with pytest.raises(ValueError, match="max_exp_avg_sq"):
        amsgrad.step(model)
    elsewhere = bp.Adam()
    elsewhere.load_state_dict(state)
    before = other.flat_parameters.copy()
    with pytest.raises(ValueError, match=r"\[Adam\] state: exp_avg of \"0.weight\" must have shape"):
        elsewhere.step(other)
    np.testing.assert_array_equal(other.flat_parameters, before)
    elsewhere.step(model)
    assert elsewhere.steps == 2
    del state["slots"]["exp_avg"]["2.bias"]
    with pytest.raises(ValueError, match="lacks"):
        adam.load_state_dict(state)
    assert adam.steps == 1


def test_options_are_shown_and_pickled():
    adam = bp.Adam(0.5, clip_norm=2.0, groups=[bp.Group("*.bias", 0.25)], decay="matrices")
    adam.learning_rate = 0.1
    again = pickle.loads(pickle.dumps(adam))
    assert repr(again) == repr(adam)
    for part in ("learning_rate=0.1", "clip_norm=2.0", "groups=[Group(pattern='*.bias'", "decay='matrices'"):
        assert part in repr(adam)
    model = small_model()
    model.flat_gradients[:] = 1e-3
    before = model.parameters()["0.bias"].copy()
    again.step(model)
    np.testing.assert_allclose(
        model.parameters()["0.bias"], before - 0.05, rtol=0, atol=1e-5
    )  # half of the learning rate


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
