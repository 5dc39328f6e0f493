"""Settings out of range, calls out of order, files that are not there or damaged."""

import numpy as np
import pytest

import backpass as bp
from test_errors import ROWS, settings


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, 4)).astype(np.float32)


@pytest.fixture
def y(rng):
    return rng.integers(0, 3, ROWS)


BAD_SETTINGS = [
    (lambda: bp.Dense(0), ValueError, r"\[Dense\] units must be positive, got 0"),
    (lambda: bp.Dense(-3), ValueError, r"\[Dense\] units must be positive, got -3"),
    (lambda: bp.Dense(2.5), TypeError, r"\[Dense\] units must be an integer, got 2.5"),
    (lambda: bp.Dense("3"), TypeError, r"\[Dense\] units must be an integer, got '3'"),
    (lambda: bp.Dense(True), TypeError, r"\[Dense\] units"),
    (lambda: bp.Dense(3, "swosh"), ValueError, r"\[Dense\] no activation is named 'swosh'; there are relu, "),
    (lambda: bp.Dense(3, weight_init="he"), ValueError, r"\[Dense\] weight_init must be one of .*he_uniform"),
    (lambda: bp.Dense(3, bias=1), TypeError, r"\[Dense\] bias must be True or False, got 1"),
    (lambda: bp.Dropout(1.0), ValueError, r"\[Dropout\] rate must be at least 0 and below 1, got 1.0"),
    (lambda: bp.Dropout(-0.1), ValueError, r"\[Dropout\] rate"),
    (lambda: bp.Dropout(float("nan")), ValueError, r"\[Dropout\] rate"),
    (lambda: bp.Dropout("a"), TypeError, r"\[Dropout\] rate must be a number, got 'a'"),
    (lambda: bp.LeakyReLU(float("inf")), ValueError, r"\[LeakyReLU\] slope"),
    (lambda: bp.ELU(0), ValueError, r"\[ELU\] alpha must be positive and finite, got 0"),
    (lambda: bp.ELU(float("inf")), ValueError, r"\[ELU\] alpha"),
    (lambda: bp.ELU("a"), TypeError, r"\[ELU\] alpha must be a number, got 'a'"),
    (lambda: bp.Hardtanh(1, 1), ValueError, r"\[Hardtanh\] min must be below max, and both finite, got 1 and 1"),
    (lambda: bp.Hardtanh(max=float("inf")), ValueError, r"\[Hardtanh\] min must be below max"),
    (lambda: bp.Hardtanh(min=None), TypeError, r"\[Hardtanh\] min must be a number, got None"),
    (lambda: bp.GELU("erf"), ValueError, r"\[GELU\] approximate must be one of none, tanh, got 'erf'"),
    (lambda: bp.gelu(bp.Input(3), "erf"), ValueError, r"\[gelu\] approximate must be one of none, tanh, got \"erf\""),
    (lambda: bp.hardtanh(bp.Input(3), 1, 0), ValueError, r"\[hardtanh\] low must be below high, got 1 and 0"),
    (lambda: bp.Sequential(), ValueError, r"\[Sequential\] needs at least one layer"),
    (lambda: bp.Sequential(bp.Dense), TypeError, r"\[Sequential\] layer 0 must be a layer"),
    (lambda: bp.Sequential(bp.Dense(3), dtype="float16"), ValueError, r"\[Sequential\] dtype"),
    (lambda: bp.Sequential(bp.Dense(3), precision="low"), ValueError, r"\[Sequential\] precision"),
    (lambda: bp.Sequential(bp.Dense(3), seed=-1), ValueError, r"\[Sequential\] seed"),
    (lambda: bp.Sequential(bp.Dense(3), seed=2**64), ValueError, r"\[Sequential\] seed"),
    (lambda: bp.Sequential(bp.Dense(3), seed=1.5), TypeError, r"\[Sequential\] seed"),
    (lambda: bp.Sequential(bp.Dense(3), input_shape=0), ValueError, r"\[build\] input_shape"),
    (lambda: bp.Sequential(bp.Dense(3), input_shape="4"), TypeError, r"\[build\] input_shape"),
    (lambda: bp.Huber(0), ValueError, r"\[Huber\] delta must be positive and finite, got 0"),
    (lambda: bp.Huber(float("inf")), ValueError, r"\[Huber\] delta must be positive and finite, got inf"),
    (lambda: bp.Huber("1"), TypeError, r"\[Huber\] delta must be a number, got '1'"),
    (lambda: bp.SGD(-1.0), ValueError, r"\[SGD\] learning_rate"),
    (lambda: bp.SGD(float("nan")), ValueError, r"\[SGD\] learning_rate"),
    (lambda: bp.SGD("fast"), TypeError, r"\[SGD\] learning_rate must be a number, got 'fast'"),
    (lambda: bp.SGD(0.1, momentum=-1), ValueError, r"\[SGD\] momentum"),
    (lambda: bp.SGD(0.1, nesterov=True), ValueError, r"\[SGD\] nesterov"),
    (lambda: bp.Adam(betas=(1.0, 0.9)), ValueError, r"\[Adam\] betas"),
    (lambda: bp.Adam(betas=0.9), TypeError, r"\[Adam\] betas"),
    (lambda: bp.Adam(eps=-1), ValueError, r"\[Adam\] eps"),
    (lambda: bp.Adam(weight_decay=-1), ValueError, r"\[Adam\] weight_decay"),
    (lambda: bp.AdamW(betas=(0.9, 1.0)), ValueError, r"\[AdamW\] betas"),
    (lambda: bp.AdamW(betas=[0.9]), TypeError, r"\[AdamW\] betas"),
    (lambda: bp.AdamW(learning_rate="1"), TypeError, r"\[AdamW\] learning_rate"),
    (lambda: bp.RMSprop(alpha=1.0), ValueError, r"\[RMSprop\] alpha"),
    (lambda: bp.RMSprop(alpha=None), TypeError, r"\[RMSprop\] alpha"),
    (lambda: bp.RMSprop(eps=0), ValueError, r"\[RMSprop\] eps"),
    (lambda: bp.RMSprop(momentum=-0.1), ValueError, r"\[RMSprop\] momentum"),
    (lambda: bp.RMSprop(learning_rate=float("inf")), ValueError, r"\[RMSprop\] learning_rate"),
    (lambda: bp.EarlyStopping(patience=-1), ValueError, r"\[EarlyStopping\] patience"),
    (lambda: bp.set_threads(0), ValueError, r"\[set_threads\] threads must be positive, got 0"),
    (lambda: bp.set_threads("2"), TypeError, r"\[set_threads\] threads"),
    (lambda: bp.set_isa("mmx"), ValueError, r"mmx.*scalar"),
    (lambda: bp.set_isa(None), TypeError, r"\[set_isa\] name"),
    (lambda: bp.Trainer(None, bp.MSE(), bp.Adam()), TypeError, r"\[Trainer\] model"),
    (lambda: bp.Trainer(bp.Sequential(bp.Dense(1)), bp.MSE, bp.Adam()), TypeError, r"write MSE\(\)"),
    (lambda: bp.Trainer(bp.Sequential(bp.Dense(1)), 0.5, bp.Adam()), TypeError, r"\[Trainer\] loss"),
    (lambda: bp.Trainer(bp.Sequential(bp.Dense(1)), bp.MSE(), 0.1), TypeError, r"\[Trainer\] optimizer"),
]


