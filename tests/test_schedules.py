"""Schedules: each against its formula, its ends, and PyTorch's."""

import pickle

import numpy as np
import pytest

import backpass as bp
from registry import generator

STEPS = 200


def factors(schedule, count=STEPS):
    return np.array([schedule.factor(t) for t in range(count)])


def t_of(count=STEPS):
    return np.arange(count, dtype=np.float64)


FORMULAS = {
    "constant": (bp.ConstantRate(), lambda t: np.ones_like(t)),
    "step": (bp.StepDecay(30, 0.5), lambda t: 0.5 ** (t // 30)),
    "milestones": (bp.MultiStepDecay([10, 11, 90], 0.3), lambda t: 0.3 ** (1.0 * (t >= 10) + (t >= 11) + (t >= 90))),
    "exponential": (bp.ExponentialDecay(0.97), lambda t: 0.97**t),
    "cosine": (
        bp.CosineAnnealing(150, minimum=0.1),
        lambda t: 0.1 + 0.9 * (1 + np.cos(np.pi * np.minimum(t, 150) / 150)) / 2,
    ),
    "polynomial": (
        bp.PolynomialDecay(120, power=2.5, minimum=0.2),
        lambda t: 0.2 + 0.8 * (1 - np.minimum(t, 120) / 120) ** 2.5,
    ),
    "inverse square root": (
        bp.InverseSquareRoot(25),
        lambda t: np.minimum((t + 1) * 25**-1.5, (t + 1) ** -0.5) * 25**0.5,
    ),
    "flat cosine": (
        bp.FlatCosine(150, flat=0.4),
        lambda t: np.where(t <= 60, 1, (1 + np.cos(np.pi * (np.minimum(t, 150) - 60) / 90)) / 2),
    ),
    "cosine of the logarithm": (
        bp.LogCosine(180, cycles=4),
        lambda t: (1 - np.cos(2 * np.pi * np.log2(1 + 15 * np.minimum(t, 180) / 180))) / 2,
    ),
}


@pytest.mark.row("H1")
@pytest.mark.row("H2")
@pytest.mark.row("H3")
@pytest.mark.row("H4")
@pytest.mark.parametrize("name", FORMULAS)
def test_factors_follow_the_formula(name):
    schedule, formula = FORMULAS[name]
    np.testing.assert_allclose(factors(schedule), formula(t_of()), rtol=1e-12, atol=1e-15)


@pytest.mark.row("H4")
def test_the_ends_are_exact():
    assert bp.CosineAnnealing(7, minimum=0.25).factor(0) == 1
    assert bp.CosineAnnealing(7, minimum=0.25).factor(7) == 0.25
    assert bp.CosineAnnealing(7).factor(10**9) == 0
    assert bp.PolynomialDecay(7, minimum=0.25).factor(7) == 0.25
    assert bp.CosineAnnealing(7, restarts=True).factor(7 * 10**6) == 1
    assert bp.CosineAnnealing(7, restarts=True, multiplier=2).factor(7 * 2**40 - 7) == 1
    cycle = bp.OneCycle(11, pct_start=0.5, div_factor=10, final_div_factor=100)
    assert cycle.factor(0) == pytest.approx(0.1)
    assert cycle.factor(10) == cycle.factor(10**6) == pytest.approx(0.001)


@pytest.mark.parametrize(
    "make", [bp.ConstantRate, lambda **k: bp.ExponentialDecay(0.9, **k)], ids=["constant", "decay"]
)
def test_a_warm_up_comes_first(make):
    warm = factors(make(warmup=8))
    np.testing.assert_allclose(warm[:8], np.arange(1, 9) / 8)
    np.testing.assert_array_equal(warm[8:], factors(make())[:-8])


def torch_rates(make, count=STEPS):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0, momentum=0.5)
    schedule, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def warmed(kinds, optimizer, make, warmup):
    up = kinds.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    return kinds.SequentialLR(optimizer, [up, make(optimizer)], milestones=[warmup])


TORCH = {
    "constant": (bp.ConstantRate(), lambda k, o: k.ConstantLR(o, factor=1.0)),
    "step": (bp.StepDecay(30, 0.5), lambda k, o: k.StepLR(o, 30, 0.5)),
    "milestones": (bp.MultiStepDecay([10, 11, 90], 0.3), lambda k, o: k.MultiStepLR(o, [10, 11, 90], 0.3)),
    "exponential": (bp.ExponentialDecay(0.97), lambda k, o: k.ExponentialLR(o, 0.97)),
    "cosine": (bp.CosineAnnealing(STEPS, 0.1), lambda k, o: k.CosineAnnealingLR(o, STEPS, 0.1)),
    "restarts": (
        bp.CosineAnnealing(9, 0.1, restarts=True),
        lambda k, o: k.CosineAnnealingWarmRestarts(o, 9, eta_min=0.1),
    ),
    "longer restarts": (
        bp.CosineAnnealing(5, restarts=True, multiplier=3),
        lambda k, o: k.CosineAnnealingWarmRestarts(o, 5, 3),
    ),
    "polynomial": (bp.PolynomialDecay(120, 2.0), lambda k, o: k.PolynomialLR(o, 120, 2.0)),
    "cycle": (bp.OneCycle(STEPS + 1), lambda k, o: k.OneCycleLR(o, 1.0, STEPS + 1)),
    "lines": (
        bp.OneCycle(STEPS + 1, 0.4, "linear", 10, 50),
        lambda k, o: k.OneCycleLR(
            o, 1.0, STEPS + 1, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=50
        ),
    ),
    "warm cosine": (
        bp.CosineAnnealing(150, warmup=50),
        lambda k, o: warmed(k, o, lambda o: k.CosineAnnealingLR(o, 150), 50),
    ),
}


@pytest.mark.row("H2")
@pytest.mark.row("H3")
@pytest.mark.row("H4")
@pytest.mark.row("C3")
@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("name", TORCH)
def test_factors_are_those_of_torch(name):
    schedule, make = TORCH[name]
    np.testing.assert_allclose(factors(schedule), torch_rates(make), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.StepDecay(0), r"\[StepDecay\] every must be positive, got 0"),
        (lambda: bp.StepDecay(3, gamma=0), r"\[StepDecay\] gamma must be finite and above 0"),
        (lambda: bp.MultiStepDecay([3, 3]), r"\[MultiStepDecay\] milestones must be positive and rise"),
        (lambda: bp.CosineAnnealing(0), r"\[CosineAnnealing\] steps must be positive"),
        (lambda: bp.CosineAnnealing(5, minimum=2), r"\[CosineAnnealing\] minimum must be between 0 and 1"),
        (lambda: bp.CosineAnnealing(5, multiplier=2), r"\[CosineAnnealing\] multiplier needs restarts"),
        (lambda: bp.OneCycle(5, anneal_strategy="up"), r"\[OneCycle\] anneal_strategy must be one of cos, linear"),
        (lambda: bp.ExponentialDecay(float("nan")), r"\[ExponentialDecay\] gamma must be finite"),
        (lambda: bp.ConstantRate(warmup=-1), r"\[ConstantRate\] warmup must not be negative, got -1"),
        (lambda: bp.ConstantRate(per="batch"), r"\[ConstantRate\] per must be one of step, epoch"),
        (lambda: bp.InverseSquareRoot(0), r"\[InverseSquareRoot\] steps must be positive"),
        (lambda: bp.ConstantRate().factor(-1), r"\[ConstantRate\] t must be finite and not negative"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [lambda: bp.StepDecay(2.5), lambda: bp.MultiStepDecay("12"), lambda: bp.MultiStepDecay(None)],
    ids=["float", "string", "none"],
)
def test_settings_of_the_wrong_type_are_refused(make):
    with pytest.raises(TypeError, match="must be"):
        make()


def test_schedules_are_values():
    schedule = bp.CosineAnnealing(9, 0.5, warmup=3, per="epoch")
    assert repr(schedule) == (
        "CosineAnnealing(steps=9, minimum=0.5, restarts=False, multiplier=1, warmup=3, per='epoch')"
    )
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert schedule != bp.CosineAnnealing(9, 0.5)


# In an optimizer.


def small_model():
    return bp.Sequential(bp.Dense(5, activation="tanh"), bp.Dense(2), input_shape=4, seed=3, dtype="float64")


def batch(rows=12):
    rng = generator("scheduled", rows)
    return rng.standard_normal((rows, 4)), rng.standard_normal((rows, 2))


FIT = {"loss": bp.MSE(), "batch_size": 4, "shuffle": False, "progress": False}


@pytest.mark.row("H4")
@pytest.mark.parametrize("make", [bp.SGD, bp.Adam, bp.AdamW, bp.RMSprop], ids=lambda make: make.__name__)
def test_a_fit_takes_the_rate_of_every_update(make):
    """As a loop that sets the rate before each step by hand, bit for bit."""
    x, y = batch()
    schedule = bp.CosineAnnealing(20, minimum=0.1, warmup=5)
    scheduled, by_hand = small_model(), small_model()
    optimizer, other = make(0.05, schedule=schedule), make(0.05)
    history = scheduled.fit(x, y, optimizer=optimizer, epochs=10, **FIT)
    trainer = bp.Trainer(by_hand, bp.MSE(), other)
    for t in range(30):
        other.learning_rate = 0.05 * schedule.factor(t)
        trainer.step(x[t % 3 * 4 :][:4], y[t % 3 * 4 :][:4])
    np.testing.assert_array_equal(scheduled.flat_parameters, by_hand.flat_parameters)
    assert history["learning_rate"] == [0.05 * schedule.factor(3 * epoch + 2) for epoch in range(10)]
    assert (optimizer.learning_rate, optimizer.steps) == (0.05, 30)
    assert optimizer.current_learning_rate == 0.05 * schedule.factor(30)


@pytest.mark.row("H3")
def test_epochs_are_counted_over_fits_and_kept():
    x, y = batch()
    model, optimizer = small_model(), bp.SGD(0.1, schedule=bp.StepDecay(2, 0.5, per="epoch"))
    rates = [rate for _ in range(2) for rate in model.fit(x, y, optimizer=optimizer, epochs=3, **FIT)["learning_rate"]]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.05, 0.05, 0.025, 0.025])
    again = bp.SGD(0.1, schedule=bp.StepDecay(2, 0.5, per="epoch"))
    again.load_state_dict(optimizer.state_dict())
    assert again.current_learning_rate == optimizer.current_learning_rate == pytest.approx(0.0125)


