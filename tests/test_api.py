"""The public surface from Python: what calls mean, what they return, what they leave alone."""

import copy
import io
import pickle
import signal
import threading
import time

import numpy as np
import pytest

import backpass as bp

CE = bp.CrossEntropy()


def fit(model, x, y, **options):
    settings = {"loss": CE, "optimizer": bp.SGD(0.1), "epochs": 2, "batch_size": 8, "progress": False, "seed": 3}
    return model.fit(x, y, **{**settings, **options})


# Building.


def test_a_model_without_shape_takes_it_from_the_first_data(data):
    model = bp.Sequential(bp.Dense(5), bp.Dense(3), seed=0)
    assert model.input_shape is None
    with pytest.raises(RuntimeError, match=r"\[Sequential\] has no shapes yet"):
        model.n_parameters  # noqa: B018
    fit(model, *data)
    assert model.input_shape == (4,)
    assert model.n_parameters == 4 * 5 + 5 + 5 * 3 + 3


def test_refused_data_does_not_decide_the_shape(data):
    x, y = data
    model = bp.Sequential(bp.Dense(3), seed=0)
    with pytest.raises(ValueError, match="y"):
        fit(model, x[:, :2], y[:7])
    assert model.input_shape is None
    fit(model, x, y)


def test_building_early_or_late_gives_the_same_weights(data):
    early = bp.Sequential(bp.Dense(3), input_shape=4, seed=5)
    late = bp.Sequential(bp.Dense(3), seed=5)
    late.forward(data[0])
    np.testing.assert_array_equal(early.flat_parameters, late.flat_parameters)


def test_a_seed_that_was_not_given_is_told():
    model = bp.Sequential(bp.Dense(3), input_shape=4)
    again = bp.Sequential(bp.Dense(3), input_shape=4, seed=model.seed)
    np.testing.assert_array_equal(model.flat_parameters, again.flat_parameters)
    assert model.seed != bp.Sequential(bp.Dense(3)).seed


def test_the_summary_counts_what_is_there(model):
    text = str(model.summary())
    flops, size = str(2 * 4 * 8 + 8 + 8), str(8 * 4)  # of a row: multiply-adds, bias, tanh; float32
    assert text.splitlines()[2].split() == [
        "Dense",
        "0",
        "units=8,",
        "activation='tanh'",
        "(batch,",
        "8)",
        flops,
        size,
        "40",
    ]
    assert "67 parameters, float32; forward, per row: 131 FLOPs, 44 bytes of outputs" in text
    assert repr(model) == "Sequential(Dense(units=8, activation='tanh'), Dense(units=3))"


def test_layers_are_values():
    assert bp.Dense(3) == bp.Dense(3)
    assert bp.Dense(3) != bp.Dense(4)
    with pytest.raises(AttributeError):
        bp.Dense(3).units = 4


def test_zero_weights_warn_when_they_are_made():
    with pytest.warns(UserWarning, match=r"\[Dense 0\] all weights are zero"):
        bp.Sequential(bp.Dense(3, weight_init="zeros"), bp.Dense(1, weight_init="zeros"), input_shape=2)


# Parameters and gradients.


@pytest.mark.row("X4")
def test_named_and_flat_parameters_are_one_memory(model):
    model.parameters()["0.weight"][0, 0] = 42
    assert model.flat_parameters[0] == 42
    assert [*model.parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    sizes = [value.size for value in model.parameters().values()]
    assert sum(sizes) == model.flat_parameters.size == model.flat_gradients.size == model.n_parameters


def test_value_and_grad_equals_forward_and_backward(model, data):
    x, y = data
    value, gradients = model.value_and_grad(x, y, CE)
    model.zero_grad()
    expected, grad_output = CE.value_and_grad(model.forward(x), y)
    model.backward(grad_output)
    assert value == pytest.approx(expected, rel=1e-6)
    for name, gradient in model.gradients().items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=0, atol=1e-6)


def test_value_and_grad_returns_copies(model, data):
    _, gradients = model.value_and_grad(*data, CE)
    kept = gradients["0.weight"].copy()
    model.zero_grad()
    np.testing.assert_array_equal(gradients["0.weight"], kept)


def test_an_optimizer_steps_from_the_gradients_that_are_there(model):
    before = model.flat_parameters.copy()
    model.flat_gradients[:] = 1
    sgd = bp.SGD(0.5)
    sgd.step(model)
    np.testing.assert_array_equal(model.flat_parameters, before - np.float32(0.5))
    assert sgd.steps == 1
    sgd.learning_rate = 0.25
    sgd.step(model)
    np.testing.assert_allclose(model.flat_parameters, before - 0.75, rtol=0, atol=1e-6)


def test_an_optimizer_belongs_to_one_model(model):
    sgd = bp.SGD(0.1)
    sgd.step(model)
    with pytest.raises(ValueError, match=r"SGD|optimizer|model"):
        sgd.step(copy.deepcopy(model))


# Fit and evaluate.


def test_a_progress_bar_shows_epochs_and_loss(model, data, capsys):
    fit(model, *data, progress=True)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown
    assert "loss=" in shown