# Settings.


@pytest.mark.parametrize(("make", "error", "message"), BAD_SETTINGS, ids=range(len(BAD_SETTINGS)))
def test_settings_out_of_range_are_refused_where_they_are_given(make, error, message):
    with pytest.raises(error, match=message):
        make()


BAD_FITS = [
    ({"epochs": -1}, ValueError, "epochs"),
    ({"epochs": 1.5}, TypeError, "epochs"),
    ({"batch_size": 0}, ValueError, "batch_size"),
    ({"batch_size": None}, TypeError, "batch_size"),
    ({"shuffle": "yes"}, TypeError, "shuffle"),
    ({"seed": -1}, ValueError, "seed"),
    ({"threads": 0}, ValueError, "threads"),
    ({"progress": "maybe"}, ValueError, "progress"),
    ({"metrics": ["precisely"]}, ValueError, r"unknown metric \"precisely\"; there are accuracy, .* and top_k"),
    ({"metrics": ["top_0"]}, ValueError, "unknown metric"),
    ({"metrics": [3]}, TypeError, "metric"),
    ({"metrics": lambda t, p: "good"}, TypeError, "metrics"),
    ({"callbacks": [print]}, TypeError, "callbacks"),
    (
        {"callbacks": [bp.EarlyStopping("val_loss")]},
        ValueError,
        "monitor 'val_loss' needs validation data: give fit validation_data or validation_split; there are loss, learn",
    ),
    ({"validation_data": np.ones((4, 4))}, TypeError, "validation_data"),
    ({"loss": None}, TypeError, "loss"),
    ({"optimizer": None}, TypeError, "optimizer"),
    ({"check_finite": 1}, TypeError, "check_finite"),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD_FITS, ids=range(len(BAD_FITS)))
def test_fit_refuses_settings_by_name(model, x, y, changes, error, message):
    with pytest.raises(error, match=message):
        model.fit(x, y, **settings(**changes))


def test_evaluate_without_a_loss_says_so(model, x, y):
    with pytest.raises(ValueError, match=r"\[evaluate\] loss must be given"):
        model.evaluate(x, y)


# Order of calls, files.


def test_backward_without_forward_is_an_error(model):
    with pytest.raises(RuntimeError, match="forward"):
        model.backward(np.ones((1, 3)))


def test_files_that_are_not_there(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        bp.load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError):
        model.load_weights(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model.save(tmp_path / "nowhere" / "model.safetensors")


def test_damaged_files_are_refused_and_change_nothing(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    whole = path.read_bytes()
    before = model.flat_parameters.copy()
    for damaged in (
        b"",
        whole[:7],
        whole[:40],
        whole[:-1],
        whole + b"x",
        b"\xff" * 8 + whole[8:],
        whole[:8] + b"[" * 50,
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^\["):
            bp.load(path)
        with pytest.raises(ValueError, match=r"^\["):
            model.load_weights(path)
    np.testing.assert_array_equal(model.flat_parameters, before)
