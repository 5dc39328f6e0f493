"""The core lists the settings of layers, losses, optimizers and schedules once; Python's classes say the same."""

import inspect
import re

import numpy as np
import pytest

import backpass as bp
from backpass import _core, _settings

TYPES = [(group, kind) for group, kinds in _core.descriptions().items() for kind in kinds]
SHARED = ("options", "warmup", "per")  # of all optimizers, and of all schedules
every_type = pytest.mark.parametrize(("group", "kind"), TYPES, ids=lambda part: part)


def own_parameters(kind):
    init = getattr(bp, kind).__init__
    if init is object.__init__:
        return {}
    parameters = dict(inspect.signature(init).parameters)
    return {name: parameter for name, parameter in parameters.items() if name not in ("self", *SHARED)}


def documented(kind):
    """What the docstring says of each argument."""
    section = inspect.getdoc(getattr(bp, kind)).partition("\nArgs:\n")[2].partition("\n\n")[0]
    pairs = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in pairs}


@every_type
def test_a_class_takes_the_settings_that_the_core_lists(group, kind):
    assert set(own_parameters(kind)) == set(_settings.fields(group, kind))


@every_type
def test_defaults_are_those_of_the_core(group, kind):
    fields = _settings.fields(group, kind)
    for name, parameter in own_parameters(kind).items():
        if parameter.default is not parameter.empty:
            assert parameter.default == fields[name].default, name
            assert type(parameter.default) is type(fields[name].default), name


@every_type
def test_the_docstring_begins_with_what_the_core_says(group, kind):
    texts = documented(kind)
    for name, field in _settings.fields(group, kind).items():
        assert texts[name].startswith(field.text), f"{name}: {texts[name]!r} begins otherwise than {field.text!r}"


@every_type
def test_defaults_are_within_their_ranges(group, kind):
    for name, parameter in own_parameters(kind).items():
        if parameter.default is not parameter.empty:
            field = _settings.fields(group, kind)[name]
            assert _settings.checked(kind, field, parameter.default) == parameter.default


@every_type
def test_no_number_may_be_nan(group, kind):
    for field in _settings.fields(group, kind).values():
        if field.kind in ("number", "numbers", "pair"):
            assert not field.allows(float("nan"))


# What is refused is said as it is.


def built(kind, **settings):
    """A network of this layer, made by the core alone."""
    return _core.sequential((3,), [_core.make_layer(kind, settings)], 0, "float64", "highest")


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("RMSNorm", {"eps": -1.0}, "eps must be finite and not negative, got -1"),
        ("BatchNorm", {"eps": 0.0}, "eps must be positive and finite, got 0"),
        ("LayerNorm", {"eps": float("inf")}, "eps must be positive and finite, got inf"),
        ("Dense", {"units": 0}, "units must be positive, got 0"),
        ("Dense", {"units": 3, "bias_init": "he"}, 'unknown initializer "he"'),
        ("Dense", {"units": "three"}, '"units" has the wrong type'),
        ("GELU", {"approximate": "sinh"}, 'approximate must be one of none, tanh, got "sinh"'),
        ("Nothing", {}, r'\[layer\] unknown type "Nothing"'),
    ],
)
def test_the_core_refuses_what_is_out_of_range(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        built(kind, **settings)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("StepDecay", {"every": 0}, r"\[StepDecay\] every must be positive, got 0"),
        ("StepDecay", {"per": "week"}, r"\[StepDecay\] per must be one of step, epoch, got \"week\""),
        ("OneCycle", {"anneal_strategy": "line"}, "anneal_strategy must be one of cos, linear"),
        ("MultiStepDecay", {"milestones": "3, x"}, '"milestones" must be integers, got "3, x"'),
        ("Nothing", {}, r'\[schedule\] unknown type "Nothing"'),
    ],
)
def test_the_core_refuses_schedules_out_of_range(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        _core.make_schedule(kind, settings)


def test_a_schedule_is_made_of_what_is_saved():
    made = _core.make_schedule("MultiStepDecay", {"milestones": "2, 3", "gamma": 0.5, "warmup": 1, "per": "epoch"})
    assert [made.factor(t) for t in range(6)] == [1.0, 1.0, 1.0, 0.5, 0.25, 0.25]


def test_what_is_legal_is_taken():
    """Any positive eps, however small; 0 where it has a meaning."""
    x = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 4.0]])
    for layer in (bp.BatchNorm(eps=5e-324), bp.LayerNorm(eps=5e-324), bp.RMSNorm(eps=0)):
        assert np.isfinite(bp.Sequential(layer, input_shape=3, dtype="float64").predict(x)).all()


def test_initializers_and_layers_within_are_settings_like_others():
    ones = _core.make_layer("Dense", {"units": 3, "weight_init": lambda shape, seed: np.full(shape, 2.0)})
    block = _core.make_layer("Residual", {"layers": [ones]})
    model = _core.sequential((3,), [block], 0, "float64", "highest")
    assert model.state_dict()["0.0.weight"].tolist() == [[2.0] * 3] * 3
    saved = _core.make_layer("Residual", {"layers": [("Dense", {"units": 3, "weight_init": "ones"})]})
    model = _core.sequential((3,), [saved], 0, "float64", "highest")
    assert model.state_dict()["0.0.weight"].tolist() == [[1.0] * 3] * 3


def test_initializers_are_those_of_the_core():
    with pytest.raises(ValueError, match=r"there are (.*)$") as refused:
        built("Dense", units=3, weight_init="unknown")
    assert set(str(refused.value).partition("there are ")[2].split(", ")) == set(_settings.INITIALIZERS)


# Metrics.


def test_the_names_of_metrics_stand_in_the_documentation_of_fit():
    names = _core.metric_names()
    assert len(names) > 10
    assert [name for name in names if f'"{name}"' not in bp.Sequential.fit.__doc__] == []
