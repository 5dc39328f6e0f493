"""Values that are computed again for the backward pass: the same bits in less memory."""

import numpy as np
import pytest

import backpass as bp
from registry import ACTIVATIONS, ALL_LOSSES, DTYPES, ISAS, LAYERS, by_name, generator, using_isa
from test_determinism import sharing_everything

pytestmark = pytest.mark.row("M2")

FEATURES, DEPTH = 6, 9


class Doubled(bp.Layer):
    """Computed by NumPy; counts its calls."""

    def __init__(self):
        self._calls = []

    def output_shape(self, shape):
        return shape

    def forward(self, x):
        self._calls.append("forward")
        return 2 * x

    def backward(self, grad, x):
        self._calls.append("backward")
        return 2 * grad


def chain(make, outputs=3, depth=DEPTH, **options):
    layers = [layer for _ in range(depth) for layer in (bp.Dense(FEATURES, activation="tanh"), *make())]
    return bp.Sequential(*layers, bp.Dense(outputs), input_shape=FEATURES, seed=3, **options)


def shared():
    """One layer, called again and again."""
    x = bp.Input(FEATURES)
    layer, y = bp.Dense(FEATURES, activation="gelu"), x
    for _ in range(DEPTH):
        y = layer(y)
    return bp.Network(x, bp.Dense(3)(y), seed=3)


def skips():
    """Every third layer reads what six layers before it gave; in the middle a sum over everything."""
    x = bp.Input(FEATURES)
    values = [bp.Dense(FEATURES)(x)]
    for i in range(12):
        y = bp.Dense(FEATURES, activation="silu")(values[-1])
        values.append(y * bp.sigmoid(values[-6]) if i % 3 == 2 and len(values) > 6 else y)
        if i == 5:
            values.append(values[-1] / (1.0 + bp.sum(bp.square(values[-1]))))
    return bp.Network(x, bp.Dense(3)(values[-1]), seed=3)


def rotated():
    """Copies and reductions between products."""
    x = bp.Input(FEATURES)
    y = x
    for _ in range(DEPTH):
        y = bp.concat([y[:, 3:], y[:, :3]], axis=1)
        y = bp.Dense(FEATURES, activation="mish")(y - bp.mean(y, axis=0, keepdims=True))
    return bp.Network(x, bp.Dense(3)(y), seed=3)


def convolved():
    """A series of one row's features through convolutions and pooling, of which each must be made again."""
    x = bp.Input(FEATURES)
    y = bp.reshape(x, (None, FEATURES, 1))
    for _ in range(DEPTH):
        y = bp.Conv1d(4, 3, padding="same", activation="tanh")(y)
        y = bp.MaxPool1d(3, stride=1, padding=1)(y)
    return bp.Network(x, bp.Dense(3)(bp.Flatten()(y)), seed=3)


NETWORKS = {
    "dropout": lambda: chain(lambda: [bp.Dropout(0.3)]),
    "alpha dropout": lambda: chain(lambda: [bp.SELU(), bp.AlphaDropout(0.2)]),
    "noise": lambda: chain(lambda: [bp.GaussianNoise(0.1)]),
    "batch norm": lambda: chain(lambda: [bp.BatchNorm(), bp.ReLU(), bp.Dropout(0.1)]),
    "layer norm": lambda: chain(lambda: [bp.LayerNorm(), bp.GELU()]),
    "rms norm": lambda: chain(lambda: [bp.RMSNorm()]),
    "residual": lambda: chain(lambda: [bp.Residual(bp.Dense(FEATURES, activation="mish"), bp.Dense(FEATURES))]),
    "python": lambda: chain(lambda: [Doubled()]),
    "shared": shared,
    "skips": skips,
    "rotated": rotated,
    "convolved": convolved,
}


def plans(model, loss, rows, **options):
    return [bp.Trainer(model, loss, bp.Adam(), recompute=again, **options).plan(rows) for again in (False, True)]


def computed_again(plan):
    return [call for call in plan.calls if call.detail.endswith("; again")]


