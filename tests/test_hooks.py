"""Methods of callbacks that would never be called, or are called with something else than they take."""

import warnings

import pytest

import backpass as bp
from backpass.callbacks._callback import HOOKS


def fit(callback):
    model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)
    model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=bp.SGD(), callbacks=callback)


def nothing(self, trainer, logs):
    """What a callback does."""


def made(name, method=nothing):
    """A class of callbacks with one method."""
    return type("Own", (bp.Callback,), {name: method})


def test_the_hooks_are_these():
    assert HOOKS == (
        "on_fit_begin", "on_fit_end", "on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("epoch_end", "on_epoch_end"),
        ("on_epoch_ends", "on_epoch_end"),
        ("on_epochend", "on_epoch_end"),
        ("onBatchEnd", "on_batch_end"),
        ("on_epoch_start", "on_epoch_begin"),
        ("on_train_begin", "on_fit_begin"),
        ("on_train_end", "on_fit_end"),
        ("on_train_batch_end", "on_batch_end"),
        ("on_train_epoch_start", "on_epoch_begin"),
    ],
)
def test_a_method_that_is_never_called_names_the_one_that_is(name, meant):
    with pytest.warns(bp.UserMistakeWarning, match=rf"^\[Own\] {name} is never called; did you mean '{meant}'\?$"):
        made(name)


def test_a_method_like_no_hook_tells_which_there_are():
    with pytest.warns(bp.UserMistakeWarning, match=r"on_xyz is never called; there are on_fit_begin, .* on_batch_end$"):
        made("on_xyz")


@pytest.mark.parametrize(("name", "first"), [("on_epoch_end", "epoch"), ("on_batch_begin", "batch")])
def test_arguments_of_others_are_told(name, first):
    methods = {"epoch": lambda self, epoch, logs: None, "batch": lambda self, batch, logs: None}
    with pytest.warns(bp.UserMistakeWarning, match=rf'{name} is called with \(trainer, logs\).* logs\["{first}"\]'):
        made(name, methods[first])


def test_methods_of_ones_own_and_arguments_of_any_name_are_nobodys_business():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in (*HOOKS, "epoch", "end", "one", "on", "once_more", "_on_epoch", "state", "load_state"):
            made(name)
        made("on_epoch_end", lambda self, one, other: None)


def test_what_is_meant_may_be_silenced():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=bp.UserMistakeWarning)
        made("on_train_begin")


def test_a_method_of_one_callback_alone_is_called():
    seen, callback = [], bp.Callback()
    callback.on_epoch_end = lambda trainer, logs: seen.append(logs["epoch"])
    fit(callback)
    assert seen == [0]
