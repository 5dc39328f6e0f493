"""Layers of one's own: composed of operations, or computed by NumPy."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import backpass as bp
import reference
from backpass._core import set_sharing_cut
from registry import DTYPES, generator

ROWS, FEATURES, UNITS = 7, 4, 5


class Linear(bp.Layer):
    """What Dense computes, by the same operations."""

    def __init__(self, units):
        self.units = units

    def forward(self, x):
        weight = self.parameter("weight", (self.units, x.shape[-1]))
        return bp.matmul(x, weight, transpose_b=True) + self.parameter("bias", (self.units,), "zeros")


class HostLinear(bp.Layer):
    """The same by NumPy. `fault` breaks a result; `calls` counts."""

    def __init__(self, units):
        self.units = units
        self._fault, self._calls = {}, []

    def build(self, x):
        return [self.parameter("weight", (self.units, x.shape[-1])), self.parameter("bias", (self.units,), "zeros")]

    def output_shape(self, shape):
        return (*shape[:-1], self.units)

    def forward(self, x, weight, bias):
        self._calls.append("forward")
        return self._result("forward", x @ weight.T + bias)

    def backward(self, grad, x, weight, bias):
        self._calls.append("backward")
        return self._result("backward", reference.dense_backward(x, weight, grad))

    def _result(self, what, result):
        return self._fault[what](result) if what in self._fault else result


def model_of(layer, dtype="float64", seed=1):
    """The layer under test between others, so that it has a gradient to pass on."""
    layers = [bp.Dense(FEATURES, activation="tanh"), layer, bp.Tanh(), bp.Dense(2)]
    return bp.Sequential(*layers, input_shape=FEATURES, seed=seed, dtype=dtype)


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return rng.standard_normal((ROWS, 2))


def fit(model, x, y, **options):
    settings = {"loss": bp.MSE(), "optimizer": bp.Adam(0.02), "batch_size": 3, "seed": 3, "progress": False}
    return model.fit(x, y, **{**settings, **options})


# Composed of operations.


@pytest.mark.row("A15")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_composed_layer_is_the_layer_of_the_same_operations_to_the_bit(x, y, dtype):
    own, ours = model_of(Linear(UNITS), dtype), model_of(bp.Dense(UNITS), dtype)
    assert [*own.parameters()] == [*ours.parameters()]
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
    assert str(own.plan(8, training=True)) == str(ours.plan(8, training=True))
    assert fit(own, x, y, epochs=5) == fit(ours, x, y, epochs=5)
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
    np.testing.assert_array_equal(own.predict(x), ours.predict(x))


class Gated(bp.Layer):
    """sigmoid(g) * x + (1 - sigmoid(g)) * tanh(x W), with a parameter of one number and a captured setting."""

    def __init__(self, start):
        self.start = start

    def forward(self, x):
        gate = bp.sigmoid(self.parameter("gate", (1,), lambda shape, rng: np.full(shape, self.start)))
        mixed = bp.tanh(x @ self.parameter("weight", (x.shape[-1], x.shape[-1]), "orthogonal", gain=0.5))
        return gate * x + (1 - gate) * mixed


@pytest.mark.row("A15")
@pytest.mark.row("C2")
def test_forward_alone_gives_right_gradients(x, y):
    model = model_of(Gated(0.25))
    assert model.parameters()["1.gate"].tolist() == [0.25]
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6

    def cost(values):
        model.flat_parameters[:] = values
        return model.evaluate(x, y, loss=bp.MSE())["loss"]

    start = model.flat_parameters.copy()
    _, grads = model.value_and_grad(x, y, bp.MSE())
    flat = np.concatenate([grad.ravel() for grad in grads.values()])
    assert reference.relative_error(flat, reference.numerical_gradient(cost, start)) < 1e-9


def test_second_derivatives_pass_through_a_composed_layer(x, y):
    model = model_of(Gated(0.25))
    vector = generator("vector").standard_normal(model.n_parameters)
    objective = model.objective(x, y, bp.MSE())
    theta, h = objective.x0, 1e-4
    slope = (objective.jac(theta + h * vector) - objective.jac(theta - h * vector)) / (2 * h)
    np.testing.assert_allclose(objective.hessp(theta, vector), slope, rtol=1e-5, atol=1e-7)


LOADED = """
import sys, numpy as np, backpass as bp
model, x = bp.load(sys.argv[1]), np.load(sys.argv[2])
np.save(sys.argv[3], model.predict(x))
print([*model.parameters()], model.fit(x, x[:, :2], loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False).epochs)
"""


def test_a_composed_layer_is_saved_and_loads_where_its_class_is_unknown(x, y, tmp_path):
    model = model_of(Gated(0.25))
    fit(model, x, y)
    files = [tmp_path / name for name in ("model.safetensors", "x.npy", "y.npy")]
    model.save(files[0])
    np.save(files[1], x)
    done = subprocess.run([sys.executable, "-c", LOADED, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{[*model.parameters()]} 1"
    np.testing.assert_array_equal(np.load(files[2]), model.predict(x))


def test_a_composed_layer_can_be_pickled_with_its_class(x):
    model = model_of(Gated(0.25))
    other = pickle.loads(pickle.dumps(model))
    assert repr(other.layers[1]) == "Gated(start=0.25)"
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


class Product(bp.Layer):
    def forward(self, a, b):
        return a * b * self.parameter("scale", (1,), "ones")


class HostProduct(bp.Layer):
    def forward(self, a, b):
        return a * b

    def backward(self, grad, a, b):
        return grad * b, grad * a


@pytest.mark.row("C2")
@pytest.mark.parametrize("kind", [Product, HostProduct])
def test_layers_of_several_inputs_that_are_called_again(kind, x, y):
    a, b = (bp.Input(FEATURES, dtype="float64", name=name) for name in "ab")
    product = kind()
    model = bp.Network([a, b], bp.Dense(2)(product(product(a, b), a)), seed=1)
    assert bp.gradcheck(model, bp.MSE(), [x, x[::-1]], y) < 1e-6
    assert [name for name in model.parameters() if name.startswith("0.")] == (["0.scale"] if kind is Product else [])


# Computed by NumPy.


@pytest.mark.row("C2")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_layer_by_numpy_is_the_same_layer(x, y, dtype):
    own, ours = model_of(HostLinear(UNITS), dtype), model_of(bp.Dense(UNITS), dtype)
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
    limit = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(own.predict(x), ours.predict(x), rtol=limit, atol=limit)
    theirs, expected = fit(own, x, y, epochs=10)["loss"], fit(ours, x, y, epochs=10)["loss"]
    np.testing.assert_allclose(theirs, expected, rtol=10 * limit)
    assert theirs[-1] < 0.8 * theirs[0]
    assert bp.gradcheck(own, bp.MSE(), x, y) < 1e-6


def test_forward_and_backward_are_called_once_each(x, y):
    layer = HostLinear(UNITS)
    model = model_of(layer)
    layer._calls.clear()
    bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y)
    assert layer._calls == ["forward", "backward"]
    model.forward(x)
    model.backward(y)
    assert layer._calls == ["forward", "backward"] * 2
    model.predict(x)
    assert layer._calls == [*["forward", "backward"] * 2, "forward"]


class Seen(bp.Layer):
    """Keeps what it gets."""

    def __init__(self):
        self._arrays = []

    def forward(self, x):
        self._arrays.append((x, x.copy()))
        return 2 * x

    def backward(self, grad, x):
        self._arrays += [(grad, grad.copy()), (x, x.copy())]
        return 2 * grad


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_belong_to_whom_they_are_given(x, y, dtype):
    layer = Seen()
    model = model_of(layer, dtype)
    fit(model, x, y, epochs=3)
    assert len(layer._arrays) == 3 * 3 * 3
    for array, copied in layer._arrays:
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, copied)


class Scribbler(bp.Layer):
    """Writes into what it got, which is its own."""

    def forward(self, x):
        y = 2 * x
        x[:] = np.nan
        return y

    def backward(self, grad, x):
        given = 2 * grad
        x[:] = grad[:] = np.nan
        return given


def test_writing_into_the_arrays_changes_nothing(x, y):
    own, seen = model_of(Scribbler()), model_of(Seen())
    assert fit(own, x, y, epochs=3) == fit(seen, x, y, epochs=3)
    np.testing.assert_array_equal(own.flat_parameters, seen.flat_parameters)


@pytest.fixture
def shared():
    """Every stage is shared between workers, however small."""
    set_sharing_cut(False)
    yield
    set_sharing_cut(True)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("layers", [1, 3])
def test_two_threads_give_the_bits_of_one(x, layers):
    """Also where there is nothing but the layer."""
    models = [
        bp.Sequential(*(HostLinear(FEATURES) for _ in range(layers)), input_shape=FEATURES, seed=1) for _ in range(2)
    ]
    results = [fit(model, x, x, epochs=5, threads=threads) for threads, model in zip((1, 2), models, strict=True)]
    assert results[0] == results[1]
    np.testing.assert_array_equal(models[0].flat_parameters, models[1].flat_parameters)
    np.testing.assert_array_equal(models[0].predict(x, threads=1), models[1].predict(x, threads=2))


class Subnormals(bp.Layer):
    """Whether the smallest numbers are still numbers."""

    def __init__(self):
        self._kept = []

    def _look(self):
        smallest = np.array([5e-324]), np.array([1e-45], dtype=np.float32)
        self._kept.append(all((number * 1 != 0).all() for number in smallest) and float.fromhex("0x1p-1074") * 1 != 0)

    def forward(self, x):
        self._look()
        return x

    def backward(self, grad, x):
        self._look()
        return grad


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_sees_ordinary_floating_point(x, y, threads):
    """Our own workers flush subnormals."""
    layer = Subnormals()
    model = model_of(layer)
    fit(model, x, y, threads=threads)
    model.predict(x, threads=threads)
    model.backward(model.forward(x))
    assert len(layer._kept) == 3 * 2 + 1 + 2
    assert all(layer._kept)


class Nested(bp.Layer):
    """Calls another model."""

    def __init__(self, model):
        self._model = model

    def forward(self, x):
        return self._model.forward(x)

    def backward(self, grad, x):
        self._model.forward(x)
        return self._model.backward(grad)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_within_a_model(x, y, threads):
    """Its own runs begin in the middle of another's."""
    inner = bp.Sequential(bp.Dense(FEATURES, activation="gelu"), input_shape=FEATURES, seed=5, dtype="float64")
    model = model_of(Nested(inner))
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6
    assert np.isfinite(fit(model, x, y, threads=threads)["loss"]).all()