@pytest.mark.row("C3")
@pytest.mark.row("H4")
def test_a_scheduled_trajectory_is_that_of_torch():
    torch = pytest.importorskip("torch")
    model, rng = small_model(), generator("trajectory")
    ours = bp.SGD(0.1, momentum=0.9, schedule=bp.OneCycle(101, pct_start=0.4))
    weight = torch.tensor(model.flat_parameters.copy(), requires_grad=True)
    theirs = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, 0.1, 101, pct_start=0.4, cycle_momentum=False)
    for _ in range(100):
        grad = rng.standard_normal(model.n_parameters)
        model.flat_gradients[:] = grad
        weight.grad = torch.tensor(grad)
        ours.step(model)
        theirs.step()
        schedule.step()
    np.testing.assert_allclose(model.flat_parameters, weight.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_an_optimizer_shows_and_pickles_its_schedule():
    optimizer = bp.Adam(0.1, schedule=bp.ExponentialDecay(0.9))
    assert "schedule=ExponentialDecay(gamma=0.9)" in repr(optimizer)
    assert repr(pickle.loads(pickle.dumps(optimizer))) == repr(optimizer)
    with pytest.raises(
        TypeError, match=r"\[Adam\] schedule must be a schedule such as CosineAnnealing\(100\), got 0.9"
    ):
        bp.Adam(schedule=0.9)


def test_plateaus_and_schedules_multiply():
    x, y = batch()
    optimizer = bp.SGD(0.0, schedule=bp.ExponentialDecay(0.5, per="epoch"))
    optimizer.learning_rate = 1e-9
    plateau = bp.ReduceOnPlateau("loss", factor=0.1, patience=0, threshold=1.0)
    history = small_model().fit(x, y, optimizer=optimizer, epochs=3, callbacks=[plateau], **FIT)
    np.testing.assert_allclose(history["learning_rate"], [1e-9, 0.5e-9, 0.025e-9])
