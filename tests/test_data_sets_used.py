"""Data sets with streams, metrics, several batches in one update, validation, weights of classes and augmentation."""

import copy

import numpy as np
import pytest

import backpass as bp

FIT = {"progress": False, "seed": 3}


def network(dtype="float64", outputs=2):
    return bp.Sequential(bp.Dense(5, activation="tanh"), bp.Dense(outputs), input_shape=3, seed=1, dtype=dtype)


def absolute(prediction, target):
    return bp.abs(prediction - target)


@pytest.fixture
def left(rng):
    return rng.standard_normal((12, 3)), rng.standard_normal((12, 2))


@pytest.fixture
def right(rng):
    return rng.standard_normal((7, 3)), rng.standard_normal((7, 2))


def chunks_of(x, y, rows=3):
    return [(x[i : i + rows], y[i : i + rows]) for i in range(0, len(x), rows)]


def generator(x, y):
    def chunks():
        yield from chunks_of(x, y)

    return chunks


class Batches:
    """Neither a list nor an iterator."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        return iter(chunks_of(self.x, self.y))


FORMS = {
    "Stream": lambda x, y: bp.Stream(generator(x, y)),
    "function": generator,
    "list": chunks_of,
    "iterable": Batches,
}


@pytest.mark.parametrize("form", FORMS)
def test_streams_train_as_arrays_do(left, right, form):
    models, histories = (network(), network()), []
    for model, streams in zip(models, (False, True), strict=True):
        first, second = ((FORMS[form](*part),) if streams else part for part in (left, right))
        sets = [bp.Data(*first, loss=bp.MSE()), bp.Data(*second, loss=absolute, weight=0.5)]
        histories.append(model.fit(sets, optimizer="adam", epochs=3, batch_size=3, shuffle=False, **FIT))
    assert histories[0] == histories[1]
    np.testing.assert_array_equal(models[0].flat_parameters, models[1].flat_parameters)


def test_an_iterator_serves_one_epoch_in_which_it_begins_once(left, right):
    longest = [bp.Data(iter(chunks_of(*left)), loss=bp.MSE()), bp.Data(*right, loss=bp.MSE())]
    assert network().fit(longest, optimizer="sgd", batch_size=3, **FIT).epochs == 1
    again = [bp.Data(iter(chunks_of(*right)), loss=bp.MSE(), name="fresh"), bp.Data(*left, loss=bp.MSE())]
    with pytest.raises(ValueError, match=r"an iterator can be gone through once.*in data set fresh"):
        network().fit(again, optimizer="sgd", batch_size=3, **FIT)
    with pytest.raises(ValueError, match="once, not in 2 epochs"):
        network().fit([bp.Data(iter(chunks_of(*left)))], loss="mse", optimizer="sgd", epochs=2, **FIT)


def test_rows_without_targets_come_in_chunks(left, rng):
    def unlabelled():
        for _ in range(4):
            yield rng.standard_normal((5, 3)), None

    def small(prediction):
        return bp.square(prediction)

    sets = [bp.Data(*left, loss="mse"), bp.Data(unlabelled, loss=small, name="free")]
    history = network().fit(sets, optimizer="sgd", epochs=2, batch_size=5, **FIT)
    assert len(history["loss_free"]) == 2


def test_streams_are_shuffled_anew_whenever_they_begin(left):
    seen = []

    class Seen(bp.Loss):
        def value_and_grad(self, prediction, target, sample_weight=None):
            seen.append(target["row"].tolist())
            return 0.0, 0 * prediction

    stream = bp.Stream(lambda: [(left[0][:6], {"row": np.arange(6)})])
    network().fit([bp.Data(stream, loss=Seen()), bp.Data(*left, loss="mse", batch_size=4)], optimizer="sgd",
                  batch_size=6, **FIT)  # fmt: skip
    assert len(seen) == 3
    assert all(sorted(rows) == list(range(6)) for rows in seen)
    assert len({tuple(rows) for rows in seen}) > 1


def test_metrics_are_told_for_each_set(rng):
    x, labels = rng.standard_normal((20, 3)), rng.integers(0, 2, 20)
    model = network("float32")
    sets = [
        bp.Data(x, labels, loss="cross_entropy", name="labelled"),
        bp.Data(x, rng.standard_normal((20, 2)), loss="mse", name="values", metrics=["mae", "r2"]),
        bp.Data(rng.standard_normal((20, 3)), loss=lambda z: bp.square(z), metrics=(), name="free"),
    ]
    history = model.fit(sets, optimizer=bp.SGD(0.0), batch_size=20, metrics=["accuracy", "auc"], **FIT)
    own = ["accuracy_labelled", "auc_labelled", "mae_values", "r2_values"]
    assert list(history) == ["loss", "loss_labelled", "loss_values", "loss_free", *own, "learning_rate"]
    told = model.evaluate(x, labels, loss="cross_entropy", metrics=["accuracy", "auc"])
    assert history["accuracy_labelled"] == pytest.approx([told["accuracy"]])
    assert history["auc_labelled"] == pytest.approx([told["auc"]])
    told = model.evaluate(sets[1].x, sets[1].y, loss="mse", metrics=["mae", "r2"])
    assert [history["mae_values"][0], history["r2_values"][0]] == pytest.approx([told["mae"], told["r2"]], rel=1e-5)
    assert model.evaluate(sets, metrics=["accuracy", "auc"]) == pytest.approx(
        {name: history[name][0] for name in ["loss", "loss_labelled", "loss_values", "loss_free", *own]}, rel=1e-5
    )


def test_validation_has_sets_of_its_own(left, right):
    model = network()
    sets = [bp.Data(*left, loss=bp.MSE())]
    held_out = [
        bp.Data(*left, weight=0.5, name="near", metrics="mae"),
        bp.Data(generator(*right), loss=absolute, name="far", metrics=()),
    ]
    history = model.fit(sets, optimizer=bp.SGD(0.1), epochs=2, validation_data=held_out, **FIT)
    assert list(history) == ["loss", "val_loss", "val_loss_near", "val_loss_far", "val_mae_near", "learning_rate"]
    near, far = model.evaluate(*left, loss=bp.MSE(), metrics="mae"), model.evaluate(*right, loss=absolute)
    last = {name: history[name][-1] for name in history}
    assert last["val_loss"] == pytest.approx(0.5 * near["loss"] + far["loss"], rel=1e-12)
    assert (last["val_loss_near"], last["val_mae_near"]) == pytest.approx((near["loss"], near["mae"]), rel=1e-12)
    plain = network().fit(*left, loss=bp.MSE(), optimizer="sgd", validation_data=bp.Data(*left, metrics="mae"), **FIT)
    assert list(plain) == ["loss", "val_loss", "val_mae", "learning_rate"]
    stop = bp.EarlyStopping(monitor="val_loss_far", patience=1, min_delta=10.0)
    assert network().fit(*left, loss="mse", optimizer=bp.SGD(0.0), validation_data=held_out, epochs=9, callbacks=stop,
                         **FIT).epochs < 9  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [bp.SGD(0.1, momentum=0.9), bp.Adam(0.01, clip_norm=0.1)], ids=["SGD", "Adam"])
@pytest.mark.parametrize("alone", [False, True])
def test_several_batches_of_each_set_are_one_large_one(left, right, dtype, optimizer, alone):
    """Each set's gradient is the mean over its rows of all batches, whatever their sizes."""
    weights = np.arange(12.0)
    models, histories = (network(dtype), network(dtype)), []
    for model, (size, batches) in zip(models, ((12, 1), (3, 4)), strict=True):
        sets = [bp.Data(*left, loss=bp.MSE(), weight=0.5, sample_weight=weights, batch_size=size)]
        if not alone:
            rest = {1: 7, 4: 2}[batches]
            sets.append(bp.Data(*right, loss=absolute, weight=2.0, batch_size=rest))
        histories.append(
            model.fit(sets, optimizer=copy.deepcopy(optimizer), epochs=3, accumulate=batches, shuffle=False, **FIT)
        )
    close = {"rtol": 1e-4, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
    np.testing.assert_allclose(models[0].flat_parameters, models[1].flat_parameters, **close)
    for name in histories[0]:
        np.testing.assert_allclose(histories[0][name], histories[1][name], **close)


def test_what_is_left_of_a_group_updates_at_the_end_of_an_epoch(left, right):
    counted = bp.SGD(0.1)
    sets = [bp.Data(*left, loss="mse"), bp.Data(*right, loss="mse")]
    network().fit(sets, optimizer=counted, batch_size=5, accumulate=2, **FIT)
    assert counted.steps == 2


@pytest.mark.parametrize("accumulate", [1, 3])
def test_it_goes_on_from_a_checkpoint_with_streams_and_metrics(left, right, tmp_path, accumulate):
    class Stop(bp.Callback):
        def __init__(self, left=-1):
            self.left = left

        def on_batch_end(self, trainer, logs):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def train(model, *callbacks, **options):
        sets = [
            bp.Data(generator(*left), loss=bp.MSE(), metrics=["mae", "r2"]),
            bp.Data(*right, loss=absolute, batch_size=2, weight=0.3, metrics="rmse"),
        ]
        settings = {"epochs": 4, "batch_size": 2, "callbacks": callbacks, "accumulate": accumulate, **FIT, **options}
        return model.fit(sets, optimizer=bp.Adam(0.01), **settings)

    whole, path, every = network(), tmp_path / "fit", {"every_batches": 2}
    history = train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(network(), bp.Checkpoint(path, **every), Stop(16))
    resumed = network()
    assert train(resumed, bp.Checkpoint(path, **every), Stop(), resume=path) == history
    np.testing.assert_array_equal(resumed.flat_parameters, whole.flat_parameters)


def test_classes_weigh_within_their_set(rng):
    x, labels = rng.standard_normal((12, 3)), np.repeat([0, 1], [9, 3])
    own = np.where(labels == 0, 1.0, 4.0)
    models = network(), network()
    weighing = {"class_weight": {1: 4.0}}, {"sample_weight": own}
    for model, weights in zip(models, weighing, strict=True):
        sets = [bp.Data(x, labels, loss="cross_entropy", **weights), bp.Data(x, labels, loss="cross_entropy")]
        model.fit(sets, optimizer=bp.SGD(0.1), epochs=2, batch_size=5, **FIT)
    np.testing.assert_array_equal(models[0].flat_parameters, models[1].flat_parameters)


def test_a_set_is_augmented_alone(left, right):
    seen = []

    def shift(x, y, rng):
        seen.append(len(x))
        return x + 100, y

    sets = [bp.Data(*left, loss="mse", augment=shift), bp.Data(*right, loss="mse")]
    model = network()
    history = model.fit(sets, optimizer=bp.SGD(0.0), batch_size=12, **FIT)
    assert seen == [12]
    assert history["loss_0"][0] == pytest.approx(model.evaluate(left[0] + 100, left[1], loss="mse")["loss"], rel=1e-12)
    assert history["loss_1"][0] == pytest.approx(model.evaluate(*right, loss="mse")["loss"], rel=1e-12)


def test_lbfgs_tells_metrics_of_sets(left, right):
    sets = [bp.Data(*left, loss=bp.MSE(), metrics="mae"), bp.Data(*right, loss=bp.MSE())]
    model = network()
    history = model.fit(sets, optimizer=bp.LBFGS(), epochs=3, metrics="rmse", **FIT)
    assert list(history) == ["loss", "loss_0", "loss_1", "mae_0", "rmse_1", "learning_rate"]
    assert history["mae_0"][-1] == pytest.approx(model.evaluate(*left, loss="mse", metrics="mae")["mae"], rel=1e-12)


def test_the_same_bits_for_any_number_of_threads(rng):
    x, y = rng.standard_normal((200, 3)), rng.standard_normal((200, 2))
    results = []
    for threads in (1, 2, 3):
        model = network()
        sets = [bp.Data(generator(x, y), loss=bp.MSE()), bp.Data(x[:70], y[:70], loss=absolute, metrics="mae")]
        model.fit(sets, optimizer=bp.Adam(0.01), epochs=2, batch_size=32, accumulate=2, threads=threads, **FIT)
        results.append(model.flat_parameters)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