def test_no_progress_bar_where_nobody_looks(model, data, capsys):
    fit(model, *data, progress="auto")
    assert capsys.readouterr().err == ""


def test_the_history_has_a_column_for_everything(model, data):
    def worst(y_true, y_pred):
        return float(y_pred.max())

    history = fit(model, *data, metrics=["accuracy", worst], validation_data=data)
    assert set(history) == {"loss", "accuracy", "worst", "val_loss", "val_accuracy", "val_worst", "learning_rate"}
    assert history.epochs == 2
    assert all(len(column) == 2 for column in history.values())


def test_evaluate_takes_the_loss_of_the_last_fit(model, data):
    fit(model, *data)
    result = model.evaluate(*data, metrics=("accuracy",))
    assert [*result] == ["loss", "accuracy"]
    assert result["loss"] == pytest.approx(CE.value_and_grad(model.predict(data[0]), data[1])[0], rel=1e-6)
    assert result["accuracy"] == np.mean(model.predict(data[0]).argmax(axis=1) == data[1])


@pytest.mark.parametrize("outputs", [1, 3])
def test_accuracy_of_binary_logits_is_by_their_sign(outputs, rng):
    """Each output is a yes or no of its own: the mean over elements."""
    x, y = rng.standard_normal((20, 4)), rng.integers(0, 2, (20, outputs))
    model = bp.Sequential(bp.Dense(outputs), input_shape=4, seed=1)
    model.parameters()["0.bias"][:] = 0.3  # logits between 0 and 0.5 tell the threshold from that of 0/1 outputs
    loss = bp.BinaryCrossEntropy()
    logits = model.predict(x)
    assert ((logits > 0) != (logits > 0.5)).any()
    right = ((logits > 0) == (y == 1)).mean()
    assert model.evaluate(x, y, loss=loss, metrics="accuracy")["accuracy"] == pytest.approx(right)
    history = fit(
        model, x, y, loss=loss, optimizer=bp.SGD(0.0), metrics="accuracy", validation_data=(x[:10], y[:10]), epochs=1
    )
    assert history["accuracy"] == pytest.approx([right])
    assert history["val_accuracy"] == pytest.approx([((logits > 0) == (y == 1))[:10].mean()])


def test_accuracy_of_one_output_is_by_its_side_of_a_half():
    model = bp.Sequential(bp.Dense(1), input_shape=1, seed=1)
    model.parameters()["0.weight"][:] = 1
    x, y = [[0.2], [0.4], [0.6], [0.8]], [0, 1, 1, 1]
    assert model.evaluate(x, y, loss=bp.MSE(), metrics="accuracy")["accuracy"] == 0.75


def test_a_metric_gets_all_rows_as_they_were_given(model, data):
    seen = []

    def metric(y_true, y_pred):
        seen.append((y_true, y_pred))
        return 0.0

    model.evaluate(*data, loss=CE, metrics=metric)
    ((y_true, y_pred),) = seen
    np.testing.assert_array_equal(y_true, data[1])
    np.testing.assert_array_equal(y_pred, model.predict(data[0]))
    assert y_true.dtype == data[1].dtype


def test_an_exception_in_a_callback_passes_on_and_leaves_a_usable_model(model, data):
    class Fails(bp.Callback):
        def on_batch_end(self, trainer, logs):
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        fit(model, *data, callbacks=[Fails()])
    assert np.isfinite(fit(model, *data)["loss"]).all()


def test_ctrl_c_ends_fit_and_leaves_a_usable_model(model, data):
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    # A thread that is not the main one only marks the signal; fit looks for the mark.
    before = model.flat_parameters.copy()
    start = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fit(model, *data, epochs=100_000_000)
    assert time.monotonic() - start < 5
    assert not np.array_equal(model.flat_parameters, before)
    assert np.isfinite(model.predict(data[0])).all()


def test_fit_lets_other_threads_run(model, data):
    """The interpreter's lock is free while native code trains."""
    count = 0
    done = threading.Event()

    def work():
        nonlocal count
        while not done.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    fit(model, np.tile(data[0], (500, 1)), np.tile(data[1], 500), epochs=100)
    done.set()
    thread.join()
    assert count > 5


# Arrays in.

KINDS = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.row("X4")
@pytest.mark.parametrize("dtype", [*KINDS, "bool", ">f4", ">i2"])
def test_every_kind_of_number_is_taken(model, dtype):
    x = np.array([[0, 1, 1, 0], [1, 1, 0, 1]], dtype=dtype)
    np.testing.assert_array_equal(model.predict(x), model.predict(x.astype("float32")))


