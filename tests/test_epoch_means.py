"""The loss of an epoch is a sum of losses by a sum of weights: fit says what evaluate says of the same weights."""

import json

import numpy as np
import pytest

import backpass as bp
from registry import generator
from test_resume import Interrupt, rewrite

STILL = {"epochs": 1, "shuffle": False, "progress": False}


def linear(outputs=1, **options):
    return bp.Sequential(bp.Dense(outputs), input_shape=3, seed=0, dtype="float64", **options)


def rows(count=11):
    rng = generator("means", count)
    return rng.standard_normal((count, 3)), rng.standard_normal((count, 1)), rng.integers(0, 4, count) / 2


def test_two_rows_of_which_one_weighs_nothing():
    model = bp.Sequential(bp.Dense(1, weight_init="zeros", bias=False), input_shape=1)
    data = [[1.0], [1.0]], [[2.0], [-2.0]]
    fit = {"loss": bp.MSE(), "batch_size": 1, "sample_weight": [1.0, 0.0], **STILL}
    assert model.fit(*data, optimizer=bp.SGD(0.0), **fit)["loss"] == [4.0]
    assert model.evaluate(*data, sample_weight=[1.0, 0.0])["loss"] == 4.0


@pytest.mark.parametrize("batch_size", [1, 2, 5, 11])
@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_sample_weights(batch_size, accumulate):
    model, (x, y, weight) = linear(), rows()
    fit = {"loss": bp.MSE(), "batch_size": batch_size, "accumulate": accumulate, "sample_weight": weight, **STILL}
    history = model.fit(x, y, optimizer=bp.SGD(0.0), validation_data=(x, y, weight), **fit)
    expected = (weight * ((model.predict(x) - y) ** 2)[:, 0]).sum() / weight.sum()
    assert history["loss"] == pytest.approx([expected], rel=1e-12)
    assert history["val_loss"] == pytest.approx([expected], rel=1e-12)


@pytest.mark.parametrize("options", [{"ignore_index": 0}, {"class_weight": [0.1, 2.0, 5.0]},
                                     {"ignore_index": 2, "class_weight": [1.0, 3.0, 0.5]}], ids=str)  # fmt: skip
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_that_weigh_rows(options, accumulate, weighted):
    model, (x, _, weight) = linear(3), rows()
    y, loss = generator("labels").integers(0, 3, 11), bp.CrossEntropy(**options)
    weight = weight if weighted else None
    fit = {"loss": loss, "batch_size": 3, "accumulate": accumulate, "sample_weight": weight, **STILL}
    history = model.fit(x, y, optimizer=bp.SGD(0.0), metrics=["accuracy"], **fit)
    found = model.evaluate(x, y, loss=loss, sample_weight=weight, metrics=["accuracy"])
    assert history["loss"] == pytest.approx([found["loss"]], rel=1e-12)
    assert history["accuracy"] == [found["accuracy"]]


def test_a_batch_of_ignored_rows_counts_for_nothing():
    model = bp.Sequential(bp.Dense(2, weight_init="zeros"), input_shape=1, seed=0)
    fit = {"loss": bp.CrossEntropy(ignore_index=-1), "batch_size": 1, **STILL}
    history = model.fit([[1.0], [1.0]], [0, -1], optimizer=bp.SGD(0.0), **fit)
    assert history["loss"] == pytest.approx([np.log(2)], rel=1e-6)


def two_heads():
    x = bp.Input(3, dtype="float64")
    return bp.Network(x, [bp.Dense(1)(x), bp.Dense(3)(x)], seed=0)


@pytest.mark.parametrize("loss_weights", [None, [0.25, 3.0]])
def test_several_outputs_each_by_its_own_weights(loss_weights):
    (x, y, weight), labels = rows(), generator("labels").integers(0, 3, 11)
    losses, model = [bp.MSE(), bp.CrossEntropy(class_weight=[1.0, 4.0, 0.2])], two_heads()
    trainer = bp.Trainer(model, losses, bp.SGD(0.0), loss_weights=loss_weights)
    history = trainer.fit(x, [y, labels], batch_size=3, sample_weight=weight, **STILL)
    found = trainer.evaluate(x, [y, labels], sample_weight=weight)
    assert {name: history[name] for name in found} == {name: pytest.approx([v]) for name, v in found.items()}
    first, second = loss_weights or [1.0, 1.0]
    assert found["loss"] == pytest.approx(first * found["loss_0"] + second * found["loss_1"])


def test_one_output_with_a_loss_weight():
    model, (x, y, weight) = linear(), rows()
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.0), loss_weights=[2.0])
    history = trainer.fit(x, y, batch_size=4, sample_weight=weight, **STILL)
    plain = bp.Trainer(model, bp.MSE(), bp.SGD(0.0)).evaluate(x, y, sample_weight=weight)["loss"]
    assert history["loss"] == pytest.approx([2 * plain])
    assert trainer.evaluate(x, y, sample_weight=weight)["loss"] == pytest.approx(2 * plain)


def test_a_stream():
    model, (x, y, weight) = linear(), rows()

    def chunks():
        for begin in range(0, 11, 4):
            yield tuple(part[begin : begin + 4] for part in (x, y, weight))

    fit = {"loss": bp.MSE(), "batch_size": 3, "progress": False, "validation_data": bp.Stream(chunks)}
    history = model.fit(bp.Stream(chunks), optimizer=bp.SGD(0.0), **fit)
    assert history["loss"] == pytest.approx([model.evaluate(x, y, sample_weight=weight)["loss"]])
    assert history["val_loss"] == pytest.approx(history["loss"])


def fit_on(path, at=None):
    """With an interruption after so many batches."""
    x, y, weight = rows()
    return linear().fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.01), epochs=2, batch_size=2, sample_weight=weight,
                        seed=1, progress=False, resume=path,
                        callbacks=[Interrupt(at), bp.Checkpoint(path, every_batches=1)])  # fmt: skip


def test_a_fit_that_goes_on_within_an_epoch_has_the_same_mean(tmp_path):
    whole = fit_on(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit_on(tmp_path / "parts", 3)
    assert fit_on(tmp_path / "parts") == whole


def test_a_checkpoint_from_before_there_were_weights_goes_on(tmp_path):
    """It has sums over rows."""
    path = tmp_path / "old"
    with pytest.raises(KeyboardInterrupt):
        fit_on(path, 3)

    def as_before(header, state, tensors):
        fit = state["fit"]
        fit["loss_sum"], fit["head_sums"] = 7.5, []
        del fit["loss_sums"], fit["loss_weights"]
        assert json.dumps(fit)

    rewrite(path, as_before)
    history = fit_on(path)
    assert len(history["loss"]) == 2
    assert np.isfinite(history["loss"]).all()
