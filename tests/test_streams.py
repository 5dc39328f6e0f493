"""Rows that come in chunks: the same training as on arrays, in bounded memory, with nothing left behind."""

import os
import subprocess
import sys
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


# What goes wrong.


def failing(chunk):
    x, y = rows()

    def chunks():
        yield x[:40], y[:40]
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk

    return chunks


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


# Files.


def table(n=200):
    pyarrow = pytest.importorskip("pyarrow")
    x, y = rows(n)
    columns = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2].astype(np.float64), "d": x[:, 3], "kind": y}
    lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(x.ravel()), 4)
    return pyarrow.table({**columns, "weight": np.ones(n), "all": lists, "name": ["x"] * n})


def readers(folder):
    """The same rows from every kind of file."""
    import pyarrow.dataset
    import pyarrow.feather
    import pyarrow.parquet

    whole = table()
    pyarrow.parquet.write_table(whole, folder / "rows.parquet", row_group_size=64)
    pyarrow.parquet.write_table(whole.slice(0, 90), folder / "1.parquet")
    pyarrow.parquet.write_table(whole.slice(90), folder / "2.parquet")
    pyarrow.feather.write_feather(whole, folder / "rows.feather")
    letters = {"x": ["a", "b", "c", "d"], "y": "kind", "batch_rows": 50}
    return [
        bp.parquet(folder / "rows.parquet", **letters),
        bp.parquet([folder / "1.parquet", folder / "2.parquet"], **letters),
        bp.parquet(folder / "rows.parquet", x="all", y="kind", sample_weight="weight"),
        bp.arrow_file(folder / "rows.feather", **letters),
        bp.arrow_dataset(pyarrow.dataset.dataset(whole), **letters),
    ]


def test_arrow_files_give_the_rows_of_the_table(tmp_path):
    x, y = rows(200)
    theirs = network(0.0)
    pytest.importorskip("pyarrow")
    theirs.fit(x, y, optimizer=bp.Adam(), shuffle=False, **FIT)
    for reader in readers(tmp_path):
        ours = network(0.0)
        ours.fit(reader, optimizer=bp.Adam(), shuffle=False, **FIT)
        np.testing.assert_allclose(ours.flat_parameters, theirs.flat_parameters, rtol=1e-6, atol=1e-7)


def test_columns_that_do_not_fit_are_errors(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(table(), tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"\[arrow\] column must be one of a, b.*got 'z'"):
        bp.parquet(tmp_path / "rows.parquet", x="z", y="kind")
    with pytest.raises(TypeError, match="x must be an array of real numbers"):
        network().fit(bp.parquet(tmp_path / "rows.parquet", x="name", y="kind"), optimizer=bp.Adam(), **FIT)
    with pytest.raises(FileNotFoundError):
        bp.parquet(tmp_path / "none.parquet", x="a", y="kind")


def test_without_pyarrow_the_error_names_the_extra():
    code = "import sys; sys.modules['pyarrow'] = None; import backpass as bp; bp.parquet('f', x='a', y='b')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "backpass[arrow]"' in done.stderr


# Memory. A process of its own tells how much it has grown while it trained.

GROWTH = """
import resource, sys, numpy as np, backpass as bp
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
model = bp.Sequential(bp.Dense(1), input_shape=128, seed=1)
fit = dict(loss=bp.MSE(), optimizer=bp.SGD(1e-4), batch_size=1000, progress=False)
def train(path, small):
{body}
train(sys.argv[2], True)
before = peak()
train(sys.argv[1], False)
print(peak() - before)
"""


def growth(body, large, small):
    code = GROWTH.format(body=body)
    done = subprocess.run([sys.executable, "-c", code, large, small], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages as Linux does")
def test_memory_stays_flat_for_a_file_that_is_larger(tmp_path):
    """130 MB of rows, read in chunks of 5 MB."""
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    for name, groups in (("large", 26), ("small", 10)):
        x = np.ones((10_000, 128), np.float32)
        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(x.ravel()), 128)
        part = pyarrow.table({"x": lists, "y": np.ones(10_000, np.float32)})
        with pyarrow.parquet.ParquetWriter(
            tmp_path / name, part.schema, compression="none", use_dictionary=False
        ) as out:
            for _ in range(groups):
                out.write_table(part)
    assert os.path.getsize(tmp_path / "large") > 120e6
    body = "    model.fit(bp.parquet(path, x='x', y='y', batch_rows=10_000), **fit)"
    assert growth(body, tmp_path / "large", tmp_path / "small") < 40


@pytest.mark.row("X4")
@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages as Linux does")
def test_memory_mapped_arrays_are_read_in_place(tmp_path):
    """Pages of the file that were looked at count as resident; what is ours does not grow."""
    for name, n in (("large.npy", 200_000), ("small.npy", 1000)):
        np.lib.format.open_memmap(tmp_path / name, "w+", np.float32, (n, 128))[:] = 1
    body = (
        "    x = np.load(path, mmap_mode='r')\n"
        "    own = lambda: int(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('RssAnon')))\n"
        "    before = own(); model.fit(x, np.ones(len(x), np.float32), **fit)\n"
        "    assert small or own() - before < 20_000, own() - before"
    )
    growth(body, tmp_path / "large.npy", tmp_path / "small.npy")


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


@pytest.mark.parametrize("fixed", [False, True])
def test_lists_that_would_move_rows_are_refused(fixed):
    pyarrow = pytest.importorskip("pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset")

    broken = [[[1.0, 2.0], None, [3.0, 4.0]]] if fixed else [[[1.0], [2.0, 3.0, 4.0]], [[1.0, 2.0], None], [None]]
    for lists in broken:
        column = pyarrow.array(lists, pyarrow.list_(pyarrow.float64(), 2 if fixed else -1))
        data = dataset.dataset(pyarrow.table({"x": column, "y": np.zeros(len(lists))}))
        with pytest.raises(ValueError, match=r"^\[arrow\] lists in column 'x' must be of one length, got lengths"):
            list(bp.arrow_dataset(data, x="x", y="y").chunks())


def test_lists_of_a_slice_and_after_a_filter_are_its_own():
    pyarrow = pytest.importorskip("pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset")

    for kind in (
        pyarrow.list_(pyarrow.int64()),
        pyarrow.large_list(pyarrow.int64()),
        pyarrow.list_(pyarrow.int64(), 2),
    ):
        column = pyarrow.array([[2 * i, 2 * i + 1] for i in range(6)], kind)
        data = dataset.dataset(pyarrow.table({"x": column, "y": np.arange(6.0)}).slice(1, 4))
        (x, y, _), *rest = bp.arrow_dataset(data.filter(dataset.field("y") > 1), x="x", y="y").chunks()
        assert (x.tolist(), y.tolist(), rest) == ([[4, 5], [6, 7], [8, 9]], [2, 3, 4], [])
        assert not list(bp.arrow_dataset(data.filter(dataset.field("y") > 9), x="x", y="y").chunks())


def test_columns_of_structs_and_of_lists_of_lists_are_refused():
    pyarrow = pytest.importorskip("pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset")

    for column in ([{"a": 1.0, "b": 2.0}], [[[1.0]]]):
        data = dataset.dataset(pyarrow.table({"x": column, "y": [0.0]}))
        with pytest.raises(TypeError, match=r"^\[arrow\] column 'x' must hold numbers or lists of numbers, got"):
            list(bp.arrow_dataset(data, x="x", y="y").chunks())