class OnlyArray:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class OnlyDlpack:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def unaligned(x):
    raw = bytearray(x.nbytes + 1)
    view = np.frombuffer(raw, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    view[:] = x
    return view


LAYOUTS = {
    "list": lambda x: x.tolist(),
    "fortran": np.asfortranarray,
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every second column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "part of each row": lambda x: np.hstack([x, x])[:, :4],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "broadcast": lambda x: np.broadcast_to(x[0], x.shape),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "unaligned": unaligned,
    "__array__": OnlyArray,
    "__dlpack__": OnlyDlpack,
}


@pytest.mark.row("X4")
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_right(model, data, name):
    x = data[0].copy()
    expected = np.broadcast_to(x[0], x.shape).copy() if name == "broadcast" else x
    np.testing.assert_array_equal(model.predict(LAYOUTS[name](x)), model.predict(expected))
    y = data[1]
    value, _ = model.value_and_grad(LAYOUTS[name](x), y, CE)
    assert value == model.value_and_grad(expected, y, CE)[0]


def test_inputs_stay_as_they_are(model, data):
    x, y = data
    kept = x.copy(), y.copy()
    fit(model, x, y)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_outputs_are_fresh(model, data):
    first = model.predict(data[0])
    kept = first.copy()
    model.predict(data[0] * 2)
    np.testing.assert_array_equal(first, kept)


# Copies.


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("twin", [copy.deepcopy, by_pickle])
def test_copies_predict_the_same_and_go_their_own_way(model, data, twin):
    fit(model, *data)
    other = twin(model)
    np.testing.assert_array_equal(other.predict(data[0]), model.predict(data[0]))
    assert other.evaluate(*data) == model.evaluate(*data)
    assert (other.layers, other.seed, other.dtype) == (model.layers, model.seed, model.dtype)
    other.flat_parameters[:] = 0
    assert model.flat_parameters.any()


def test_a_shallow_copy_shares_the_weights(model):
    other = copy.copy(model)
    other.flat_parameters[:] = 0
    assert not model.flat_parameters.any()


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, by_pickle])
def test_a_model_without_shape_can_be_copied(twin):
    other = twin(bp.Sequential(bp.Dense(3), seed=4))
    other.build(2)
    np.testing.assert_array_equal(
        other.flat_parameters, bp.Sequential(bp.Dense(3), input_shape=2, seed=4).flat_parameters
    )


@pytest.mark.parametrize("thing", [bp.MSE(), bp.Dense(3), bp.EarlyStopping(), bp.Sequential(bp.Dense(2))])
def test_descriptions_can_be_pickled(thing):
    assert repr(by_pickle(thing)) == repr(thing) or not isinstance(thing, (bp.Loss, bp.Layer))


def test_an_optimizer_can_be_pickled_with_its_steps(model):
    adam = bp.Adam(0.5, weight_decay=0.25)
    assert repr(by_pickle(adam)) == repr(adam)
    adam.step(model)
    again = by_pickle(adam)
    assert (repr(again), again.steps) == (repr(adam), 1)


def test_a_diverged_error_can_be_pickled(model, data):
    model.flat_parameters[:] = np.inf
    with pytest.raises(bp.DivergedError) as caught:
        fit(model, *data)
    assert isinstance(caught.value, RuntimeError)
    again = by_pickle(caught.value)
    assert (again.epoch, again.batch, again.layer) == (0, 0, caught.value.layer)


def test_weights_can_be_loaded_alone(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    other = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=99)
    other.load_weights(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(other.flat_parameters, model.flat_parameters)
    wrong = bp.Sequential(bp.Dense(8), bp.Dense(2), input_shape=4, seed=99)
    before = wrong.flat_parameters.copy()
    with pytest.raises(ValueError, match=r"1\.weight"):
        wrong.load_weights(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(wrong.flat_parameters, before)


# Graphs and networks of tensors.


def test_a_network_of_tensors_trains_and_can_be_saved(tmp_path, data):
    x = bp.Input(4)
    w = bp.parameter((4, 3), name="w", initializer="glorot_uniform")
    b = bp.parameter((3,), name="b")
    net = bp.Network(x, bp.tanh(x @ w + b) + x @ w, seed=2)
    losses = fit(net, *data, epochs=20)["loss"]
    assert losses[-1] < losses[0]
    net.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(bp.load(tmp_path / "net.safetensors").predict(data[0]), net.predict(data[0]))
    np.testing.assert_array_equal(by_pickle(net).predict(data[0]), net.predict(data[0]))


def test_arrays_and_tensors_do_not_mix():
    with pytest.raises(TypeError):
        np.ones(3) + bp.input((3,))
    with pytest.raises(TypeError):
        bp.input((3,)) + np.ones(3)


def test_a_tensor_is_its_value():
    x = bp.input((3,))
    assert bp.Graph([x], [x]).inputs[0] == x
    assert len({x, bp.Graph([x], [x]).inputs[0], bp.input((3,))}) == 2


# Machine.


def test_machine(capsys):
    assert bp.isa() in bp.available_isas()
    assert bp.cpu_info()["logical_cpus"] >= 1
    before = bp.get_threads()
    bp.set_threads(3)
    assert bp.get_threads() == 3
    bp.set_threads(before)


def test_printing_a_plan_shows_its_calls(model):
    text = io.StringIO()
    print(model.plan(32), file=text)
    assert "matmul" in text.getvalue()
    profiled = bp.Trainer(model, CE, bp.Adam()).profile(32, repeats=2)
    assert sum(call.milliseconds for call in profiled.calls) > 0
