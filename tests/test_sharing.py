"""Parameters have one home: models made of the same layers, tensors or models use them there."""

import copy
import pickle
import threading

import numpy as np
import pytest

import backpass as bp


def autoencoder():
    encoder = bp.Sequential(bp.Dense(5, activation="tanh"), bp.BatchNorm(), bp.Dense(2), input_shape=4, seed=0)
    decoder = bp.Sequential(bp.Dense(4), input_shape=2, seed=1)
    x = bp.Input(4)
    return encoder, decoder, bp.Network(x, decoder(encoder(x)), seed=2)


def fit(model, x, y, optimizer=None, **options):
    return model.fit(x, y, loss="mse", optimizer=optimizer or bp.Adam(0.01), seed=0, progress=False, **options)


@pytest.fixture
def x(rng):
    return rng.standard_normal((24, 4)).astype(np.float32)


def bits(model):
    return np.concatenate([value.ravel() for value in (model.state_dict() or {}).values()]).tobytes()


# Ways to share.


def test_what_is_trained_in_one_is_trained_in_all(x):
    encoder, decoder, whole = autoencoder()
    before = encoder.predict(x), decoder.predict(x[:, :2])
    fit(whole, x, x)
    np.testing.assert_array_equal(whole.predict(x), decoder.predict(encoder.predict(x)))
    assert (encoder.predict(x) != before[0]).any()
    assert (decoder.predict(x[:, :2]) != before[1]).any()
    whole.parameters()["3.bias"][:] = 7
    assert decoder.parameters()["0.bias"].tolist() == [7.0] * 4


def test_names_are_of_each_model():
    encoder, decoder, whole = autoencoder()
    assert [*decoder.parameters()] == ["0.weight", "0.bias"]
    assert [*whole.parameters()][-2:] == ["3.weight", "3.bias"]
    assert [*whole.states()] == [*encoder.states()] == ["1.running_mean", "1.running_var"]


def test_layers_of_a_trained_model_keep_their_values(x):
    trained = bp.Sequential(bp.Dense(6, activation="relu"), bp.Dense(5, activation="relu"), bp.Dense(4), seed=0)
    fit(trained, x, x)
    model = bp.Sequential(*trained.layers[:2], bp.Dense(1), input_shape=4, seed=1)
    model.freeze("0.*", "1.*")
    kept = trained.state_dict()
    fit(model, x, x[:, :1])
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        np.testing.assert_array_equal(model.parameters()[name], kept[name])
    model.unfreeze()
    fit(model, x, x[:, :1])
    np.testing.assert_array_equal(trained.parameters()["1.weight"], model.parameters()["1.weight"])
    assert (trained.parameters()["1.weight"] != kept["1.weight"]).any()
    np.testing.assert_array_equal(trained.parameters()["2.weight"], kept["2.weight"])


@pytest.mark.parametrize("make", [lambda model: model[:2], lambda model: model.sub("1")], ids=["slice", "sub"])
def test_feature_extractors(x, make):
    model = bp.Sequential(bp.Dense(6, activation="relu"), bp.BatchNorm(), bp.Dense(3), input_shape=4, seed=0)
    features = make(model)
    fit(model, x, x[:, :3])
    by_hand = features.predict(x) @ model.parameters()["2.weight"].T + model.parameters()["2.bias"]
    np.testing.assert_allclose(by_hand, model.predict(x), rtol=0, atol=1e-5)
    assert [*features.parameters()] == [name for name in model.parameters() if name[0] != "2"]


def test_the_end_of_a_model_is_a_part_of_it_too(x):
    model = bp.Sequential(bp.Dense(6, activation="relu"), bp.Dense(3), input_shape=4, seed=0)
    for head in (model[1:], model.sub("1", inputs="0")):
        np.testing.assert_array_equal(head.predict(model[:1].predict(x)), model.predict(x))
    with pytest.raises(ValueError, match=r"\[sub\] outputs must name layers, '0', '1', got '7'"):
        model.sub("7")


def test_tying_a_weight_across_models(x):
    """A decoder that is the encoder transposed."""
    weight = bp.parameter((3, 4), name="tied", initializer="glorot_uniform")
    given, code = bp.Input(4), bp.Input(3)
    encoder, decoder = bp.Network(given, given @ bp.transpose(weight, [1, 0]), seed=0), bp.Network(code, code @ weight)
    both = bp.Network(given, decoder(encoder(given)))
    assert [*both.parameters()] == ["tied"]
    fit(both, x, x, epochs=3)
    np.testing.assert_array_equal(encoder.parameters()["tied"], decoder.parameters()["tied"])
    np.testing.assert_allclose(both.predict(x), decoder.predict(encoder.predict(x)), rtol=0, atol=1e-6)


