"""Preset "realmlp": each part against NumPy and central differences, training, files, and what its settings change."""

import numpy as np
import pytest

import backpass as bp
from backpass.tables import Schema, TableModel
from backpass.tables import _realmlp as parts
from backpass.tables._networks import Scaling
from backpass.tables._realmlp_training import LastBest, fit_weights, optimizer_of

ROWS = 300


def of(layer, *shapes, dtype="float64", seed=3):
    places = [bp.Input(shape, dtype=dtype) for shape in shapes]
    return bp.Network(places if len(places) > 1 else places[0], layer(*places), seed=seed)


def values(network):
    return {name.split(".")[-1]: value for name, value in network.parameters().items()}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    x = {"size": rng.uniform(1, 9, ROWS), "colour": rng.choice(["red", "blue"], ROWS).astype(object)}
    x["shape"] = rng.choice(list("abcde"), ROWS).astype(object)
    x["town"] = rng.choice([f"town {i}" for i in range(12)], ROWS).astype(object)
    x["price"] = 2 * x["size"] + 5.0 * (x["colour"] == "red") + np.sin(3 * x["size"])
    x["kind"] = np.where(x["price"] > 12, "dear", "cheap").astype(object)
    x["size"][::17], x["colour"][::13] = np.nan, None
    return x


def without(table, *names):
    return {name: column for name, column in table.items() if name not in names}


# Parts.


def test_periodic_embeddings_are_what_the_formula_says():
    network, x = of(parts.Periodic(), (5,)), np.random.default_rng(0).standard_normal((7, 5))
    w = values(network)
    waves = np.cos(2 * np.pi * x[:, :, None] * w["periodic_frequency"] + w["periodic_phase"])
    mixed = np.stack([waves[:, c] @ w["periodic_weight"][c] + w["periodic_bias"][c] for c in range(5)], axis=1)
    np.testing.assert_allclose(network.predict(x), np.concatenate([mixed.reshape(7, 15), x], axis=1), atol=1e-12)
    assert w["periodic_frequency"].shape == (5, 16)
    assert np.abs(w["periodic_phase"]).max() <= np.pi
    assert np.abs(w["periodic_weight"]).max() <= 0.25


def test_weights_learn_as_if_they_were_divided_by_the_root_of_their_inputs():
    rng = np.random.default_rng(0)
    x, y, unit = rng.standard_normal((6, 64)), rng.standard_normal((6, 1)), rng.standard_normal((1, 64))

    class Divided(bp.Layer):
        def forward(self, x):
            weight, bias = self.parameter("weight", (1, 64), "zeros"), self.parameter("bias", (1,), "zeros")
            return bp.matmul(x, weight, transpose_b=True) / 8 + bias

    networks = [of(bp.Dense(1), (64,)), of(Divided(), (64,))]
    networks[0].parameters()["0.weight"][:], networks[1].parameters()["0.weight"][:] = unit / 8, unit
    bias = bp.Group("*.bias", 0.02, 0.0)
    divided = bp.AdamW(0.2, (0.9, 0.95), weight_decay=0.02, groups=[bias], schedule=bp.LogCosine(20),
                       decay_schedule=bp.FlatCosine(20))  # fmt: skip
    for network, optimizer in zip(networks, [optimizer_of(networks[0], 0.2, 0.02, 20), divided], strict=True):
        trainer = bp.Trainer(network, bp.MSE(), optimizer)
        for _ in range(20):
            trainer.step(x, y)
    assert np.abs(networks[0].parameters()["0.weight"] * 8 - unit).max() > 0.1
    np.testing.assert_allclose(networks[0].predict(x), networks[1].predict(x), atol=1e-5)


@pytest.mark.parametrize("name", ["selu", "mish"])
def test_activations_mix_with_the_identity(name):
    network, x = of(parts.Parametric(name), (6,)), np.random.default_rng(0).standard_normal((4, 6))
    slope = values(network)["slope"]
    assert slope.tolist() == [1] * 6
    slope[:] = np.linspace(0, 2, 6)
    selu = 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))
    f = selu if name == "selu" else x * np.tanh(np.log1p(np.exp(x)))
    np.testing.assert_allclose(network.predict(x), (1 - slope) * x + slope * f, atol=1e-12)


@pytest.mark.parametrize("layer", [parts.Periodic(), parts.Scale(), parts.Parametric("mish"), parts.Parametric("selu")])
def test_gradients_of_parts(layer):
    rng, network = np.random.default_rng(1), of(layer, (4,))
    x = rng.standard_normal((5, 4))
    assert bp.gradcheck(network, bp.MSE(), x, rng.standard_normal(network.predict(x).shape)) < 1e-6


def test_few_categories_are_columns_that_are_scaled_and_clipped():
    schema = Schema.learn({"two": ["a", "a", "b", None], "three": ["u", "v", "w", "u"]})
    codes = schema.encode({"two": ["a", "b", None], "three": ["u", "w", "new"]})[1]
    scaling = Scaling(np.zeros(4), np.full(4, 0.5))
    place = bp.Input((2,), dtype="int32")
    given = bp.Network(place, parts.ScaledCategories([2, 3], scaling)(place), seed=0).predict(codes)
    clipped = 2 / np.sqrt(1 + (2 / 3) ** 2)
    wanted = np.array([[1, 1, 0, 0], [-1, 0, 0, 1], [0, 0, 0, 0]]) * clipped
    np.testing.assert_allclose(given, wanted, rtol=1e-6)
    learned = parts.scaling_of_categories(schema, schema.encode({"two": ["a"] * 8, "three": ["u"] * 7 + ["v"]})[1])
    assert learned.middle.tolist() == [1, 1, 0, 0]
    assert learned.spread.tolist() == [1, 0.5, 0.5, 1]


