"""Rows that come in chunks: the same training as on arrays, with nothing left behind."""

import threading

import numpy as np
import pytest

import backpass as bp
from registry import generator

FIT = {"loss": bp.CrossEntropy(), "progress": False}


def rows(n=103):
    rng = generator("streams")
    return rng.standard_normal((n, 4)).astype(np.float32), rng.integers(0, 3, n)


def network(rate=0.2):
    return bp.Sequential(bp.Dense(8), bp.ReLU(), bp.Dropout(rate), bp.Dense(3), input_shape=4, seed=1)


def cut(size, weight=None):
    x, y = rows()

    def chunks():
        for at in range(0, len(x), size):
            part = slice(at, at + size)
            yield (x[part], y[part]) if weight is None else (x[part], y[part], weight[part])

    return chunks


@pytest.mark.row("A25")
@pytest.mark.parametrize("size", [1, 7, 16, 103])
def test_batches_are_those_of_arrays_however_rows_are_cut(size):
    x, y = rows()
    weight = generator("weights").random(len(x))
    settings = {"epochs": 2, "batch_size": 16, "shuffle": False, "seed": 3, "metrics": ["accuracy"], **FIT}
    ours, theirs = network(), network()
    history = ours.fit(bp.Stream(cut(size, weight)), optimizer=bp.Adam(), **settings)
    assert history == theirs.fit(x, y, sample_weight=weight, optimizer=bp.Adam(), **settings)
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


class Sizes(bp.Callback):
    def __init__(self):
        self.losses = []

    def on_batch_end(self, trainer, logs):
        self.losses.append(logs["loss"])


def test_rows_are_shuffled_among_the_chunks_in_memory():
    """One weight that stays where it is: the loss of a batch of one row is that row's number."""
    y = np.arange(20.0)

    def order(buffer, **options):
        model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, seed=1, dtype="float64")
        model.parameters()["0.weight"][:] = 0
        seen = Sizes()
        chunks = [(np.ones((5, 1)), y[at : at + 5]) for at in range(0, 20, 5)]
        model.fit(bp.Stream(lambda: chunks, buffer=buffer), loss=bp.MSE(), optimizer=bp.SGD(0.0), epochs=2,
                  batch_size=1, callbacks=seen, progress=False, **options)  # fmt: skip
        return np.sqrt(seen.losses).reshape(2, 20)

    alone, together, again = order(1, seed=3), order(4, seed=3), order(4, seed=3)
    plain = order(1, shuffle=False)
    np.testing.assert_array_equal(plain, np.tile(y, (2, 1)))
    np.testing.assert_array_equal(np.sort(alone.reshape(2, 4, 5)), np.tile(y.reshape(4, 5), (2, 1, 1)))
    np.testing.assert_array_equal(np.sort(together), np.tile(y, (2, 1)))
    np.testing.assert_array_equal(together, again)
    for order_of in (alone, together):
        assert not np.array_equal(order_of[0], order_of[1])
        assert not np.array_equal(order_of[0], y)
    assert set(together[0, :5]) != set(y[:5])


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads():
    fits = []
    for threads in (1, 2):
        model = network()
        model.fit(bp.Stream(cut(30), buffer=2), optimizer=bp.Adam(), epochs=2, seed=5, threads=threads, **FIT)
        fits.append(model.flat_parameters.copy())
    np.testing.assert_array_equal(*fits)


def test_plain_functions_and_iterables_are_streams():
    results = []
    for x in (cut(20), list(cut(20)()), cut(20)(), bp.Stream(cut(20))):
        model = bp.Sequential(bp.Dense(3), seed=1)  # its shape comes from the first chunk, which is not lost
        history = model.fit(x, optimizer=bp.Adam(), seed=2, **FIT)
        results.append((history["loss"], model.flat_parameters.tolist()))
    assert all(result == results[0] for result in results)
    with pytest.raises(ValueError, match=r"\[fit\] an iterator can be gone through once, not in 2 epochs"):
        network().fit(cut(20)(), optimizer=bp.Adam(), epochs=2, **FIT)


def test_validation_and_evaluation_go_chunk_by_chunk():
    x, y = rows()
    weight = generator("weights").random(len(x))
    model = network()
    history = model.fit(x, y, optimizer=bp.Adam(), validation_data=cut(20, weight), metrics="accuracy", **FIT)
    arrays = model.evaluate(x, y, sample_weight=weight, metrics="accuracy")
    stream = model.evaluate(cut(20, weight), metrics="accuracy")
    assert stream["accuracy"] == arrays["accuracy"] == history["val_accuracy"][0]
    assert stream["loss"] == pytest.approx(arrays["loss"], rel=1e-6)
    assert stream["loss"] == history["val_loss"][0]


def test_networks_of_several_inputs_take_chunks_of_dicts():
    left, right = bp.Input(2, name="left"), bp.Input(3, name="right")
    model = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=1)
    x = {"left": np.ones((10, 2)), "right": np.ones((10, 3))}
    history = model.fit(lambda: [(x, np.ones(10))] * 2, loss=bp.MSE(), optimizer=bp.SGD(0.01), progress=False)
    assert history.epochs == 1


def failing(chunk):
    x, y = rows()

    def chunks():
        yield x[:40], y[:40]
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk

    return chunks


# What goes wrong.