def test_a_model_may_stand_in_another_twice(x):
    tower = bp.Sequential(bp.Dense(3, activation="tanh"), bp.Dropout(0.5), input_shape=4, seed=0)
    left, right = bp.Input(4, name="left"), bp.Input(4, name="right")
    twins = bp.Network([left, right], tower(left) - tower(right), seed=0)
    assert twins.n_parameters == tower.n_parameters
    outer = bp.Network([left, right], twins(right, left))
    np.testing.assert_array_equal(outer.predict([x, 2 * x]), -twins.predict([x, 2 * x]))
    assert outer.forward([x, x]).any()  # each tower drops by masks of its own


# Copies are copies.


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deepcopy", "pickle"]
)
def test_copies_have_a_home_of_their_own(x, copied):
    encoder, _, whole = autoencoder()
    fit(whole, x, x)
    twin, part = copied(whole), copied(encoder)
    before = bits(whole)
    fit(twin, x, x)
    fit(part, x, x[:, :2])
    assert bits(whole) == before
    assert twin.flat_parameters.flags.writeable  # one home
    head = bp.Sequential(*part.layers, bp.Dense(1), input_shape=4)
    np.testing.assert_array_equal(head.parameters()["0.weight"], part.parameters()["0.weight"])
    head.parameters()["0.weight"][:] = 0
    assert not part.parameters()["0.weight"].any()
    assert bits(whole) == before


def test_files_keep_what_a_model_uses(x, tmp_path):
    encoder, _, whole = autoencoder()
    fit(whole, x, x)
    whole.save(tmp_path / "whole.safetensors")
    encoder.save(tmp_path / "encoder.safetensors")
    again, part = bp.load(tmp_path / "whole.safetensors"), bp.load(tmp_path / "encoder.safetensors")
    np.testing.assert_array_equal(again.predict(x), whole.predict(x))
    np.testing.assert_array_equal(part.predict(x), encoder.predict(x))
    again.flat_parameters[:] = 0  # one home
    assert whole.flat_parameters.any()
    tuned = bp.Sequential(*part.layers[:2], bp.Dense(1), input_shape=4)
    np.testing.assert_array_equal(tuned.parameters()["0.weight"], encoder.parameters()["0.weight"])
    fit(tuned, x, x[:, :1])
    np.testing.assert_array_equal(tuned.parameters()["0.weight"], part.parameters()["0.weight"])


def test_flat_arrays_of_several_homes_are_copies_that_cannot_be_written(x):
    encoder, decoder, whole = autoencoder()
    flat = whole.flat_parameters
    np.testing.assert_array_equal(flat, np.concatenate([value.ravel() for value in whole.parameters().values()]))
    with pytest.raises(ValueError, match="read-only"):
        flat[:] = 0
    assert encoder.flat_parameters.flags.writeable
    assert decoder.flat_gradients.flags.writeable
    assert encoder[:1].flat_parameters.base is not None  # a view of a part of a home
    encoder[:1].flat_parameters[:] = 0
    assert not whole.parameters()["0.weight"].any()


def test_other_types_want_copies():
    layer = bp.Dense(3)
    bp.Sequential(layer, input_shape=2)
    given = bp.Input(2)
    with pytest.raises(ValueError, match=r'"0.weight" lives in another network as float32, and this one computes in f'):
        bp.Network(given, layer(given), dtype="float64")
    with pytest.raises(ValueError, match=r'\[Network\] input "x" must be \(batch, 2\) float32, got \(batch, 3\)'):
        bp.Network(given, layer(given))(bp.Input(3))


# Calls.


def test_who_trains_keeps_others_of_the_same_home_out(x):
    """Reading from hooks is allowed between steps, for those that share, too."""
    encoder, _, whole = autoencoder()
    alone = bp.Sequential(bp.Dense(1), input_shape=4, seed=0)
    seen = []

    def elsewhere(call):
        def run():
            try:
                seen.append(call(x).shape)
            except RuntimeError as error:
                seen.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    class Look(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            seen.append(encoder.predict(x).shape)
            elsewhere(encoder.predict)
            elsewhere(alone.predict)

    fit(whole, x, x, callbacks=[Look()])
    assert seen == [(24, 2), "[Network] is in use by another thread; give each thread a copy", (24, 1)]
    assert encoder.predict(x).shape == (24, 2)


def test_a_model_that_calls_one_that_shares_from_within_its_run_is_told(x):
    inner = bp.Sequential(bp.Dense(4), input_shape=4, seed=0)

    class Calls(bp.Layer):
        def forward(self, rows):
            return inner.predict(rows)

        def backward(self, grad, rows):
            return grad

    given = bp.Input(4)
    model = bp.Network(given, Calls()(inner(given)))
    with pytest.raises(RuntimeError, match="is called from within its own call"):
        fit(model, x, x)
    assert inner.predict(x).shape == (24, 4)