# What cannot be.


@pytest.mark.parametrize("exists", [False, True])
def test_numpy_code_cannot_be_saved_and_no_file_is_touched(exists, tmp_path):
    path = tmp_path / "model.safetensors"
    if exists:
        path.write_bytes(b"kept")
    model = model_of(HostLinear(UNITS))
    with pytest.raises(ValueError, match=r'"HostLinear" is computed by the host program, so it cannot be saved'):
        model.save(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([b"kept"] if exists else [])
    with pytest.raises(ValueError, match=r'"HostLinear" is computed by the host program'):
        pickle.dumps(model)


def test_weights_beside_numpy_code_can_be_kept(x):
    model, other = model_of(HostLinear(UNITS)), model_of(HostLinear(UNITS), seed=2)
    other.load_weights(model.state_dict())
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    np.testing.assert_array_equal(copy.deepcopy(model).predict(x), model.predict(x))


def test_numpy_code_has_no_second_derivative(x, y):
    model = model_of(HostLinear(UNITS))
    with pytest.raises(ValueError, match=r"HostLinear.* has no derivative"):
        bp.hvp(model, bp.MSE(), x, y, np.ones(model.n_parameters))


def raise_error(result):
    raise LookupError("from the layer")


FAULTS = {
    "an exception": (raise_error, LookupError, "from the layer"),
    "another shape": (lambda y: y[:, :1], ValueError, r"\[HostLinear\] must give float64 \(\d, 5\), got .* \(\d, 1\)"),
    "a vector": (lambda y: y[0], ValueError, r"\[HostLinear\] must give"),
    "a string": (lambda y: "1", TypeError, r"\[HostLinear\] its result must be an array of real numbers, got a string"),
    "complex numbers": (lambda y: y * 1j, TypeError, r"\[HostLinear\] its result .* got dtype complex128"),
    "an object": (lambda y: object(), TypeError, r"\[HostLinear\] its result"),
}
BACKWARD_FAULTS = {
    "an exception": (raise_error, LookupError, "from the layer"),
    "a gradient too few": (
        lambda grads: grads[:2],
        ValueError,
        r"\[HostLinear\] backward must give 3 gradients, got 2",
    ),
    "one array": (lambda grads: grads[0], ValueError, r"\[HostLinear\] backward must give 3 gradients, got 1"),
    "another shape": (
        lambda grads: (grads[0][:1], *grads[1:]),
        ValueError,
        r"\[HostLinear backward\] must give float64",
    ),
    "strings": (lambda grads: "abc", TypeError, "got a string"),
    "complex numbers": (lambda grads: tuple(1j * grad for grad in grads), TypeError, "got dtype complex128"),
}

FORWARD = {
    "predict": lambda model, x, y: model.predict(x),
    "evaluate": lambda model, x, y: model.evaluate(x, y, loss=bp.MSE()),
}
TRAINING = {
    "step": lambda model, x, y: bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y),
    "fit": lambda model, x, y: fit(model, x, y, threads=1),
    "fit with two threads": lambda model, x, y: fit(model, x, y, threads=2),
}
GRADIENTS = {
    "value_and_grad": lambda model, x, y: model.value_and_grad(x, y, bp.MSE()),
    "by hand": lambda model, x, y: model.backward(model.forward(x)),
}


