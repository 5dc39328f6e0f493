"""Layers that normalize, against the reference, central differences and PyTorch."""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import DTYPES, ISAS, TOLERANCE, by_name, generator, using_isa

FEATURES = 6


@dataclass(frozen=True)
class NormCase:
    """A layer, and over which axis it takes its means; 0 is the batch."""

    name: str
    make: object
    axis: int = -1
    eps: float = 1e-5
    centred: bool = True
    torch: object = None  # torch -> a module for FEATURES

    @property
    def least_rows(self):
        return 2 if self.axis == 0 else 0


NORMS = (
    NormCase("BatchNorm", bp.BatchNorm, 0, torch=lambda t: t.nn.BatchNorm1d(FEATURES)),
    NormCase("BatchNorm, other settings", lambda: bp.BatchNorm(0.3, 1e-2), 0, 1e-2,
             torch=lambda t: t.nn.BatchNorm1d(FEATURES, 1e-2, 0.3)),
    NormCase("BatchNorm without weights", lambda: bp.BatchNorm(affine=False), 0,
             torch=lambda t: t.nn.BatchNorm1d(FEATURES, affine=False)),
    NormCase("LayerNorm", bp.LayerNorm, torch=lambda t: t.nn.LayerNorm(FEATURES)),
    NormCase("LayerNorm without bias", lambda: bp.LayerNorm(1e-3, bias=False), eps=1e-3,
             torch=lambda t: t.nn.LayerNorm(FEATURES, 1e-3, bias=False)),
    NormCase("LayerNorm without weights", lambda: bp.LayerNorm(affine=False),
             torch=lambda t: t.nn.LayerNorm(FEATURES, elementwise_affine=False)),
    NormCase("RMSNorm", bp.RMSNorm, eps=0.0, centred=False, torch=lambda t: t.nn.RMSNorm(FEATURES)),
    NormCase("RMSNorm with eps", lambda: bp.RMSNorm(1e-3), eps=1e-3, centred=False,
             torch=lambda t: t.nn.RMSNorm(FEATURES, 1e-3)),
    NormCase("RMSNorm without weights", lambda: bp.RMSNorm(1e-3, affine=False), eps=1e-3, centred=False,
             torch=lambda t: t.nn.RMSNorm(FEATURES, 1e-3, elementwise_affine=False)),
)  # fmt: skip
CASES = by_name(NORMS)


def built(case, dtype="float64", seed=5):
    model = bp.Sequential(case.make(), input_shape=(FEATURES,), seed=seed, dtype=dtype)
    if model.n_parameters:
        model.flat_parameters[:] = generator(case.name, "weights").uniform(0.5, 1.5, model.n_parameters)
    return model


def expected(case, parameters, x, grad, dtype):
    """Output, gradient to the input and gradients by name."""
    eps = case.eps or np.finfo(dtype).eps
    hat, _ = reference.standardize(x, case.axis, eps, case.centred)
    weight, bias = parameters.get("0.weight", np.ones(FEATURES)), parameters.get("0.bias", np.zeros(FEATURES))
    dx = reference.standardize_backward(x, grad * weight, case.axis, eps, case.centred)
    grads = {"0.weight": (grad * hat).sum(0), "0.bias": grad.sum(0)}
    return hat * weight + bias, dx, {name: grads[name] for name in parameters}


@pytest.mark.row("S6")
@pytest.mark.row("S7")
@pytest.mark.row("P1")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", **CASES)
def test_in_training_it_equals_the_reference(case, isa, dtype):
    with using_isa(isa):
        for rows in {case.least_rows, 1, 2, 7, 65} - set(range(case.least_rows)):
            rng = generator(case.name, rows)
            x, grad = rng.uniform(-2, 2, (rows, FEATURES)), rng.standard_normal((rows, FEATURES))
            model = built(case, dtype)
            weights = {name: value.astype(np.float64) for name, value in model.parameters().items()}
            y, dx, grads = expected(case, weights, x.astype(dtype).astype(np.float64), grad, dtype)
            close = {"rtol": 50 * TOLERANCE[dtype], "atol": 20 * TOLERANCE[dtype]}
            np.testing.assert_allclose(model.forward(x), y, **close)
            np.testing.assert_allclose(model.backward(grad), dx, **close)
            assert model.gradients().keys() == grads.keys()
            for name, value in model.gradients().items():
                np.testing.assert_allclose(value, grads[name], err_msg=name, **close)


@pytest.mark.row("S6")
@pytest.mark.row("S7")
@pytest.mark.row("C2")
@pytest.mark.parametrize("case", **CASES)
def test_gradients_equal_central_differences_through_the_statistics(case):
    rng = generator(case.name)
    model = bp.Sequential(bp.Dense(FEATURES), case.make(), bp.Tanh(), bp.Dense(2), seed=0)
    assert bp.gradcheck(model, bp.MSE(), rng.standard_normal((5, 4)), rng.standard_normal((5, 2))) < 1e-7


