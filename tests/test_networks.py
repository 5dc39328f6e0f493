"""Networks of any graph: several inputs and outputs, by hand, in files, what they cost."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
import reference
from backpass._core import set_sharing_cut
from registry import DTYPES, generator

ROWS = 7


def two_by_two(dtype="float64", seed=1):
    """Left (2) and right (3), which meet in a product; three logits, and one number that sees left once more."""
    left, right = bp.Input(2, dtype=dtype, name="left"), bp.Input(3, dtype=dtype, name="right")
    hidden = bp.Dense(4, activation="tanh")(left) * bp.Dense(4)(right)
    logits, number = bp.Dense(3)(hidden), bp.Dense(1)(bp.concat([hidden, left], 1))
    return bp.Network([left, right], [logits, number], seed=seed)


def outputs_of_reference(model, left, right):
    """The same in NumPy."""
    w = model.parameters()

    def dense(at, x):
        return reference.dense_forward(x, w[f"{at}.weight"], w[f"{at}.bias"])

    hidden = np.tanh(dense(0, left)) * dense(1, right)
    return [dense(2, hidden), dense(3, np.concatenate([hidden, left], axis=1))]


LOSSES = [bp.CrossEntropy(), bp.MSE()]


@pytest.fixture
def model():
    return two_by_two()


@pytest.fixture
def x(rng):
    return [rng.standard_normal((ROWS, 2)), rng.standard_normal((ROWS, 3))]


@pytest.fixture
def y(rng):
    return [rng.integers(0, 3, ROWS), rng.standard_normal((ROWS, 1))]


def fit(model, x, y, **options):
    settings = {"loss": LOSSES, "optimizer": bp.Adam(0.05), "batch_size": 3, "seed": 3, "progress": False}
    return model.fit(x, y, **{**settings, **options})


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


# Arrays in and out.


def test_outputs_are_those_of_the_reference(model, x):
    for ours, expected in zip(model.predict(x), outputs_of_reference(model, *x), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "form", [tuple, lambda x: {"left": x[0], "right": x[1]}, lambda x: {"right": x[1], "left": x[0]}],
    ids=["tuple", "dict", "dict in another order"],
)  # fmt: skip
def test_inputs_may_be_a_list_a_tuple_or_named(model, x, y, form):
    other = copy.deepcopy(model)
    assert_same(model.predict(form(x)), model.predict(x))
    assert_same(model.forward(form(x)), model.forward(x))
    assert model.value_and_grad(form(x), tuple(y), LOSSES)[0] == model.value_and_grad(x, y, LOSSES)[0]
    assert bp.gradcheck(model, LOSSES, form(x), tuple(y)) < 1e-6
    assert len(model.backprop(form(x), tuple(y), LOSSES)) == 4
    assert fit(model, form(x), tuple(y), validation_data=(form(x), y)) == fit(other, x, y, validation_data=(x, y))
    np.testing.assert_array_equal(model.flat_parameters, other.flat_parameters)


def test_rows_in_parts_or_none_at_all(model, rng):
    x = [rng.standard_normal((2500, 2)), rng.standard_normal((2500, 3))]  # more than one tile of predict
    whole = model.predict(x)
    for ours, expected in zip(model.predict(x, batch_size=7), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-15)
    assert_same(model.predict([x[0].astype(">f8"), x[1][::-1].copy()[::-1]]), whole)  # in place, or gathered
    assert [out.shape for out in model.predict([part[:0] for part in x])] == [(0, 3), (0, 1)]


def bad_inputs(left, right):
    return {
        "one": ([left], ValueError, "x must hold 2 arrays, got 1"),
        "three": ([left, right, right], ValueError, "x must hold 2 arrays, got 3"),
        "an array": (left, TypeError, "x must be a list of 2 arrays, got ndarray"),
        "a missing name": ({"left": left}, ValueError, 'x has no "right"'),
        "a wrong name": ({"left": left, "rigth": right}, ValueError, 'x has no "right"'),
        "a name too many": ({"left": left, "right": right, "top": right}, ValueError, "names that are no inputs"),
        "other rows": ([left, right[:-1]], ValueError, "inputs have 7 and 6 rows"),
        "swapped": ([right, left], ValueError, r"\[x: left\] expected shape \(batch, 2\), got \(7, 3\)"),
        "no array": ([left, None], TypeError, r"x\[1\] must be an array of real numbers, got None"),
    }


def bad_targets(labels, numbers):
    return {
        "one": ([labels], ValueError, "y must hold 2 arrays, got 1"),
        "an array": (numbers, TypeError, "y must be a list of 2 arrays, got ndarray"),
        "other rows": ([labels, numbers[:-1]], ValueError, "expected 7 rows as x has, got shape"),
        "swapped": ([numbers, labels], ValueError, r"\[y\]"),
        "a label too high": ([labels + 3, numbers], ValueError, r"labels must be in \[0, 3\)"),
        "no array": ([labels, "1"], TypeError, r"y\[1\] must be an array of real numbers, got a string"),
    }


CALLS = {
    "predict": lambda model, x, y: model.predict(x),
    "forward": lambda model, x, y: model.forward(x),
    "evaluate": lambda model, x, y: model.evaluate(x, y, loss=LOSSES),
    "fit": fit,
    "validate": lambda model, x, y: fit(model, *good_data(), validation_data=(x, y)),
    "step": lambda model, x, y: bp.Trainer(model, LOSSES, bp.SGD(0.1)).step(x, y),
    "value_and_grad": lambda model, x, y: model.value_and_grad(x, y, LOSSES),
    "hvp": lambda model, x, y: bp.hvp(model, LOSSES, x, y, np.ones(model.n_parameters)),
    "objective": lambda model, x, y: model.objective(x, y, LOSSES).fun(model.flat_parameters),
}


def good_data():
    rng = generator("good")
    return [rng.standard_normal((5, 2)), rng.standard_normal((5, 3))], [rng.integers(0, 3, 5), rng.standard_normal(5)]


def refuses(model, call, x, y, error, message):
    before = model.flat_parameters.copy()
    with pytest.raises(error, match=message):
        CALLS[call](model, x, y)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert np.isfinite(fit(model, *good_data())["loss"]).all()


@pytest.mark.row("C5")
@pytest.mark.parametrize("kind", bad_inputs(np.ones(1), np.ones(1)))
@pytest.mark.parametrize("call", CALLS)
def test_inputs_that_do_not_fit_are_told_and_change_nothing(model, x, y, call, kind):
    bad, error, message = bad_inputs(*x)[kind]
    refuses(model, call, bad, y, error, message)


@pytest.mark.row("C5")
@pytest.mark.parametrize("kind", bad_targets(np.ones(1), np.ones(1)))
@pytest.mark.parametrize("call", [call for call in CALLS if call not in ("predict", "forward")])
def test_targets_that_do_not_fit_are_told_and_change_nothing(model, x, y, call, kind):
    bad, error, message = bad_targets(*y)[kind]
    refuses(model, call, x, bad, error, message)


def test_an_input_that_nothing_reads_has_a_gradient_of_zeros(rng):
    used, unused = bp.Input(2, dtype="float64", name="used"), bp.Input(3, dtype="float64", name="unused")
    model = bp.Network([used, unused], bp.Dense(1)(used), seed=0)
    x = [rng.standard_normal((4, 2)), rng.standard_normal((4, 3))]
    model.forward(x)
    to_used, to_unused = model.backward(np.ones((4, 1)))
    assert to_used.all()
    np.testing.assert_array_equal(to_unused, np.zeros((4, 3)))


def test_an_output_needs_its_inputs():
    x, z = bp.Input(2), bp.Input(2, name="z")
    with pytest.raises(ValueError, match="z"):
        bp.Network(x, x + z)


# Losses.


def test_the_loss_is_the_sum_over_outputs(model, x, y):
    parts = [loss.value_and_grad(out, target)[0] for loss, out, target in zip(LOSSES, model.predict(x), y, strict=True)]
    assert model.evaluate(x, y, loss=LOSSES)["loss"] == pytest.approx(sum(parts), rel=1e-14)
    assert model.value_and_grad(x, y, LOSSES)[0] == pytest.approx(sum(parts), rel=1e-14)
    assert fit(model, x, y, optimizer=bp.SGD(0.0), batch_size=ROWS)["loss"] == pytest.approx([sum(parts)], rel=1e-14)


@pytest.mark.row("L4")
def test_losses_have_weights_and_are_reported_by_head(model, x, y):
    parts = [loss.value_and_grad(out, target)[0] for loss, out, target in zip(LOSSES, model.predict(x), y, strict=True)]
    total = 2.0 * parts[0] + 0.3 * parts[1]
    expected = {"loss": total, "loss_0": parts[0], "loss_1": parts[1]}
    assert model.evaluate(x, y, loss=LOSSES, loss_weights=[2.0, 0.3]) == pytest.approx(expected, rel=1e-13)
    history = fit(model, x, y, optimizer=bp.SGD(0.0), batch_size=ROWS, loss_weights=[2.0, 0.3], validation_data=(x, y))
    for name, value in expected.items():
        assert history[name] == history["val_" + name] == pytest.approx([value], rel=1e-13)
    assert model.evaluate(x, y) == pytest.approx(expected, rel=1e-13)  # the last fit's loss and weights
    trainer = bp.Trainer(model, LOSSES, bp.SGD(0.1), loss_weights=[2.0, 0.3])
    assert trainer.evaluate(x, y) == pytest.approx(expected, rel=1e-13)
    assert trainer.step(x, y) == pytest.approx(total, rel=1e-13)


def test_the_gradient_is_the_weighted_sum(x, y):
    models = [two_by_two() for _ in range(3)]
    starts = models[0].flat_parameters.copy()
    for model, weights in zip(models, ([1.0, 0.0], [0.0, 1.0], [2.0, 0.3]), strict=True):
        bp.Trainer(model, LOSSES, bp.SGD(1.0), loss_weights=weights).step(x, y)
    steps = [model.flat_parameters - starts for model in models]
    np.testing.assert_allclose(steps[2], 2.0 * steps[0] + 0.3 * steps[1], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("weights", "error"), [([1.0], ValueError), ([1.0] * 3, ValueError), ([1.0, np.inf], ValueError), (2.0, TypeError),
                           (["a", 1.0], TypeError)],
)  # fmt: skip
def test_there_is_a_weight_for_each_output(model, x, y, weights, error):
    before = model.flat_parameters.copy()
    for call in (
        lambda: model.evaluate(x, y, loss=LOSSES, loss_weights=weights),
        lambda: fit(model, x, y, loss_weights=weights),
        lambda: bp.Trainer(model, LOSSES, bp.SGD(0.1), loss_weights=weights).step(x, y),
    ):
        with pytest.raises(error, match="loss_weights"):
            call()
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_one_loss_serves_all_outputs(model, x, rng):
    y = [rng.standard_normal((ROWS, 3)), rng.standard_normal((ROWS, 1))]
    value, grads = model.value_and_grad(x, y, bp.MSE())
    same, same_grads = model.value_and_grad(x, y, [bp.MSE(), bp.MSE()])
    assert value == same
    assert_same(grads.values(), same_grads.values())


def test_weights_of_rows_are_those_of_every_loss(model, x, y):
    """Integer weights count rows."""
    counts = np.array([1, 2, 0, 1, 3, 1, 1])
    value, grads = model.value_and_grad(x, y, LOSSES, counts)
    repeated = [part.repeat(counts, axis=0) for part in (*x, *y)]
    expected, expected_grads = model.value_and_grad(repeated[:2], repeated[2:], LOSSES)
    assert value == pytest.approx(expected, rel=1e-13)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected_grads[name], rtol=0, atol=1e-14)


@pytest.mark.parametrize("losses", [[], [bp.MSE()] * 3])
def test_there_is_one_loss_or_one_for_each_output(model, x, y, losses):
    for call in (
        lambda: model.evaluate(x, y, loss=losses),
        lambda: fit(model, x, y, loss=losses),
        lambda: bp.Trainer(model, losses, bp.SGD(0.1)).step(x, y),
        lambda: model.value_and_grad(x, y, losses),
    ):
        with pytest.raises(ValueError, match="loss"):
            call()


def test_metrics_need_one_output(model, x, y):
    before = model.flat_parameters.copy()
    for call in (
        lambda: model.evaluate(x, y, loss=LOSSES, metrics="mae"),
        lambda: fit(model, x, y, metrics=["mae"]),
    ):
        with pytest.raises(ValueError, match=r"\[metrics\] need a network of one output, this one has 2"):
            call()
    np.testing.assert_array_equal(model.flat_parameters, before)
    last = model.graph.outputs[1]
    assert "mae" in bp.Network(model.graph.inputs, last, seed=0).evaluate(x, y[1], loss=bp.MSE(), metrics="mae")


# Training.


@pytest.fixture(params=[1, 2])
def threads(request):
    """Every stage is shared, however small."""
    set_sharing_cut(False)
    yield request.param
    set_sharing_cut(True)


@pytest.mark.row("A25")
@pytest.mark.parametrize("dtype", DTYPES)
def test_fit_is_a_loop_of_steps_to_the_bit(x, y, dtype, threads):
    by_fit, by_steps = two_by_two(dtype), two_by_two(dtype)
    fit(by_fit, x, y, epochs=5, shuffle=False, threads=threads)
    trainer = bp.Trainer(by_steps, LOSSES, bp.Adam(0.05), threads=1)
    for _ in range(5):
        for begin in range(0, ROWS, 3):
            trainer.step(*([part[begin : begin + 3] for part in parts] for parts in (x, y)))
    np.testing.assert_array_equal(by_fit.flat_parameters, by_steps.flat_parameters)


@pytest.mark.row("A14")
def test_a_graph_with_branch_and_merge_trains(model, x, y):
    losses = fit(model, x, y, epochs=300)["loss"]
    assert losses[-1] < 0.05 * losses[0]
    assert (model.predict(x)[0].argmax(axis=1) == y[0]).all()


# By hand.


@pytest.mark.row("A16")
@pytest.mark.row("A22")
def test_forward_and_backward_by_hand(model, x, y):
    value, expected = model.value_and_grad(x, y, LOSSES)
    model.zero_grad()
    parts = [loss.value_and_grad(out, target) for loss, out, target in zip(LOSSES, model.forward(x), y, strict=True)]
    to_inputs = model.backward([grad for _, grad in parts])
    assert sum(part for part, _ in parts) == pytest.approx(value, rel=1e-14)
    for name, grad in model.gradients().items():
        np.testing.assert_allclose(grad, expected[name], rtol=0, atol=1e-15)
    for at, grad in enumerate(to_inputs):

        def cost(values, at=at):
            return model.evaluate([*x[:at], values, *x[at + 1 :]], y, loss=LOSSES)["loss"]

        assert reference.relative_error(grad, reference.numerical_gradient(cost, x[at])) < 1e-9

    once = model.flat_gradients.copy()
    model.forward(x)
    model.backward([grad for _, grad in parts])
    np.testing.assert_array_equal(model.flat_gradients, 2 * once)
    model.zero_grad()
    assert not model.flat_gradients.any()


def test_gradients_that_do_not_fit_the_outputs_leave_what_forward_kept(model, x):
    good = [np.ones((ROWS, 3)), np.ones((ROWS, 1))]
    model.forward(x)
    for bad, error in ((good[:1], ValueError), (good[::-1], ValueError), (good[0], TypeError)):
        with pytest.raises(error, match="grad_output"):
            model.backward(bad)
    assert not model.flat_gradients.any()
    assert [grad.shape for grad in model.backward(good)] == [(ROWS, 2), (ROWS, 3)]


@pytest.mark.row("A17")
def test_backprop_gives_the_gradients_by_layer_and_updates_nothing(model, x, y):
    _, expected = model.value_and_grad(x, y, LOSSES)
    before, gradients = model.flat_parameters.copy(), model.flat_gradients.copy()
    layers = model.backprop(x, y, LOSSES)
    for at, layer in enumerate(layers):
        for part in ("weight", "bias"):
            np.testing.assert_allclose(layer[part], expected[f"{at}.{part}"], rtol=0, atol=1e-15)
        np.testing.assert_allclose(layer["bias"], layer["delta"].sum(axis=0), rtol=0, atol=1e-15)
    assert_same([layers[2]["a"], layers[3]["a"]], model.predict(x))
    np.testing.assert_array_equal(model.flat_parameters, before)
    np.testing.assert_array_equal(model.flat_gradients, gradients)


@pytest.mark.row("A16")
def test_layers_run_one_by_one_are_the_whole_model(rng):
    """Backpropagation by hand: each layer gets the gradient that the next one gives to its input."""
    layers = [bp.Dense(6, activation="tanh"), bp.Dense(5, activation="gelu"), bp.Dense(3)]
    whole = bp.Sequential(*layers, input_shape=4, seed=1, dtype="float64")
    parts, width = [], 4
    for at, layer in enumerate(layers):
        parts.append(bp.Sequential(layer, input_shape=width, dtype="float64"))
        width = layer.units
        for name, value in parts[-1].parameters().items():
            value[:] = whole.parameters()[name.replace("0.", f"{at}.", 1)]
    x, y = rng.standard_normal((ROWS, 4)), rng.integers(0, 3, ROWS)

    a = x
    for part in parts:
        a = part.forward(a)
    value, grad = bp.CrossEntropy().value_and_grad(a, y)
    for part in reversed(parts):
        grad = part.backward(grad)

    np.testing.assert_array_equal(a, whole.predict(x))
    expected_value, expected = whole.value_and_grad(x, y, bp.CrossEntropy())
    assert value == pytest.approx(expected_value, rel=1e-14)
    whole.forward(x)
    np.testing.assert_allclose(grad, whole.backward(bp.CrossEntropy().value_and_grad(a, y)[1]), rtol=0, atol=1e-15)
    for at, part in enumerate(parts):
        for name, ours in part.gradients().items():
            np.testing.assert_allclose(ours, expected[name.replace("0.", f"{at}.", 1)], rtol=0, atol=1e-15)


# Integers.


@pytest.fixture
def picker():
    """The logit of a label that is an input."""
    rows, label = bp.Input(3, dtype="float64", name="rows"), bp.Input((), dtype="int32", name="label")
    return bp.Network([rows, label], bp.reshape(bp.take_label(bp.Dense(4)(rows), label), (None, 1)), seed=1)


def test_integers_are_an_input_like_others(picker, rng):
    x, labels, y = rng.standard_normal((ROWS, 3)), rng.integers(0, 4, ROWS), rng.standard_normal((ROWS, 1))
    w = picker.parameters()
    expected = reference.dense_forward(x, w["0.weight"], w["0.bias"])[np.arange(ROWS), labels]
    np.testing.assert_allclose(picker.predict([x, labels])[:, 0], expected, rtol=1e-13)
    assert bp.gradcheck(picker, bp.MSE(), [x, labels], y) < 1e-6
    picker.forward([x, labels])
    to_rows, to_labels = picker.backward(np.ones((ROWS, 1)))
    np.testing.assert_allclose(to_rows, w["0.weight"][labels], rtol=1e-13)
    assert not to_labels.any()
    losses = fit(picker, [x, labels.astype(np.uint8)], y, loss=bp.MSE(), epochs=100)["loss"]
    assert losses[-1] < 0.2 * losses[0]


def test_real_numbers_are_no_integers(picker):
    with pytest.raises(TypeError, match=r"x\[1\].*integers"):
        picker.predict([np.ones((2, 3)), np.ones(2)])


# Files and copies.


def by_file(model, folder):
    model.save(folder / "model.safetensors")
    return bp.load(folder / "model.safetensors")


def by_pickle(model, folder):
    return pickle.loads(pickle.dumps(model))


def by_deepcopy(model, folder):
    return copy.deepcopy(model)


@pytest.mark.row("D12")
@pytest.mark.parametrize("twin", [by_file, by_pickle, by_deepcopy])
def test_twins_predict_the_same_bits_and_train_on(model, x, y, twin, tmp_path):
    fit(model, x, y, epochs=3)
    other = twin(model, tmp_path)
    assert type(other) is bp.Network
    assert str(other.graph) == str(model.graph)
    assert str(other.summary()) == str(model.summary())
    assert [*other.parameters()] == [*model.parameters()]
    assert_same(other.predict({"right": x[1], "left": x[0]}), model.predict(x))
    assert fit(other, x, y, epochs=3) == fit(model, x, y, epochs=3)
    np.testing.assert_array_equal(other.flat_parameters, model.flat_parameters)
    other.flat_parameters[:] = 0
    assert model.flat_parameters.any()


@pytest.mark.row("D12")
@pytest.mark.row("G14")
def test_a_sequential_with_residuals_comes_back_as_one(tmp_path, rng):
    block = bp.Residual(bp.Dense(4, activation="relu"), bp.Residual(bp.Dense(4, activation=None)), bp.Dropout(0.25))
    model = bp.Sequential(block, bp.LeakyReLU(0.2), bp.Dense(2, bias=False), input_shape=4, seed=1)
    other = by_file(model, tmp_path)
    assert isinstance(other, bp.Sequential)
    assert other.layers == model.layers
    assert repr(other) == repr(model)
    x, y = rng.standard_normal((ROWS, 4)), rng.standard_normal((ROWS, 2))
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert fit(other, x, y, loss=bp.MSE(), epochs=3) == fit(model, x, y, loss=bp.MSE(), epochs=3)


# What there is to see, and what it costs.


@pytest.mark.row("A14")
def test_a_graph_lists_its_nodes_and_edges(model):
    ops = model.graph.ops
    kinds = [op.kind for op in ops]
    assert (kinds.count("matmul"), kinds.count("tanh"), kinds.count("multiply"), kinds.count("concat")) == (4, 1, 1, 1)
    assert [op.name for op in ops if op.kind == "input"] == ["left", "right"]
    text, dot = str(model.graph).splitlines(), model.graph.to_dot()
    assert len(text) == len(ops) + 1  # one line each, and what is returned
    assert text[-1].startswith("return ")
    assert dot.count("label=") == len(ops)
    assert dot.count(" -> ") == sum(line.partition("=")[2].count("%") for line in text)


def test_the_summary_counts_by_hand(x, y):
    """Two calls of one layer, a residual block, and an operation between them that is no layer."""
    left, right = bp.Input(3, dtype="float64", name="left"), bp.Input(3, dtype="float64", name="right")
    shared = bp.Dense(3, activation="relu")
    mixed = shared(left) * shared(right)
    model = bp.Network([left, right], bp.Dense(2)(bp.Residual(bp.Dense(3, bias=False))(mixed)), seed=0)
    table = [line.split() for line in str(model.summary()).splitlines()[2:]]
    dense = 2 * 3 * 3 + 3 + 3  # multiplications and additions, bias, relu
    residual = 2 * 3 * 3 + 3  # the product, the sum
    last = 2 * 2 * 3 + 2
    first, again, block, out = table[:4]
    assert (first[:2], first[-6:]) == (["Dense", "0"], ["left", "(batch,", "3)", str(dense), "24", "12"])
    assert (again[:2], again[-6:]) == (["Dense", "0"], ["right", "(batch,", "3)", str(dense), "24", "0"])
    assert (block[:2], block[-6:]) == (["Residual", "2"], ["...", "(batch,", "3)", str(residual), "24", "9"])
    assert (out[:2], out[-6:]) == (["Dense", "3"], ["2", "(batch,", "2)", str(last), "16", "8"])
    total = f"29 parameters, float64; forward, per row: {2 * dense + residual + last} FLOPs, 88 bytes of outputs"
    assert str(model.summary()).endswith(total)


def test_plans_and_memory_of_a_graph(model):
    forward, training = model.plan(8), model.plan(8, training=True)
    assert [call.phase for call in forward.calls] == ["forward"] * len(forward.calls)
    assert sum(call.name == "matmul" for call in forward.calls) == 4
    assert {call.phase for call in training.calls} == {"forward", "backward"}
    parameters = 8 * model.n_parameters
    assert 2 * parameters < model.memory_estimate(8) < model.memory_estimate(800)
    trainer = bp.Trainer(model, LOSSES, bp.Adam())
    assert trainer.memory_estimate(8) > 4 * parameters
    assert sum(call.flops for call in trainer.plan(8).calls) > sum(call.flops for call in forward.calls)
    for profiled in (model.profile(8, training=True, repeats=2), trainer.profile(8, repeats=2)):
        assert sum(call.milliseconds for call in profiled.calls) > 0


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.filterwarnings("ignore:.*is computed as")
def test_precision_is_a_wish_for_all_products(x, precision):
    """Products as small as these take "highest" on every machine."""
    inputs = [bp.Input(2), bp.Input(3)]
    layers = [bp.Dense(2), bp.Dense(2)]
    y = layers[0](inputs[0]) + layers[1](inputs[1])
    asked, plain = (bp.Network(inputs, y, seed=1, precision=p) for p in (precision, None))
    np.testing.assert_array_equal(asked.predict(x), plain.predict(x))
    with pytest.raises(ValueError, match=r"\[Network\] precision must be one of highest, high, medium, got 'low'"):
        bp.Network(inputs, y, precision="low")
