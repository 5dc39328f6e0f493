"""Numbers that are too large: an error that names what was asked for, no crash, and no memory for what is not there."""

import re

import numpy as np
import pytest

import backpass as bp


def shown(n):
    return f"{n:.3g}" if n < 2**80 else "many digits"


HUGE = [2**31, 2**59, 2**60, 2**62, 2**63, 2**64, -(2**63) - 1, 10**400]
x = bp.input((3,))
table, indices = bp.parameter((5, 2)), bp.input((4,), dtype="int32")

# What makes shapes of a number.
SIZES = {
    "input_shape": lambda n: bp.Sequential(bp.Dense(1), input_shape=n),
    "units": lambda n: bp.Sequential(bp.Dense(n), input_shape=3),
    "LayerNorm": lambda n: bp.Sequential(bp.LayerNorm(), input_shape=n),
    "BatchNorm": lambda n: bp.Sequential(bp.BatchNorm(), input_shape=n),
    "num_embeddings": lambda n: bp.Sequential(bp.Embedding(n, 4), input_shape=1),
    "embedding_dim": lambda n: bp.Sequential(bp.Embedding(4, n), input_shape=1),
    "input": lambda n: bp.input((n, n)),
    "parameter": lambda n: bp.parameter((n, n)),
    "constant": lambda n: bp.constant(1.0, (n, n)),
    "broadcast_to": lambda n: bp.broadcast_to(bp.input((1, 1)), (n, n)),
    "reshape": lambda n: bp.reshape(x, (n,)),
    "concat": lambda n: bp.concat([bp.input((n,))] * 2**12, 0),
    "no rows": lambda n: bp.input((0, n, n)),
    "classes": lambda n: bp.balanced_class_weights([0, 1], n),
}


@pytest.mark.parametrize("n", HUGE, ids=shown)
@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_no_memory_has(name, n):
    if abs(n) == 2**31 and name not in ("no rows", "parameter", "constant"):
        pytest.skip("memory may be had")
    with pytest.raises((ValueError, MemoryError)) as error:
        SIZES[name](n)
    assert "incompatible function arguments" not in str(error.value)


# Whole numbers that are no sizes, with what the message says.
INTEGERS = {
    "slice axis": ("[slice] axis", lambda n: bp.slice(x, n, 0, 1)),
    "slice begin": ("[slice] begin", lambda n: bp.slice(x, 0, n, 1)),
    "slice end": ("[slice] end", lambda n: bp.slice(x, 0, 0, n)),
    "concat axis": ("[concat] axis", lambda n: bp.concat([x], n)),
    "sum axis": ("[sum] axis", lambda n: bp.sum(x, axis=n)),
    "mean axes": ("[mean] axis", lambda n: bp.mean(x, axis=[0, n])),
    "transpose": ("[transpose] axes", lambda n: bp.transpose(x, [n])),
    "index": ("[Tensor] index", lambda n: x[n]),
    "take": ("[take] ignore", lambda n: bp.take(table, indices, ignore=n)),
    "take_label": ("[take_label] ignore", lambda n: bp.take_label(bp.input((4, 2)), indices, ignore=n)),
    "stream": ("[dropout] stream", lambda n: bp.dropout(x, 0.5, stream=n)),
    "graph seed": ("[Graph] seed", lambda n: bp.Graph([x], [x])([1.0, 2.0, 3.0], seed=n)),
    "graph step": ("[Graph] step", lambda n: bp.Graph([x], [x])([1.0, 2.0, 3.0], step=n)),
    "seed": ("[Sequential] seed", lambda n: bp.Sequential(bp.Dense(1), seed=n)),
    "threads": ("[predict] threads", lambda n: model().predict([[1.0]], threads=n)),
    "batch_size": ("[predict] batch_size", lambda n: model().predict([[1.0]], batch_size=n)),
    "random_step": ("[forward] random_step", lambda n: model().forward([[1.0]], random_step=n)),
    "memory_estimate": ("[memory_estimate] batch_size", lambda n: model().memory_estimate(n)),
    "repeats": ("[profile] repeats", lambda n: model().profile(1, repeats=n)),
    "epochs": ("[fit] epochs", lambda n: fit(epochs=n)),
    "fit seed": ("[fit] seed", lambda n: fit(seed=n)),
    "accumulate": ("[fit] accumulate", lambda n: fit(accumulate=n)),
    "patience": ("[EarlyStopping] patience", lambda n: bp.EarlyStopping(patience=n)),
    "cooldown": ("[ReduceOnPlateau] cooldown", lambda n: bp.ReduceOnPlateau(cooldown=n)),
    "warmup": ("[ConstantRate] warmup", lambda n: bp.ConstantRate(warmup=n)),
    "steps": ("[CosineAnnealing] steps", lambda n: bp.CosineAnnealing(n)),
    "start": ("[EMA] start", lambda n: bp.EMA(0.9, start=n)),
    "padding_idx": ("[Embedding] padding_idx", lambda n: bp.Embedding(3, 2, padding_idx=n)),
    "ignore_index": ("[CrossEntropy] ignore_index", lambda n: bp.CrossEntropy(ignore_index=n)),
}


def model():
    return bp.Sequential(bp.Dense(1), input_shape=1, seed=0)


def fit(**settings):
    return model().fit([[1.0]], [1.0], loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False, **settings)


@pytest.mark.parametrize("n", [2**64, -(2**64), 10**400], ids=shown)
@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_beyond_what_the_core_counts_in_is_named(name, n):
    message, call = INTEGERS[name]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call(n)


@pytest.mark.parametrize("wrong", [True, 1.5, "1", None, [[1]]])
@pytest.mark.parametrize("name", ["slice axis", "slice end", "concat axis", "graph seed"])
def test_what_is_no_integer_is_named_too(name, wrong):
    message, call = INTEGERS[name]
    with pytest.raises(TypeError, match=f"^{re.escape(message)} must be an integer"):
        call(wrong)


def test_integers_of_numpy_are_integers():
    assert bp.slice(x, np.int64(0), np.uint8(1), np.int32(3)).shape == (2,)
    assert bp.sum(bp.input((2, 3)), axis=np.int64(1)).shape == (2,)


def test_a_plan_takes_no_memory_for_rows_that_are_not_there():
    deep = bp.Sequential(bp.Dense(64, activation="relu"), bp.BatchNorm(), bp.Dense(10), input_shape=784, seed=0)
    trainer = bp.Trainer(deep, bp.CrossEntropy(), bp.Adam())
    for estimate in (deep.memory_estimate, trainer.memory_estimate):
        assert estimate(2**40) > 2**20 * estimate(2**19)
    assert "batch 1099511627776" in str(trainer.plan(2**40))


def test_a_fit_takes_no_memory_for_epochs_that_do_not_come():
    class Stop(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            trainer.stop()

    history = fit(epochs=2**31 - 1, callbacks=[Stop()])
    assert len(history["loss"]) == 1
