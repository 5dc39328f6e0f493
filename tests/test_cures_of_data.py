"""Data and settings that cannot be taken: the message says what to give instead, and nothing has been trained."""

import numpy as np
import pytest

import backpass as bp

X = np.linspace(-1, 1, 66).reshape(33, 2)
Y = np.linspace(0, 1, 33)


def fit(*layers, x=X, y=Y, **settings):
    model = bp.Sequential(*(layers or [bp.Dense(1)]), seed=0)
    return model.fit(x, y, **{"loss": "mse", "optimizer": "adam", "progress": False, **settings})


class NoReturn(bp.Layer):
    def forward(self, x):
        return x**3

    def backward(self, grad, x):
        grad * 3 * x**2


CASES = {
    "a last batch of one row": (
        lambda: fit(bp.Dense(3), bp.BatchNorm(), bp.Dense(1)),
        r"^\[BatchNorm\] needs at least 2 values .*drop_last leaves out a last one, and another batch_size",
    ),
    "one output for classes": (
        lambda: fit(y=Y > 0.5, loss="cross_entropy"),
        r"^\[y\] .*; one output is one class: two are Dense\(2\), or Dense\(1\) with BinaryCrossEntropy",
    ),
    "a class as callback": (lambda: fit(callbacks=bp.EarlyStopping), r"\[fit\] callbacks .* write EarlyStopping\("),
    "classes as callbacks": (lambda: fit(callbacks=[bp.EMA]), r"\[fit\] callbacks .*class: write EMA\("),
    "a number as callback": (lambda: fit(callbacks=5), r"\[fit\] callbacks must be instances of Callback, got 5"),
    "a class as loss": (lambda: fit(loss=bp.MSE), r"loss must be a loss, got a class: write MSE\(\)"),
    "a class as metric": (lambda: fit(metrics=[bp.MAE]), r"a metric is a name, .* got a class: write MAE\(...\)"),
    "a class as penalty": (lambda: fit(weight_penalty=bp.L2), r"weight_penalty .* got a class: write L2\(...\)"),
    "a class as schedule": (
        lambda: bp.Adam(schedule=bp.StepDecay),
        r"^\[Adam\] schedule must be .*, got a class: write StepDecay\(...\)",
    ),
    "a dict of the only target": (lambda: fit(y={"out": Y}), r"\[fit\] y must be .* type dict: give the array alone"),
    "classes of real numbers": (
        lambda: fit(y=Y, stratify=True, validation_split=0.2),
        r"leaves 33 and 0 rows: each class is divided on its own; stratify is for labels",
    ),
    "floats of 80 bits": (
        lambda: fit(x=X.astype(np.longdouble)),
        r"got dtype \w+: .astype\(numpy.float64\) makes numbers",
    ),
    "a backward without return": (
        lambda: fit(bp.Dense(3), NoReturn(), bp.Dense(1)),
        r"^\[NoReturn\] backward must give an array, .*got None: is a return missing\?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_message_names_the_cure(case):
    call, message = CASES[case]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_outputs_without_names_take_a_list():
    x = bp.Input(2)
    model = bp.Network(x, [bp.Dense(1)(x), bp.Dense(1)(x)], seed=0)
    with pytest.raises(ValueError, match=r"^\[fit\] y must be a list of arrays, in the order of the tensors"):
        model.fit(X, {"a": Y, "b": Y}, loss="mse", optimizer="adam", progress=False)


def test_bfloat16_is_made_numbers_that_are_known():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(TypeError, match=r"got dtype bfloat16: .astype\(numpy.float32\) makes numbers"):
        fit(x=X.astype(ml_dtypes.bfloat16))


def test_bfloat16_of_torch_is_made_floats():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"\[fit\] x .* got torch.bfloat16, which NumPy does not have: .float\(\)"):
        fit(x=torch.tensor(X).bfloat16())


def test_lazy_tables_are_collected_first():
    """And are not asked for what takes time: warnings are errors here."""
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    for call in (lambda: fit(x=table.lazy()), lambda: fit(y=table.lazy())):
        with pytest.raises(TypeError, match=r"LazyFrame: .collect\(\) makes a table of it"):
            call()
    with pytest.raises(TypeError, match=r"\[predict\] x .*LazyFrame: .collect\(\)"):
        bp.Sequential(bp.Dense(1), input_shape=2, seed=0).predict(table.lazy())


def test_blocks_within_blocks_have_a_limit():
    layer = bp.Dense(2, weight_init="zeros")
    for _ in range(500):
        layer = bp.Residual(layer)
    model = bp.Sequential(layer, input_shape=2)
    np.testing.assert_allclose(model.forward(X), 500 * X, rtol=1e-4)
    with pytest.raises(ValueError, match=r"^\[Residual\] blocks can be within each other 500 times at most"):
        bp.Residual(layer)


def test_weights_of_classes_are_in_their_order():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(
        ValueError, match=r"\[CrossEntropy\] class_weight must be in the order of 0, 1, .*got .*\[1, 0\]"
    ):
        bp.CrossEntropy(class_weight=pandas.Series([1, 2], index=[1, 0]))
    assert bp.CrossEntropy(class_weight=pandas.Series([1, 2])) == bp.CrossEntropy(class_weight=[1, 2])


def test_warnings_of_a_step_say_so():
    trainer = bp.Trainer(bp.Sequential(bp.Dense(1), seed=0), "mse", bp.SGD(1e-12))
    with pytest.warns(bp.UserMistakeWarning, match=r"^\[step\] x has values up to 1e\+06"):
        trainer.step(X * 1e6, Y)


def test_one_class_trains_nothing_and_warns():
    with pytest.warns(bp.UserMistakeWarning, match=r"^\[CrossEntropy\] of one output is 0 whatever the weights: two"):
        fit(y=np.zeros(33, dtype=int), loss="cross_entropy")