def fails_and_recovers(call, x, y, what, fault, error, message):
    """The error passes on as it is; parameters stay, and the model is as usable as before."""
    layer = HostLinear(UNITS)
    model, twin = model_of(layer), model_of(HostLinear(UNITS))
    layer._fault[what] = fault
    with pytest.raises(error, match=message):
        call(model, x, y)
    layer._fault.clear()
    np.testing.assert_array_equal(model.flat_parameters, twin.flat_parameters)
    assert fit(model, x, y, epochs=2, threads=2) == fit(twin, x, y, epochs=2)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", [*FORWARD, *TRAINING, *GRADIENTS])
def test_what_fails_in_forward_passes_on_and_changes_nothing(call, fault, x, y):
    fails_and_recovers({**FORWARD, **TRAINING, **GRADIENTS}[call], x, y, "forward", *FAULTS[fault])


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("fault", BACKWARD_FAULTS)
@pytest.mark.parametrize("call", [*TRAINING, *GRADIENTS])
def test_what_fails_in_backward_passes_on_and_changes_nothing(call, fault, x, y):
    fails_and_recovers({**TRAINING, **GRADIENTS}[call], x, y, "backward", *BACKWARD_FAULTS[fault])


@pytest.mark.parametrize("result", ["list", "float32"])
def test_results_of_other_real_types_are_cast(x, result):
    layer = HostLinear(UNITS)
    model, twin = model_of(layer), model_of(HostLinear(UNITS))
    layer._fault["forward"] = lambda y: y.tolist() if result == "list" else y.astype(np.float32)
    np.testing.assert_allclose(model.predict(x), twin.predict(x), rtol=0, atol=1e-6)