def after_steps(model, loss, x, y, optimizer=None, **options):
    """Everything that three steps leave."""
    trainer = bp.Trainer(model, loss, optimizer or bp.Adam(1e-2), **options)
    losses = [trainer.step(x, y) for _ in range(3)]
    return [np.array(losses), model.flat_gradients.copy(), model.flat_parameters.copy(), *model.states().values()]


def assert_same_bits(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_train_to_the_same_bits(network, rows):
    model = NETWORKS[network]
    if network == "batch norm" and rows < 2:
        pytest.skip("needs two rows")
    rng = generator(network, rows)
    x, y = rng.standard_normal((rows, FEATURES)), rng.standard_normal((rows, 3))
    plain, again = plans(model(), bp.MSE(), rows)
    assert not computed_again(plain)
    assert computed_again(again)
    assert again.arena_bytes <= plain.arena_bytes
    expected = after_steps(model(), bp.MSE(), x, y)
    with sharing_everything():
        for threads in (1, 3):
            assert_same_bits(after_steps(model(), bp.MSE(), x, y, recompute=True, threads=threads), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **by_name(LAYERS))
def test_layers_train_to_the_same_bits(case, dtype, isa):
    rng = generator(case.name)
    x, y = rng.standard_normal((7, FEATURES)), rng.standard_normal((7, 3))

    def make():
        return chain(lambda: [case.make()], depth=5, dtype=dtype)

    with using_isa(isa):
        assert_same_bits(after_steps(make(), bp.MSE(), x, y, recompute=True), after_steps(make(), bp.MSE(), x, y))


@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("case", **by_name(ALL_LOSSES))
def test_losses_give_the_same_bits(case, rows):
    def make():
        return chain(lambda: [bp.Softplus()], 3 * case.columns, depth=4)

    rng = generator(case.name)
    x, y = rng.standard_normal((rows, FEATURES)), case.target(rng, rows, 3)
    plain, again = (after_steps(make(), case.make(), x, y, recompute=again) for again in (False, True))
    assert_same_bits(again, plain)


FITS = {
    "accumulation": {"accumulate": 3},
    "clipping": {"optimizer": lambda: bp.SGD(0.1, momentum=0.9, clip_norm=0.5, clip_value=0.2)},
    "muon": {"optimizer": lambda: bp.Muon(0.02)},
    "class weights": {"loss": bp.CrossEntropy(), "class_weight": "balanced"},
    "a loss with weights": {"loss": bp.CrossEntropy(class_weight=[1.0, 2.0, 0.5])},
    "metrics": {"loss": bp.CrossEntropy(), "metrics": ["accuracy"]},
}


@pytest.mark.parametrize("name", FITS)
def test_fits_end_with_the_same_bits(name):
    options = {"loss": bp.MSE(), "optimizer": bp.Adam, **FITS[name]}
    rng = generator(name)
    x = rng.standard_normal((50, FEATURES))
    y = rng.standard_normal((50, 3)) if isinstance(options["loss"], bp.MSE) else rng.integers(0, 3, 50)

    def fitted(recompute):
        model = chain(lambda: [bp.BatchNorm(), bp.Dropout(0.2)])
        history = model.fit(
            x, y, epochs=2, batch_size=8, seed=1, progress=False, recompute=recompute,
            **{**options, "optimizer": options["optimizer"]()},
        )  # fmt: skip
        return [*map(np.array, history.values()), model.flat_parameters, *model.states().values()]

    assert_same_bits(fitted(True), fitted(False))


def test_several_inputs_outputs_and_rows_of_a_table():
    def make():
        words, x = bp.Input(2, dtype="int32"), bp.Input(FEATURES)
        y = bp.concat([bp.Flatten()(bp.Embedding(11, 3, sparse=True)(words)), x], axis=1)
        first = None
        for i in range(DEPTH):
            y = bp.Dense(FEATURES, activation="gelu")(y)
            first = y if i == 3 else first
        return bp.Network([words, x], [bp.Dense(1)(first), bp.Dense(3)(y)], seed=3)

    rng = generator("several")
    x = [rng.integers(0, 11, (20, 2)), rng.standard_normal((20, FEATURES))]
    y = [rng.standard_normal(20), rng.integers(0, 3, 20)]
    losses = [bp.MSE(), bp.CrossEntropy()]
    assert computed_again(plans(make(), losses, 20)[1])
    plain, again = (after_steps(make(), losses, x, y, recompute=again) for again in (False, True))
    assert_same_bits(again, plain)


def test_what_python_computes_is_computed_once():
    layers = [Doubled() for _ in range(4)]
    model = chain(lambda: [layers[0]], depth=1)
    model = bp.Sequential(*(part for layer in layers for part in (bp.Dense(FEATURES, activation="gelu"), layer)),
                          bp.Dense(3), input_shape=FEATURES, seed=0)  # fmt: skip
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1), recompute=True)
    assert computed_again(trainer.plan(4))
    trainer.step(np.ones((4, FEATURES)), np.ones((4, 3)))
    assert all(layer._calls == ["forward", "backward"] for layer in layers)