@pytest.mark.parametrize("case", **CASES)
def test_second_derivatives_equal_differences_of_gradients(case):
    rng = generator(case.name)
    model = bp.Sequential(bp.Dense(4), case.make(), bp.Tanh(), bp.Dense(2), input_shape=3, seed=0, dtype="float64")
    x, y, v = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), rng.standard_normal(model.n_parameters)
    product, at = bp.hvp(model, bp.MSE(), x, y, v), model.flat_parameters.copy()

    def gradient(step):
        model.flat_parameters[:] = at + step * v
        model.value_and_grad(x, y, bp.MSE())
        return model.flat_gradients.copy()

    numerical = (8 * (gradient(1e-4) - gradient(-1e-4)) - (gradient(2e-4) - gradient(-2e-4))) / 12e-4
    assert reference.relative_error(product, numerical) < 1e-6


@pytest.mark.row("S6")
@pytest.mark.parametrize("case", **CASES)
def test_trajectories_and_running_values_equal_those_of_pytorch(case):
    """A hundred steps in float64; then what it predicts."""
    torch = pytest.importorskip("torch")
    rng = generator(case.name, "torch")
    layers = bp.Dense(FEATURES, bias=False), case.make(), bp.Tanh(), bp.Dense(2)
    model = bp.Sequential(*layers, input_shape=4, seed=3, dtype="float64")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, FEATURES, bias=False), case.torch(torch), torch.nn.Tanh(), torch.nn.Linear(FEATURES, 2)
    ).double()
    theirs.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.05, momentum=0.9))
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    for _ in range(100):
        x, y = rng.standard_normal((9, 4)), rng.standard_normal((9, 2))
        ours = trainer.step(x, y)
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y))
        loss.backward()
        optimizer.step()
        assert ours == pytest.approx(loss.item(), abs=1e-10)
    state = theirs.state_dict()
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value, state[name].numpy(), rtol=1e-10, atol=1e-10, err_msg=name)
    x = rng.standard_normal((5, 4))
    np.testing.assert_allclose(model.predict(x), theirs.eval()(torch.tensor(x)).detach(), rtol=1e-10, atol=1e-10)
    again = bp.Sequential(*copy.deepcopy(layers), input_shape=4, dtype="float64")
    again.load_weights(state)  # with PyTorch's count of batches
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-9, atol=1e-9)


def test_threads_change_no_bit(rng):
    x, y = rng.standard_normal((300, 40)).astype(np.float32), rng.standard_normal((300, 3)).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        model = bp.Sequential(
            bp.Dense(64), bp.BatchNorm(), bp.SELU(), bp.AlphaDropout(0.1), bp.GaussianNoise(0.1), bp.Dense(64),
            bp.LayerNorm(), bp.ReLU(), bp.RMSNorm(), bp.Dense(3), input_shape=40, seed=0,
        )  # fmt: skip
        model.fit(x, y, loss=bp.MSE(), optimizer=bp.Adam(), epochs=2, batch_size=100, threads=threads)
        results.append(np.concatenate([value.ravel() for value in model.state_dict().values()]).tobytes())
    assert results[0] == results[1] == results[2]


@given(rows=st.integers(2, 40), features=st.integers(1, 70), data=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_any_shape(rows, features, data):
    rng = np.random.default_rng(data)
    x = rng.standard_normal((rows, features))
    for layer, axis in ((bp.BatchNorm(), 0), (bp.LayerNorm(), 1)):
        model = bp.Sequential(layer, input_shape=features, dtype="float64")
        np.testing.assert_allclose(model.forward(x), reference.standardize(x, axis, 1e-5)[0], rtol=1e-9, atol=1e-9)


# Settings.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.BatchNorm(momentum=1.5), r"\[BatchNorm\] momentum must be between 0 and 1, got 1.5"),
        (lambda: bp.BatchNorm(eps=0), r"\[BatchNorm\] eps must be positive and finite, got 0"),
        (lambda: bp.LayerNorm(float("nan")), r"\[LayerNorm\] eps must be positive"),
        (lambda: bp.RMSNorm(-1), r"\[RMSNorm\] eps must be finite and not negative, got -1"),
        (lambda: bp.AlphaDropout(1.0), r"\[AlphaDropout\] rate must be at least 0 and below 1, got 1.0"),
        (lambda: bp.GaussianNoise(-0.1), r"\[GaussianNoise\] deviation must be finite and not negative, got -0.1"),
        (lambda: bp.track(bp.Input(2), bp.Input(2), bp.Input(2), 0.1), r"\[track\] moves a state, got input"),
        (lambda: bp.by_mode(bp.Input(2), bp.Input(3)), r"\[by_mode\] takes two tensors of one shape"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()