def layer_with(**methods):
    return type("Own", (bp.Layer,), methods)()


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (layer_with(), NotImplementedError, r"\[Own\] a layer of your own needs forward\(self, x\)"),
        (layer_with(forward=lambda self, x: np.ones(3)), TypeError, r"\[Own\] forward must give a tensor, got ndarray"),
        (layer_with(forward=lambda self, x: None), TypeError, r"\[Own\] forward must give a tensor, got NoneType"),
        (layer_with(forward=lambda self, x: 1 / 0), ZeroDivisionError, "division by zero"),
        (
            layer_with(forward=lambda self, x: x * self.parameter("w", (FEATURES,)) * self.parameter("w", (1,))),
            ValueError,
            "its w is",
        ),
        (layer_with(forward=lambda self, x: x * self.parameter("w", (FEATURES,), "glorot")), ValueError, "glorot"),
    ],
    ids=["no forward", "an array", "nothing", "an exception", "a parameter of two shapes", "an unknown initializer"],
)
def test_a_layer_that_cannot_be_built_says_why(layer, error, message):
    with pytest.raises(error, match=message):
        bp.Sequential(layer, input_shape=FEATURES)


def test_parameters_are_made_while_a_layer_is_called():
    with pytest.raises(RuntimeError, match=r"parameter\(\) works only while the layer is called"):
        Linear(3).parameter("weight", (3, 3))


# Activations of one's own.


class Function(bp.Layer):
    """An activation from f and f', both of NumPy."""

    def __init__(self, f, slope):
        self._f, self._slope = f, slope

    def forward(self, z):
        return self._f(z)

    def backward(self, grad, z):
        return grad * self._slope(z)


def bent(z):
    return z + bp.square(bp.tanh(z))


BENT = {
    "by operations": lambda: bent,
    "by NumPy": lambda: Function(
        lambda z: z + np.tanh(z) ** 2, lambda z: 1 + 2 * np.tanh(z) * reference.tanh_derivative(z)
    ),
}


@pytest.mark.row("V8")
@pytest.mark.parametrize("written", BENT)
def test_an_activation_of_ones_own(written, x, y):
    activation = BENT[written]()
    layers = [bp.Dense(UNITS, activation=activation), bp.Dense(2, activation=activation)]
    model = bp.Sequential(*layers, input_shape=FEATURES, seed=1, dtype="float64")
    assert [*model.parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6
    a = x
    for layer, shown in zip(layers, model.backprop(x, y, bp.MSE()), strict=True):
        at = layers.index(layer)
        z = reference.dense_forward(a, model.parameters()[f"{at}.weight"], model.parameters()[f"{at}.bias"])
        a = z + np.tanh(z) ** 2
        np.testing.assert_allclose(shown["z"], z, rtol=0, atol=1e-14)
        np.testing.assert_allclose(shown["a"], a, rtol=0, atol=1e-14)
    losses = fit(model, x, y, epochs=200)["loss"]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.row("V8")
def test_an_activation_by_operations_is_ours_where_they_are_the_same(x, y):
    own, ours = model_of(bp.Dense(UNITS, activation=bp.gelu)), model_of(bp.Dense(UNITS, activation="gelu"))
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)  # He: the operation is what counts
    assert fit(own, x, y, epochs=3) == fit(ours, x, y, epochs=3)
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
