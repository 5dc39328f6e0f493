"""Layers that normalize and that disturb, against the reference, central differences and PyTorch."""

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
    again = bp.Sequential(*layers, input_shape=4, dtype="float64")
    again.load_weights(state)  # with PyTorch's count of batches
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-9, atol=1e-9)


@pytest.mark.row("S6")
def test_running_values_follow_the_definition(rng):
    model = bp.Sequential(bp.BatchNorm(momentum=0.25), input_shape=(3, 2), dtype="float64")
    mean, var = np.zeros(2), np.ones(2)
    for _ in range(5):
        x = rng.normal(2, 3, (4, 3, 2))
        model.forward(x)
        mean = reference.running_step(mean, x.mean((0, 1)), 0.25)
        var = reference.running_step(var, x.var((0, 1), ddof=1), 0.25)
    np.testing.assert_allclose(model.states()["0.running_mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(model.states()["0.running_var"], var, rtol=1e-13)
    y = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-12)
    np.testing.assert_array_equal(model.forward(x, training=False), model.predict(x))


def test_only_training_moves_running_values(rng):
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    x, y = rng.standard_normal((8, 2)), rng.standard_normal((8, 1))
    before = model.state_dict()

    def same():
        return all((value == model.state_dict()[name]).all() for name, value in before.items())

    model.predict(x)
    model.evaluate(x, y, loss=bp.MSE())
    model.forward(x, training=False)
    model.value_and_grad(x, y, bp.MSE())
    bp.gradcheck(model, bp.MSE(), x, y)
    model.profile(8)
    assert same()
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
    assert not np.isfinite(trainer.step(np.full_like(x, np.inf), y))
    assert same(), "a step that diverges moves nothing"
    trainer.step(x, y)
    assert not same()


def test_a_layer_that_is_called_twice_moves_its_values_twice(rng):
    norm, a, b = bp.BatchNorm(momentum=0.5), bp.Input(2, name="a"), bp.Input(2, name="b")
    model = bp.Network([a, b], bp.concat([norm(a), norm(b)], axis=1), dtype="float64")
    x = rng.standard_normal((6, 2)), rng.standard_normal((6, 2))
    model.forward(list(x))
    mean = reference.running_step(reference.running_step(np.zeros(2), x[0].mean(0), 0.5), x[1].mean(0), 0.5)
    np.testing.assert_allclose(model.states()["0.running_mean"], mean, rtol=1e-13)


@pytest.mark.parametrize("rows", [0, 1])
def test_one_value_per_channel_is_an_error_that_changes_nothing(rows):
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    before = model.state_dict()
    x, y = np.ones((rows, 2)), np.ones((rows, 1))
    for call in (
        lambda: model.forward(x),
        lambda: bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y),
        lambda: (
            model.fit(np.ones((32 + rows, 2)), np.ones((32 + rows, 1)), loss=bp.MSE(), optimizer=bp.SGD(0.1))
            if rows
            else model.forward(x)
        ),
    ):
        with pytest.raises(ValueError, match=rf"\[BatchNorm\] needs at least 2 values .* got {rows}"):
            call()
    assert all((value == model.state_dict()[name]).all() for name, value in before.items())
    assert model.predict(x).shape == (rows, 1)


def test_states_are_saved_copied_and_shared_with_views(tmp_path, rng):
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    model.fit(rng.standard_normal((32, 2)), rng.standard_normal(32), loss=bp.MSE(), optimizer=bp.Adam(), epochs=2)
    model.save(tmp_path / "model.safetensors")
    x = rng.standard_normal((4, 2))
    for other in (bp.load(tmp_path / "model.safetensors"), copy.deepcopy(model)):
        assert type(other) is bp.Sequential
        np.testing.assert_array_equal(other.predict(x), model.predict(x))
        assert other.states()["1.running_mean"] is not model.states()["1.running_mean"]
    model.states()["1.running_mean"][:] += 1
    assert not (model.predict(x) == other.predict(x)).any()
    assert model.n_parameters == model.flat_parameters.size == 9 + 6 + 4
    with pytest.raises(ValueError, match=r'"1.running_var" is missing'):
        model.load_weights({k: v for k, v in model.state_dict().items() if k != "1.running_var"})


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


