"""What exporters are tried with."""

import re
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from backpass.tables import TableModel
from registry import LAYERS, OPS, generator

ROOT = Path(__file__).parents[1] / "csrc"

MODELS = {
    "everything dense": lambda dtype: bp.Sequential(
        bp.Dense(8, activation="gelu"), bp.BatchNorm(), bp.Dropout(0.2), bp.LayerNorm(), bp.RMSNorm(),
        bp.Residual(bp.Dense(8, activation="silu")), bp.AlphaDropout(0.1), bp.GaussianNoise(0.1), bp.Dense(3),
        bp.Softmax(), input_shape=(9,), seed=0, dtype=dtype),
    "images": lambda dtype: bp.Sequential(
        bp.Conv2d(6, 3, padding=1, groups=2, activation="relu"), bp.MaxPool2d(2, ceil_mode=True),
        bp.DepthwiseConv2d(3, 2, padding="same"), bp.ConvTranspose2d(4, 3, stride=2, padding=1, output_padding=1),
        bp.AvgPool2d(2, padding=1), bp.AdaptiveMaxPool2d(1), bp.GlobalAvgPool(), bp.Dense(2),
        input_shape=(9, 8, 4), seed=0, dtype=dtype),
    "series": lambda dtype: bp.Sequential(
        bp.Conv1d(6, 3, dilation=2, padding="causal", activation="relu"), bp.AvgPool1d(3, 2),
        bp.ConvTranspose1d(3, 2), bp.GlobalMaxPool(), bp.Dense(1), input_shape=(12, 3), seed=0, dtype=dtype),
    "recurrent": lambda dtype: bp.Sequential(
        bp.LSTM(3, num_layers=2, bidirectional=True), bp.GRU(4), bp.GRU(3, reset_after=False, bidirectional=True),
        bp.RNN(2, nonlinearity="relu"), bp.RNN(3, return_sequences=False), bp.Dense(2),
        input_shape=(5, 4), seed=0, dtype=dtype),
    "transformer": lambda dtype: bp.Sequential(
        bp.PositionalEncoding(learned=True),
        bp.TransformerEncoderLayer(2, 7, norm_first=True, causal=True, rotary=True),
        bp.TransformerEncoder(2, 2, 5, activation="gelu", norm=True), bp.Dense(3),
        input_shape=(5, 4), seed=0, dtype=dtype),
    "sizes": lambda dtype: bp.Sequential(
        bp.GroupNorm(2), bp.Upsample((2, 3), "linear"), bp.ZeroPad2d(((0, 1), (1, 2))), bp.InstanceNorm(),
        bp.Upsample(2), bp.PixelUnshuffle(2), bp.PixelShuffle(2), input_shape=(2, 3, 4), seed=0, dtype=dtype),
}  # fmt: skip


def layer_models():
    """By name, each layer alone, and rows."""
    return {
        re.sub(r"\W", "_", case.name): (
            bp.Sequential(case.make(), input_shape=6, seed=0),
            [generator(case.name).standard_normal((3, 6)).astype("f4")],
        )
        for case in LAYERS
    }


def operation_model(case):
    """An operation alone over rows, and its inputs; None where it needs to know how many rows there are."""
    if len({shape[:1] for shape in case.shapes}) != 1 or not case.shapes[0]:
        return None
    places = [bp.input((None, *shape[1:]), name=f"x{i}") for i, shape in enumerate(case.shapes)]
    arrays = [np.asarray(x, np.float32) for x in case.inputs(generator("exported", case.name))]
    try:
        model = bp.Network(places if len(places) > 1 else places[0], case.build(*places), seed=0)
        model.predict(arrays if len(arrays) > 1 else arrays[0])
    except (TypeError, ValueError, RuntimeError, IndexError):
        return None
    return model, arrays


def operation_models():
    """By name, fit for C, those that run over rows."""
    made = {re.sub(r"\W", "_", case.name): operation_model(case) for case in OPS}
    return {name: case for name, case in made.items() if case}


def kinds_of_operations():
    """All that a prediction may consist of."""
    if not ROOT.is_dir():
        pytest.skip("the sources are not here")
    kinds = set(re.findall(r"^    \{OpKind::(\w+),", (ROOT / "graph" / "op_rows.cc").read_text(), re.M))
    passed = {"by_mode", "track", "stop_gradient", "add_loss", "custom", "after"}
    return kinds - passed - {kind for kind in kinds if kind.startswith("update")}


def every_function():
    """Elementwise functions but those that derivatives are made of."""
    if not ROOT.is_dir():
        pytest.skip("the sources are not here")
    listed = (ROOT / "include" / "backpass" / "elementwise.h").read_text()
    names = set(re.findall(r'\.fn = Elementwise::\w+, \.name = "(\w+)"', listed))
    return {name for name in names if not name.endswith("_grad")}


def table_model(preset, task="classification"):
    """A model of numbers and categories, some missing; and a table with values that it has not seen."""
    rng = np.random.default_rng(0)
    table = {"a": rng.standard_normal(90), "b": rng.choice(list("xyz"), 90), "c": rng.choice(list("abcdefghijklm"), 90)}
    table["a"][::7] = np.nan
    model = TableModel(preset, epochs=2, hidden=(8,), n_ensembles=2).fit(table, rng.integers(0, 3, 90), task=task)
    return model, {"a": [0.5, np.nan, 1e6], "b": ["x", "new", None], "c": ["m", "a", "?"]}
