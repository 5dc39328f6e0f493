"""Values kept for the backward pass in fewer bits: less memory, and training that ends as it would have."""

import numpy as np
import pytest

import backpass as bp
from backpass import _core
from registry import ISAS, LAYERS, by_name, generator, using_isa
from test_determinism import sharing_everything

pytestmark = pytest.mark.row("M4")

NARROW = {"activation_dtype": "bfloat16"}
TYPES = ("bfloat16", "int8")


def deep(depth, make=lambda: [bp.Dense(64, activation="tanh")], width=64):
    layers = [layer for _ in range(depth) for layer in make()]
    return bp.Sequential(*layers, bp.Dense(width), input_shape=width, seed=0)


def names(plan):
    return [call.name for call in plan.calls]


def nearest_bfloat16(x):
    """The float32 numbers that bfloat16 has, nearest, ties to even; by their bits."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("isa", ISAS)
def test_what_is_kept_is_the_nearest_bfloat16(isa):
    """Identities pass a row on as it is; the gradients of their weights are that row, as it was kept, and its signs."""
    rng = generator("bfloat16")
    width, depth = 96, 12
    bits = rng.integers(64, 190, width) << 23 | rng.integers(0, 2**23, width) | rng.integers(0, 2, width) << 31
    lower = np.resize([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], width)
    bits[: width // 2] = bits[: width // 2] & ~0xFFFF | lower[: width // 2]  # ties and their neighbours
    x = np.zeros((2, width), dtype=np.float32)
    x[0] = bits.astype(np.uint32).view(np.float32)
    with using_isa(isa):
        model = bp.Sequential(*(bp.Dense(width, bias=False) for _ in range(depth)), input_shape=width, seed=0)
        for weight in model.parameters().values():
            weight[:] = np.eye(width)
        trainer = bp.Trainer(model, lambda prediction, target: bp.sum(bp.abs(prediction)), bp.SGD(0.0), **NARROW)
        assert names(trainer.plan(2)).count("narrow") == depth
        trainer.step(x, x)
        for gradient in model.gradients().values():
            np.testing.assert_array_equal(gradient, np.outer(np.sign(x[0]), nearest_bfloat16(x[0])))


@pytest.mark.parametrize("isa", ISAS)
def test_what_is_kept_is_the_nearest_of_255_steps(isa):
    """The same, for groups of 128, whose largest is kept as it is; what is not zero keeps its sign."""
    rng = generator("int8")
    width, depth = 128, 16
    x = np.zeros((2, width), dtype=np.float32)
    x[0] = rng.standard_normal(width) * 10.0 ** rng.integers(-3, 1, width)
    x[0, :3] = [0, 12.7, -1e-3]
    largest = np.abs(x[0]).max()
    steps = np.round(x[0].astype(np.float64) * 127 / largest)
    steps = np.where(steps == 0, np.sign(x[0]), steps)
    with using_isa(isa):
        model = bp.Sequential(*(bp.Dense(width, bias=False) for _ in range(depth)), input_shape=width, seed=0)
        for weight in model.parameters().values():
            weight[:] = np.eye(width)
        trainer = bp.Trainer(model, lambda prediction, target: bp.sum(bp.abs(prediction)), bp.SGD(0.0),
                             activation_dtype="int8")  # fmt: skip
        assert names(trainer.plan(2)).count("narrow") == depth
        trainer.step(x, x)
        kept = model.gradients()["0.weight"][1] * np.sign(x[0, 1])
    np.testing.assert_allclose(kept, steps * largest / 127, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [bp.Dense(64, activation="tanh")],
        lambda: [bp.Dense(64, activation="gelu")],
        lambda: [bp.Dense(64), bp.BatchNorm(), bp.ReLU(), bp.Dropout(0.1)],
        lambda: [bp.Residual(bp.Dense(64, activation="relu"), bp.Dense(64)), bp.LayerNorm()],
    ],
    ids=["tanh", "gelu", "batch norm", "residual"],
)
@pytest.mark.parametrize(("dtype", "least"), [("bfloat16", 0.5), ("int8", 0.25)])
def test_memory_falls_to_a_half_and_a_quarter(make, dtype, least):
    for depth, more in ((16, 0.25), (64, 0.07)):
        wide, narrow = (
            bp.Trainer(deep(depth, make), bp.MSE(), bp.Adam(), activation_dtype=narrow).plan(128)
            for narrow in (None, dtype)
        )
        assert least < narrow.arena_bytes / wide.arena_bytes < least + more
        assert narrow.stages <= wide.stages + 1  # widening runs beside other calls
        flops = [sum(call.flops for call in plan.calls) for plan in (wide, narrow)]
        assert flops[0] == flops[1]


def test_nothing_to_gain_is_the_plain_plan():
    wide, narrow = (bp.Trainer(deep(1), bp.MSE(), bp.SGD(0.1), **o).plan(128) for o in ({}, NARROW))
    assert str(wide) == str(narrow)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6, 9, 16, 40])
@pytest.mark.parametrize("width", [16, 64])
def test_whether_values_are_rounded_does_not_depend_on_recomputation(depth, width):
    model = deep(depth, lambda: [bp.Dense(width, activation="tanh")], width)
    narrow, both = (bp.Trainer(model, bp.MSE(), bp.SGD(0.1), recompute=again, **NARROW).plan(128)
                    for again in (False, True))  # fmt: skip
    assert ("narrow" in names(narrow)) == ("narrow" in names(both))
    assert both.arena_bytes <= narrow.arena_bytes


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_gradients_point_the_same_way(activation, dtype, recompute):
    x, y = bp.datasets.load_digits()

    def gradient(**options):
        model = deep(12, lambda: [bp.Residual(bp.Dense(64, activation=activation)), bp.LayerNorm()])
        trainer = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.0), **options)
        trainer.step(x[:128], y[:128])
        return model.flat_gradients.astype(np.float64)

    exact, rounded = gradient(), gradient(recompute=recompute, activation_dtype=dtype)
    assert not np.array_equal(exact, rounded)
    assert cosine(exact, rounded) > (0.999 if dtype == "bfloat16" else 0.99)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("case", **by_name(LAYERS))
def test_layers(case, dtype):
    """Every layer between others: near the exact gradient, and the same bits for any number of threads."""
    rng = generator(case.name)
    x, y = rng.standard_normal((17, 6)), rng.standard_normal((17, 3))

    def gradient(**options):
        layers = [layer for _ in range(5) for layer in (bp.Dense(6, activation="tanh"), case.make(), bp.Dropout(0.1))]
        model = bp.Sequential(*layers, bp.Dense(3), input_shape=6, seed=1)
        trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.0), **options)
        trainer.step(x, y)
        return model.flat_gradients.copy(), trainer.plan(17)

    exact, (rounded, plan) = gradient()[0], gradient(threads=1, activation_dtype=dtype)
    if "narrow" not in names(plan):
        np.testing.assert_array_equal(rounded, exact)
    assert cosine(exact.astype(np.float64), rounded.astype(np.float64)) > 0.99
    with sharing_everything():
        np.testing.assert_array_equal(gradient(threads=3, activation_dtype=dtype)[0], rounded)


def test_with_everything_else():
    """Accumulation, clipping, several outputs, dropout, statistics and recomputation in one fit."""
    rng = generator("everything")
    x = bp.Input(16)
    values = [x]
    for _ in range(10):
        values.append(bp.Dropout(0.05)(bp.ReLU()(bp.BatchNorm()(bp.Dense(32)(values[-1])))))
    data, targets = rng.standard_normal((96, 16)), [rng.standard_normal(96), rng.integers(0, 3, 96)]
    losses, settings = [bp.MSE(), bp.CrossEntropy()], {"epochs": 3, "batch_size": 32, "seed": 1, "progress": False}

    def fitted(**options):
        model = bp.Network(x, [bp.Dense(1)(values[5]), bp.Dense(3)(values[10])], seed=0)
        model.reset()  # the other models of these tensors have trained them
        adam = bp.Adam(1e-3, clip_norm=1.0)
        history = model.fit(data, targets, loss=losses, optimizer=adam, accumulate=2, **settings, **options)
        return history["loss"], names(model._last_trainer.plan(32))

    exact, _ = fitted()
    for recompute in (False, True):
        rounded, calls = fitted(recompute=recompute, **NARROW)
        assert "widen" in calls
        np.testing.assert_allclose(rounded, exact, rtol=0.02)


def test_loss_and_predictions_of_the_first_step_are_exact():
    """Only the backward pass reads what was rounded."""
    rng = generator("first")
    x = rng.standard_normal((64, 64))
    losses = {bp.Trainer(deep(8), bp.MSE(), bp.SGD(0.1), activation_dtype=d).step(x, x) for d in (None, *TYPES)}
    assert len(losses) == 1


@pytest.mark.parametrize("dtype", TYPES)
def test_an_activation_that_is_not_finite_stays_so(dtype):
    model = deep(8, lambda: [bp.Dense(64)])
    x = np.zeros((4, 64))
    x[0] = 3e38
    assert not np.isfinite(bp.Trainer(model, bp.MSE(), bp.SGD(0.1), activation_dtype=dtype).step(x, x))
    assert np.isfinite(model.flat_parameters).all()


def test_errors():
    model = deep(1)
    with pytest.raises(ValueError, match=r"\[Trainer\] activation_dtype must be one of bfloat16, int8, got 'float16'"):
        bp.Trainer(model, bp.MSE(), bp.SGD(0.1), activation_dtype="float16")
    with pytest.raises(TypeError, match=r"\[Trainer\] activation_dtype must be a string, got 16"):
        bp.Trainer(model, bp.MSE(), bp.SGD(0.1), activation_dtype=16)
    with pytest.raises(ValueError, match=r"\[LBFGS\] takes no activation_dtype"):
        bp.Trainer(model, bp.MSE(), bp.LBFGS(), **NARROW)
    precise = bp.Sequential(bp.Dense(1), input_shape=2, seed=0, dtype="float64")
    with pytest.raises(ValueError, match=r"\[Trainer\] activation_dtype needs a model of float32, got float64"):
        bp.Trainer(precise, bp.MSE(), bp.SGD(0.1), **NARROW)
    with pytest.raises(ValueError, match=r"\[Trainer\] activation_dtype bfloat16 needs a network of float32"):
        _core.Trainer(precise._built(), [bp.MSE()._native], bp.SGD(0.1)._native, 0, [], activation_dtype="bfloat16")


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [bp.Dense(16, activation="relu"), bp.Dense(32, activation="gelu"), bp.GlobalAvgPool()],
        lambda: [bp.Conv1d(16, 3, activation="relu"), bp.MaxPool1d(2), bp.BatchNorm(), bp.GlobalAvgPool()],
        lambda: [bp.Conv1d(16, 3, activation="tanh"), bp.AvgPool1d(2), bp.Flatten()],
    ],
    ids=("a mean of rows", "convolution and pooling", "all of a series"),
)
def test_means_and_windows(layers, dtype):
    """What a mean leaves is kept in fewer bits where it is made: nothing else is."""
    rng = generator("means", dtype)
    x, y = rng.standard_normal((64, 12, 3)).astype(np.float32), rng.integers(0, 4, 64)

    def gradients(**options):
        model = bp.Sequential(*layers(), bp.Dense(4), input_shape=(12, 3), seed=0)
        trainer = bp.Trainer(model, "cross_entropy", bp.Adam(1e-2), **options)
        return trainer.step(x, y), model.flat_gradients.copy()

    (loss, exact), (same, close) = gradients(), gradients(activation_dtype=dtype)
    assert same == loss
    assert exact @ close / np.linalg.norm(exact) / np.linalg.norm(close) > 0.98