def deep(depth, activation="tanh", width=64):
    return bp.Sequential(*(bp.Dense(width, activation=activation) for _ in range(depth)), input_shape=width, seed=0)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_memory_grows_with_the_root_of_the_depth(activation):
    rows, kept = 128, 2 if activation == "gelu" else 1  # by layer: gelu keeps what goes in, too
    for depth in (16, 64, 144):
        plain, again = plans(deep(depth, activation), bp.MSE(), rows)
        values = again.arena_bytes / (rows * 64 * 4)
        assert plain.arena_bytes / (rows * 64 * 4) > kept * depth
        assert values < 2 * np.sqrt(kept * depth) + 5, f"{values} values of {depth} layers"
        flops = [sum(call.flops for call in plan.calls) for plan in (plain, again)]
        assert flops[1] <= 1.4 * flops[0]


def test_the_estimate_tells_what_is_saved():
    plain, again = (bp.Trainer(deep(36), bp.MSE(), bp.SGD(0.1), recompute=again) for again in (False, True))
    saved = plain.plan(256).arena_bytes - again.plan(256).arena_bytes
    assert saved > 20 * 256 * 64 * 4
    assert plain.memory_estimate(256) - again.memory_estimate(256) == saved


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_calls_that_are_made_again_wait_for_the_backward_pass(activation):
    calls = plans(deep(16, activation), bp.MSE(), 32)[1].calls
    turn = next(i for i, call in enumerate(calls) if call.phase == "backward")
    assert all(i > turn and call.phase == "backward" for i, call in enumerate(calls) if "; again" in call.detail)
    first = min(call.stage for call in calls if "; again" in call.detail)
    assert first > max(call.stage for call in calls if call.phase in ("forward", "loss"))


def test_nothing_to_gain_is_the_plain_plan():
    for model in (deep(1), bp.Sequential(bp.Dense(3), input_shape=2, seed=0)):
        plain, again = plans(model, bp.MSE(), 32)
        assert str(again) == str(plain)


def test_partial_fit_goes_on_with_it():
    model = deep(4)
    x = np.ones((8, 64))
    model.fit(x, x, loss=bp.MSE(), optimizer=bp.SGD(0.1), recompute=True, progress=False)
    trainer = model._last_trainer
    model.partial_fit(x, x)
    assert model._last_trainer is trainer
    model.fit(x, x, loss=trainer.loss, optimizer=trainer.optimizer, progress=False)
    assert not model._last_trainer.recompute


def test_errors():
    model = deep(1)
    with pytest.raises(TypeError, match=r"\[Trainer\] recompute must be True or False, got 'yes'"):
        bp.Trainer(model, bp.MSE(), bp.SGD(0.1), recompute="yes")
    with pytest.raises(ValueError, match=r"\[LBFGS\] takes no recompute"):
        bp.Trainer(model, bp.MSE(), bp.LBFGS(), recompute=True)
