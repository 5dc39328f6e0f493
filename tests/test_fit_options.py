"""The options of a fit: written once, and shown wherever they are taken."""

import inspect
import pydoc

import numpy as np
import pytest

import backpass as bp
from backpass.training._options import DEFAULTS, FitOptions, PartialOptions, RunOptions, TrainerOptions

TAKING = [
    (bp.Network.fit, FitOptions, ["self", "x", "y", "loss", "optimizer"]),
    (bp.Sequential.fit, FitOptions, ["self", "x", "y", "loss", "optimizer"]),
    (bp.Sequential.partial_fit, PartialOptions, ["self", "x", "y", "loss", "optimizer"]),
    (bp.Trainer.fit, RunOptions, ["self", "x", "y"]),
    (bp.Trainer.__init__, TrainerOptions, ["self", "model", "loss", "optimizer"]),
]


def test_every_option_has_a_default_and_a_place():
    assert set(FitOptions.__annotations__) == set(DEFAULTS)
    assert set(FitOptions.__annotations__) == set(RunOptions.__annotations__) | set(TrainerOptions.__annotations__)
    assert not set(RunOptions.__annotations__) & set(TrainerOptions.__annotations__)


@pytest.mark.parametrize(("method", "options", "own"), TAKING, ids=lambda value: getattr(value, "__qualname__", None))
def test_signatures_show_them_with_their_defaults(method, options, own):
    parameters = inspect.signature(method).parameters
    assert list(parameters) == own + [name for name in DEFAULTS if name in options.__annotations__]
    for name in options.__annotations__:
        assert parameters[name].default == DEFAULTS[name]
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_help_shows_them():
    shown = pydoc.render_doc(bp.Sequential(bp.Dense(1)).fit, renderer=pydoc.plaintext)
    for text in ("epochs: 'int' = 1", "batch_size: 'int' = 32", "threads: 'int | None' = None", "x: 'ArrayLike'"):
        assert text in shown


@pytest.mark.parametrize(
    ("method", "options"), [(bp.Network.fit, FitOptions), (bp.Network.partial_fit, PartialOptions)]
)
def test_each_is_described(method, options):
    for name in options.__annotations__:
        assert f"\n    {name}: " in inspect.getdoc(method), name


def test_what_is_no_option_is_refused_by_its_name_before_anything_happens():
    model = bp.Sequential(bp.Dense(1), seed=0)
    said = r"^Sequential\.fit\(\) got an unexpected keyword argument 'epoch'; did you mean 'epochs'\?$"
    with pytest.raises(TypeError, match=said):
        model.fit([[1.0]], [1.0], loss="mse", optimizer="sgd", epoch=3)
    with pytest.raises(TypeError, match=r"^Sequential\.fit\(\) missing 1 required keyword-only argument: 'optimizer'"):
        model.fit([[1.0]], [1.0])
    with pytest.raises(TypeError, match=r"^Trainer\.fit\(\) got an unexpected keyword argument 'threads'"):
        bp.Trainer(model, "mse", "sgd").fit([[1.0]], [1.0], threads=2)
    with pytest.raises(RuntimeError, match="no shapes"):
        model.flat_parameters  # noqa: B018


def test_a_fit_with_the_same_options_goes_on_with_its_trainer():
    x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    model, loss, sgd = bp.Sequential(bp.Dense(1), seed=0), bp.MSE(), bp.SGD(0.1)
    fit = {"loss": loss, "optimizer": sgd, "progress": False}
    model.fit(x, y, **fit)
    first = model._last_trainer
    model.fit(x, y, epochs=3, batch_size=2, threads=None, **fit)
    assert model._last_trainer is first
    model.fit(x, y, threads=1, **fit)
    assert model._last_trainer is not first
    model.fit(x, y, threads=1, recompute=True, **fit)
    assert model._last_trainer.recompute
    model.partial_fit(x, y)
    assert model._last_trainer.recompute