# Noise.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_noise_is_the_normal_quantile_of_the_streams_words(isa, dtype):
    from scipy.stats import norm

    with using_isa(isa):
        model = bp.Sequential(bp.GaussianNoise(1.0), input_shape=301, seed=9, dtype=dtype)
        noise = model.forward(np.zeros((7, 301)), random_step=4)
    words = reference.random_words(7 * 301, 9, 0, 4).astype(np.float64)
    quantile = norm.ppf((words + 0.5) / 2**32).reshape(7, 301)
    np.testing.assert_allclose(noise, quantile, rtol=1e-5 if dtype == "float32" else 1e-13, atol=TOLERANCE[dtype])


def test_noise_is_normal_and_only_in_training():
    model = bp.Sequential(bp.GaussianNoise(0.5), input_shape=1000, seed=1)
    x = np.ones((1000, 1000), np.float32)
    noise = model.forward(x) - 1
    assert abs(noise.mean()) < 3 * 0.5 / 1000
    assert abs(noise.std() - 0.5) < 3 * 0.5 / 1000 / np.sqrt(2)
    np.testing.assert_array_equal(model.predict(x), x)
    assert not (model.forward(x) - 1 == noise).all()
    np.testing.assert_allclose(model.backward(x), x)


@pytest.mark.row("V5")
def test_alpha_dropout_keeps_mean_and_variance(rng):
    model = bp.Sequential(bp.AlphaDropout(0.3), input_shape=1000, seed=1, dtype="float64")
    x = rng.standard_normal((500, 1000))
    y = model.forward(x)
    assert abs(y.mean()) < 0.01
    assert abs(y.std() - 1) < 0.01
    limit = -1.7580993408473766
    scale = (0.7 * (1 + 0.3 * limit**2)) ** -0.5
    dropped = reference.dropout_mask(x.shape, 0.3, 1, 0, 0) == 0
    np.testing.assert_allclose(y, scale * np.where(dropped, limit, x) - scale * 0.3 * limit, rtol=1e-12)
    np.testing.assert_allclose(model.backward(np.ones_like(x)), np.where(dropped, 0, scale), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(model.predict(x), x)


@pytest.mark.row("V5")
def test_selu_keeps_mean_and_variance_through_twenty_layers(rng):
    layers = [layer for _ in range(20) for layer in (bp.Dense(256, activation="selu"), bp.AlphaDropout(0.05))]
    model = bp.Sequential(*layers, input_shape=256, seed=0)
    y = model.forward(rng.standard_normal((512, 256)))
    assert abs(y.mean()) < 0.2
    assert abs(y.var() - 1) < 0.2


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


def test_a_call_that_fails_moves_no_running_value():
    model = bp.Sequential(bp.Embedding(4, 2), bp.Flatten(), bp.BatchNorm(), input_shape=2, seed=0)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"\[Embedding\] indices"):
        model.forward([[0, 1], [2, 9]])
    assert all((value == model.state_dict()[name]).all() for name, value in before.items())
    model.forward([[0, 1], [2, 3]])
    assert not (model.states()["2.running_mean"] == before["2.running_mean"]).all()


def test_a_step_that_clipping_rejects_moves_no_running_value():
    def steep(prediction, target):
        return bp.sqrt(bp.square(prediction - target))  # its derivative at 0 is not finite

    model = bp.Sequential(bp.BatchNorm(affine=False), bp.Dense(1, weight_init="ones"), input_shape=1, dtype="float64")
    before, x = model.state_dict(), np.array([[-2.0], [0.0], [2.0]])
    step = bp.Trainer(model, steep, bp.SGD(0.1, clip_norm=1.0)).step
    assert np.isnan(step(x, np.zeros((3, 1))))
    assert all((value == model.state_dict()[name]).all() for name, value in before.items())
    assert np.isfinite(step(x, np.ones((3, 1))))
    assert not (model.states()["0.running_var"] == before["0.running_var"]).all()


def test_a_state_that_backward_would_read_when_it_has_moved_is_refused_by_hand(rng):
    class Moving(bp.Layer):
        def forward(self, x):
            state = self.state("s", (2,), "ones")
            return bp.track(x * self.parameter("w", (2,), "ones") * state, state, bp.mean(x, 0), 0.5)

    model, x, y = bp.Sequential(Moving(), input_shape=2), rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
    with pytest.raises(ValueError, match=r"\[forward\] the gradient needs a state"):
        model.forward(x)
    assert np.isfinite(bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y))