def test_dropout_follows_its_schedule_in_one_plan():
    steps, rate = 8, 0.5

    class Dropped(bp.Layer):
        def forward(self, x):
            return parts.ScheduledDropout()(x, parts.Fading(rate, steps)(x))

    network, x = of(Dropped(), (2000,)), np.ones((4, 2000))
    for t in range(steps + 2):
        wanted = rate * (1 + np.cos(np.pi * np.clip(2 * t / steps - 1, 0, 1))) / 2
        y = network.forward(x)
        kept = y[y != 0]
        np.testing.assert_allclose(kept, 1 / (1 - wanted), rtol=1e-6)
        assert (y == 0).mean() == pytest.approx(wanted, abs=0.03)
    np.testing.assert_array_equal(network.predict(x), x)


def test_first_weights_give_each_unit_deviation_one():
    place = bp.Input((9,))
    network = bp.Network(place, parts.body(place, (32, 16), 0.1, 2, 10, None), seed=0)
    x = np.random.default_rng(0).standard_normal((500, 9)) * np.arange(1, 10)
    fit_weights(network, x, "selu", 0)
    w = network.parameters()
    first = next(name for name in w if name.endswith(".bias")).removesuffix(".bias")
    z = x @ w[f"{first}.weight"].T
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-5)
    assert (-w[f"{first}.bias"] >= z.min(axis=0)).all()
    assert (-w[f"{first}.bias"] <= z.max(axis=0)).all()
    assert network.predict(x).std() == pytest.approx(1, rel=0.3)


def test_rates_by_parameter():
    place = bp.Input((3,))
    network = bp.Network(place, parts.body(parts.Periodic()(place), (4,), 0.1, 1, 10, (-1, 1)), seed=0)
    groups = {group.pattern: group for group in optimizer_of(network, 0.2, 0.02, 10)._options["groups"]}
    assert groups["*.bias"] == bp.Group("*.bias", 0.2 * 0.1, 0.0)
    assert groups["*.scale"] == bp.Group("*.scale", 0.2 * 6.0, 0.02 * 6.0)
    assert groups["*.slope"].learning_rate == groups["*.periodic_*"].learning_rate == 0.2 * 0.1


def test_of_equal_epochs_the_last_is_kept():
    class Worse(bp.Callback):
        def on_epoch_begin(self, trainer, logs):
            trainer.model.flat_parameters[:] = [1.0, 0.0, 0.0, 2.0][logs["epoch"]]

        def on_epoch_end(self, trainer, logs):
            told.append(float(trainer.model.flat_parameters[0]))

    told, model = [], bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64")
    best = LastBest("val_loss", False, None)
    x = np.ones((1, 1))
    data = (x, 0 * x)
    model.fit(x, 0 * x, loss="mse", optimizer=bp.SGD(0.0), epochs=4, validation_data=data, callbacks=[Worse(), best])
    assert told == [1.0, 0.0, 0.0, 2.0]
    assert (best.epoch, model.flat_parameters[0]) == (2, 0.0)


# The preset.


def test_it_learns_numbers_and_stays_within_what_was_seen(table):
    x = without(table, "kind")
    model = TableModel("realmlp", seed=0, epochs=64).fit(x, "price")
    assert model.evaluate(x)["r2"] > 0.85
    assert len(model.histories[0]["loss"]) == 64
    far = model.predict({name: [1e9 if name == "size" else None] for name in without(x, "price")})
    assert table["price"].min() - 1e-4 <= far[0] <= table["price"].max() + 1e-4


def test_it_learns_classes_and_a_file_holds_it(table, tmp_path):
    x = without(table, "price")
    model = TableModel("realmlp", seed=0, epochs=64).fit(x, "kind")
    assert model.evaluate(x)["accuracy"] > 0.9
    model.save(tmp_path / "model.safetensors")
    again = TableModel.load(tmp_path / "model.safetensors").predict_probabilities(x)
    np.testing.assert_array_equal(again, model.predict_probabilities(x))
    numbers, codes = model.schema.encode(x)
    outputs = bp.load(tmp_path / "model.safetensors").predict([numbers, codes])  # as in C++: no Python of tables
    np.testing.assert_allclose(outputs, again, atol=1e-6)
    same = TableModel("realmlp", seed=0, epochs=64, threads=1).fit(x, "kind")
    np.testing.assert_array_equal(same.predict_probabilities(x), model.predict_probabilities(x))


@pytest.mark.parametrize("columns", [("size",), ("shape",), ("town",), ("colour", "town")])
def test_tables_of_one_kind_of_column(table, columns):
    model = TableModel("realmlp", seed=0, epochs=2, hidden=(8,), dropout=0.0)
    model.fit({name: table[name] for name in columns}, table["price"])
    assert np.isfinite(model.predict(table)).all()


def test_settings_change_it(table):
    x = without(table, "kind")
    model = TableModel("realmlp", epochs=3, learning_rate=0.01, batch_size=64, patience=1, n_ensembles=2).fit(
        x, "price"
    )
    assert model.preset.rate_of_numbers is None
    assert all(history["learning_rate"][0] <= 0.01 for history in model.histories)
    assert len(model.histories) == 2