@pytest.mark.parametrize(
    ("chunk", "error", "words"),
    [
        (RuntimeError("the disk is gone"), RuntimeError, "the disk is gone"),
        ((np.ones((3, 5)), np.zeros(3, int)), ValueError, "5"),
        ((np.ones((3, 4)), np.array([0, 1, 3])), ValueError, "labels"),
        ((np.full((3, 4), np.nan), np.zeros(3, int)), ValueError, "finite"),
        ((np.ones((3, 4)), np.eye(3)), ValueError, "labels"),
        ((np.ones((3, 4)), np.zeros(3, int), np.ones(3)), ValueError, "sample_weight"),
        (np.ones(3), TypeError, "chunk must be"),
        ((np.ones((3, 4)), "label"), TypeError, "y"),
    ],
)
def test_errors_in_chunks_end_the_fit_and_leave_no_thread(chunk, error, words):
    before = threading.active_count()
    model = network()
    with pytest.raises(error, match=words):
        model.fit(failing(chunk), optimizer=bp.Adam(), batch_size=16, **FIT)
    assert threading.active_count() == before
    assert np.isfinite(model.flat_parameters).all()


@pytest.mark.parametrize("kind", ["stop", "error", "interrupt"])
def test_a_stream_without_end_is_left_behind_by_nobody(kind):
    """The generator is closed, and its thread has ended, when fit returns or throws."""
    closed = []
    x, y = rows()

    def endless():
        try:
            while True:
                yield x, y
        finally:
            closed.append(True)

    class Leave(bp.Callback):
        def on_batch_end(self, trainer, logs):
            if logs["batch"] == 12:
                if kind == "stop":
                    trainer.stop()
                else:
                    raise KeyboardInterrupt if kind == "interrupt" else LookupError

    error = {"stop": None, "error": LookupError, "interrupt": KeyboardInterrupt}[kind]
    before = threading.active_count()
    if error is None:
        network().fit(endless, optimizer=bp.Adam(), callbacks=Leave(), **FIT)
    else:
        with pytest.raises(error):
            network().fit(endless, optimizer=bp.Adam(), callbacks=Leave(), **FIT)
    assert closed == [True]
    assert threading.active_count() == before


def test_divergence_names_the_batch_and_keeps_the_weights():
    model = network()
    chunks = [(rows()[0][:32], rows()[1][:32]), (np.full((8, 4), np.inf), np.zeros(8, int))]
    kept = Weights()
    with pytest.raises(bp.DivergedError) as caught:
        model.fit(chunks, optimizer=bp.Adam(), batch_size=8, shuffle=False, check_finite=False, callbacks=kept, **FIT)
    assert (caught.value.epoch, caught.value.batch, caught.value.layer) == (0, 4, "Dense 0")
    np.testing.assert_array_equal(model.flat_parameters, kept.last)


class Weights(bp.Callback):
    def on_batch_end(self, trainer, logs):
        self.last = trainer.model.flat_parameters.copy()


def test_arguments_are_checked():
    x, y = rows()
    cases = [
        (lambda: bp.Stream([(x, y)]), TypeError, r"\[Stream\] chunks must be a function"),
        (lambda: bp.Stream(cut(5), buffer=0), ValueError, r"\[Stream\] buffer must be positive"),
        (lambda: network().fit(bp.Stream(cut(5)), y, optimizer=bp.Adam(), **FIT), ValueError, r"\[fit\] y must not"),
        (lambda: network().fit(x, optimizer=bp.Adam(), **FIT), TypeError, r"\[fit\] y must be given"),
        (lambda: network().fit(cut(5), sample_weight=x[:, 0], optimizer=bp.Adam(), **FIT), ValueError, "sample_weight"),
        (lambda: network().fit(list, optimizer=bp.Adam(), **FIT), ValueError, "at least one row"),
        (lambda: network().fit(cut(5), validation_split=0.5, optimizer=bp.Adam(), **FIT), ValueError, "needs arrays"),
        (lambda: network().evaluate(list, loss=bp.CrossEntropy()), ValueError, "at least one row"),
    ]
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()


# Groups of batches, streams that are refused.


def test_metrics_and_accumulation_where_chunks_end_within_a_group(rng):
    """The rows of a batch are looked at before the stream is asked for the next chunk."""
    x, y = rng.standard_normal((800, 3)), rng.standard_normal(800)

    def chunks():
        return ((x[at : at + 20], y[at : at + 20]) for at in range(0, 800, 20))

    histories = []
    for data in ((bp.Stream(chunks), None), (x, y)):
        model = bp.Sequential(bp.Dense(1), input_shape=3, seed=0, dtype="float64")
        histories.append(
            model.fit(*data, loss=bp.MSE(), optimizer=bp.SGD(0.01), batch_size=10, accumulate=3, metrics=["mae", "r2"],
                      shuffle=False, epochs=2)
        )  # fmt: skip
    for name, column in histories[0].items():
        np.testing.assert_allclose(column, histories[1][name], rtol=1e-12, err_msg=name)


def test_a_refused_stream_leaves_the_optimizer_free(rng):
    model, adam = bp.Sequential(bp.Dense(3), seed=0), bp.Adam()
    x, y = rng.standard_normal((20, 4)), rng.integers(0, 3, 20)
    with pytest.raises(ValueError, match="labels must be"):
        model.fit(bp.Stream(lambda: [(x, y + 9)]), loss=bp.CrossEntropy(), optimizer=adam)
    model.fit(x, y, loss=bp.CrossEntropy(), optimizer=adam)
    assert adam.steps == 1
