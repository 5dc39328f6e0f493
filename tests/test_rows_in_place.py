"""Rows that lie one after the other are read where the caller has them: nothing may depend on it, nor write to them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp

ROWS, FEATURES, OUTPUTS = 24, 5, 3


def unaligned(x):
    """The same rows, one after the other, at an odd address."""
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[:] = x
    return view


def frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


IN_PLACE = {"read only": frozen, "part": lambda x: np.concatenate([x[:7], x, x[:2]])[7:-2]}
GATHERED = {
    "double": lambda x: x.astype("f8") if x.dtype.kind == "f" else x.astype("i8"),
    "apart": lambda x: np.repeat(x, 2, axis=0)[::2],
}
COPIED = {  # before they come to a plan
    "reversed": lambda x: x[::-1].copy()[::-1],
    "columns": lambda x: np.asfortranarray(x),
    "unaligned": unaligned,
    "other bytes": lambda x: x.astype(x.dtype.newbyteorder()),
}
FORMS = IN_PLACE | GATHERED | COPIED
KINDS = {
    "plain": {},
    "double": {"dtype": "float64"},
    "recompute": {"recompute": True},
    "bfloat16": {"activation_dtype": "bfloat16"},
}


def make(loss=None, threads=None):
    model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(OUTPUTS), input_shape=FEATURES, seed=1)
    return bp.Trainer(model, loss or bp.MSE(), bp.SGD(0.1, momentum=0.5), threads=threads)


def numbers(rows=ROWS):
    rng = np.random.default_rng(rows)
    return rng.standard_normal((rows, FEATURES)).astype("f4"), rng.standard_normal((rows, OUTPUTS)).astype("f4")


def train(x, y, weight=None, loss=None, threads=None, **options):
    trainer = make(loss, threads)
    logs = trainer.fit(x, y, epochs=2, sample_weight=weight, progress=False, **options)
    trainer.step(x, y, sample_weight=weight)
    return trainer.model.flat_parameters.copy(), logs, trainer.evaluate(x, y, sample_weight=weight)


def assert_same(ours, expected):
    np.testing.assert_array_equal(ours[0], expected[0])
    assert ours[1:] == expected[1:]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("batch_size", "shuffle"), [(8, False), (7, False), (ROWS, False), (1, True), (8, True)])
def test_how_rows_lie_changes_no_bit(form, batch_size, shuffle):
    x, y = numbers()
    weight = np.linspace(0.5, 1.5, ROWS, dtype="f4")
    options = {"batch_size": batch_size, "shuffle": shuffle, "metrics": "mae"}
    before = FORMS[form](x), FORMS[form](y), FORMS[form](weight)
    kept = [part.copy() for part in before]
    assert_same(train(*before, **options), train(x, y, weight, **options))
    for part, copy in zip(before, kept, strict=True):
        np.testing.assert_array_equal(part, copy)


@pytest.mark.parametrize("form", FORMS)
def test_labels_too(form):
    x, labels = numbers()[0], np.arange(ROWS, dtype="i4") % OUTPUTS
    options = {"batch_size": 8, "shuffle": False, "loss": bp.CrossEntropy()}
    assert_same(train(x, FORMS[form](labels), **options), train(x, labels, **options))


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 600), batch_size=st.integers(1, 600), threads=st.integers(1, 3))
def test_of_any_size_on_any_number_of_threads(rows, batch_size, threads):
    x, y = numbers(rows)
    options = {"batch_size": batch_size, "shuffle": False, "threads": threads}
    assert_same(train(x, y, **options), train(GATHERED["apart"](x), GATHERED["double"](y), **options))


def network(dtype="float32"):
    """Two inputs: numbers, and rows of a table."""
    left, right = bp.Input(FEATURES), bp.Input((), dtype="int32")
    y = bp.concat([bp.Dense(8, activation="relu")(left), bp.Embedding(6, 4)(right)], axis=1)
    for _ in range(5):
        y = bp.Dense(8, activation="tanh")(y)
    return bp.Network([left, right], bp.Dense(OUTPUTS)(y), seed=1, dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [32, 300])  # 300 walk in lanes
def test_of_several_inputs_in_every_kind_of_plan(kind, rows):
    x, y = numbers(rows)
    options = dict(KINDS[kind])
    dtype = options.pop("dtype", "float32")
    x, y, index = x.astype(dtype), y.astype(dtype), np.arange(rows, dtype="i4") % 6
    results = []
    for form in (lambda a: a, GATHERED["apart"]):
        model = network(dtype)
        trainer = bp.Trainer(model, bp.MSE(), bp.Adam(0.01), **options)
        data = [form(x), form(index)], form(y)
        trainer.fit(*data, batch_size=rows // 2, accumulate=2, epochs=2, shuffle=False, progress=False)
        trainer.step(*data)
        results.append((model.flat_parameters.copy(), trainer.evaluate(*data)))
    assert_same(*results)


@pytest.mark.parametrize("buffer", ["flat_gradients", "flat_parameters"])
@pytest.mark.parametrize("offset", [0, 37, 90])
def test_rows_that_lie_in_a_buffer_of_the_model(buffer, offset):
    parameters = []
    for copies in (False, True):
        model = bp.Sequential(bp.Dense(40, activation="tanh"), bp.Dense(4), input_shape=8, seed=1)
        trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
        y = np.ones((16, 4), "f4")
        trainer.step(np.random.default_rng(0).standard_normal((16, 8)).astype("f4"), y)
        x = getattr(model, buffer)[offset : offset + 128].reshape(16, 8)
        trainer.step(x.copy() if copies else x, y)
        parameters.append(model.flat_parameters.copy())
    np.testing.assert_array_equal(*parameters)


def test_a_backward_by_hand_knows_the_rows_of_its_forward():
    x, _ = numbers()
    model, other = make().model, make().model
    passing = x.copy()
    model.forward(passing, training=True), other.forward(x, training=True)
    passing[:] = np.nan
    grad = np.ones((ROWS, OUTPUTS), "f4")
    np.testing.assert_array_equal(model.backward(grad), other.backward(grad))
    np.testing.assert_array_equal(model.flat_gradients, other.flat_gradients)


def test_an_output_that_is_the_input():
    x = np.random.default_rng(0).standard_normal((ROWS, 2, 3)).astype("f4")
    y = np.zeros((ROWS, 6), "f4")
    model = bp.Sequential(bp.Flatten(), input_shape=(2, 3), seed=0)
    got = model.evaluate(x, y, loss=bp.MSE(), metrics="mae")
    assert got == pytest.approx({"loss": np.mean(x**2), "mae": np.mean(np.abs(x))}, rel=1e-6)


class Spoil(bp.Layer):
    """Zeros, written over what it is given."""

    def output_shape(self, shape):
        return shape

    def forward(self, x):
        x[:] = 0
        return x

    def backward(self, grad, x):
        return grad


def test_a_layer_of_the_user_cannot_write_to_them():
    x, y = numbers()
    kept = x.copy()
    model = bp.Sequential(Spoil(), bp.Dense(OUTPUTS), input_shape=FEATURES, seed=0)
    bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).fit(x, y, shuffle=False, progress=False)
    np.testing.assert_array_equal(x, kept)


# Prints by how much the peak of the memory of a fresh process grew beyond its arrays, and what the arrays have.
PROGRAM = """
import sys
import subprocess
import sys

import numpy as np
import backpass as bp


def peak():
    return 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))


def run(x, y):
    model = bp.Sequential(bp.Dense(1), input_shape=x.shape[1], seed=0, dtype=x.dtype.name)
    model.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(1e-3), batch_size=1000, shuffle=False, progress=False)
    model.evaluate(x, y, loss=bp.MSE())
    model.predict(x)


x, y = np.ones((int(sys.argv[2]), 128), sys.argv[1]), np.ones(int(sys.argv[2]), sys.argv[1])
run(x[:5000], y[:5000])
before = peak()
run(x, y)
print(peak() - before, x.nbytes)
"""


@pytest.mark.row("X4")
@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages as Linux does")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_memory_of_the_size_of_the_rows_is_taken(dtype):
    """By nobody: NumPy's tracing sees what NumPy allocates, the system sees us, too."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, dtype, "200000"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grown, rows = map(int, done.stdout.split())
    assert rows >= 100e6
    assert grown < rows / 20
