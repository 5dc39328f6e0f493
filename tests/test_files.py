"""Files as Python sees them: names, errors, damaged states of callbacks, and what loading costs."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import backpass as bp

NAMES = {"long": "n" * 255, "not UTF-8": os.fsdecode(b"\xff\xfe"), "odd": "\u20ac \n*", "bytes": b"bytes \xff"}


def small():
    return bp.Sequential(bp.Dense(2), input_shape=3, seed=1)


@pytest.mark.parametrize("kind", NAMES)
def test_any_name_will_do(kind, tmp_path):
    name = NAMES[kind]
    path = os.path.join(os.fsencode(tmp_path) if isinstance(name, bytes) else str(tmp_path), name)
    model = small()
    model.save(path)
    model.save(path)
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]
    np.testing.assert_array_equal(bp.load(path).flat_parameters, model.flat_parameters)
    other = bp.Sequential(bp.Dense(2), input_shape=3, seed=2)
    other.load_weights(path)
    np.testing.assert_array_equal(other.flat_parameters, model.flat_parameters)


BAD_PATHS = {"NUL": ("a\0b", ValueError), "surrogate": ("\ud800", ValueError), "None": (None, TypeError),
             "number": (3, TypeError)}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_PATHS)
def test_what_is_no_path_is_refused(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, error = BAD_PATHS[kind]
    model = small()
    model.save("a")
    before = (tmp_path / "a").read_bytes()
    for call, name in ((model.save, "save"), (bp.load, "load"), (bp.Checkpoint, "Checkpoint")):
        with pytest.raises(error, match=rf"^\[{name}\] path must"):
            call(path)
    if kind != "None":
        with pytest.raises(error, match=r"^\[resume\] path must"):
            fit(small(), resume=path)
    assert os.listdir() == ["a"]
    assert (tmp_path / "a").read_bytes() == before


def test_errors_are_those_of_files(tmp_path):
    model = small()
    with pytest.raises(FileNotFoundError) as caught:
        model.save(tmp_path / "nowhere" / "a")
    assert caught.value.filename == str(tmp_path / "nowhere" / "a")
    with pytest.raises(IsADirectoryError):
        model.save(tmp_path)
    with pytest.raises(IsADirectoryError):
        bp.load(tmp_path)
    model.save(tmp_path / "a")
    (tmp_path / "a").chmod(0o444)
    with pytest.raises(PermissionError):
        model.save(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="not a regular file"):
            bp.load(path)
        with pytest.raises(OSError, match="not a regular file"):
            model.load_weights(path)
        with pytest.raises(OSError, match="not a regular file"):
            fit(small(), resume=path)
    with pytest.raises(OSError, match="not a regular file"):
        model.save("/dev/null")


def fit(model, **options):
    x = np.eye(3, dtype=np.float32)
    return model.fit(x, x[:, :2], loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False, **options)


def test_checkpoints_that_could_not_be_written_are_refused_before_the_first_step(tmp_path):
    (tmp_path / "read-only").write_bytes(b"")
    (tmp_path / "read-only").chmod(0o444)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere/a")
    savers = [bp.Checkpoint(tmp_path / name) for name in ("read-only", "pipe", "link", "n" * 256)]
    savers.append(bp.Checkpoint(tmp_path / ("n" * 253), keep_best="loss"))  # the best one's name is longer
    for saver in savers:
        model = small()
        before = model.flat_parameters.copy()
        with pytest.raises(ValueError, match=r"^\[Checkpoint\] path must be a file in a folder"):
            fit(model, callbacks=saver)
        np.testing.assert_array_equal(model.flat_parameters, before)


def test_damaged_states_of_callbacks_are_errors_of_the_file(tmp_path):
    path = tmp_path / "fit"

    def run(epochs):
        callbacks = [bp.Checkpoint(path, keep_best="loss"), bp.EMA(0.9), bp.EarlyStopping("loss", restore_best=False)]
        return fit(small(), epochs=epochs, callbacks=callbacks, resume=path)

    run(1)
    whole = path.read_bytes()
    changes = {
        '"best": ': '"bost": ',
        '"updates": ': '"updatez": ',
        '"seen": ': '"seem": ',
        '"type": "EMA"': '"type": 1234567',  # as long, with its quotation marks escaped
    }
    for old, new in changes.items():
        quoted = [json.dumps(text)[1:-1].encode() for text in (old, new)]
        assert quoted[0] in whole
        path.write_bytes(whole.replace(*quoted))
        with pytest.raises(ValueError, match=r"^\[resume\]"):
            run(2)
    path.write_bytes(whole)
    assert run(2).epochs == 2


def test_nested_residuals_are_saved_and_loaded(tmp_path):
    def nest(depth):
        layer = bp.Residual(bp.Dense(3))
        for _ in range(depth - 1):
            layer = bp.Residual(layer)
        return bp.Sequential(layer, input_shape=3, seed=1)

    model = nest(40)
    model.save(tmp_path / "model")
    x = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(bp.load(tmp_path / "model").predict(x), model.predict(x))
    too_deep = nest(200)
    with pytest.raises(ValueError, match=r"^\[model\] cannot be saved, for it could not be loaded again"):
        too_deep.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_graph_of_many_layers_loads_in_a_moment(tmp_path):
    """Squares of 8,000 would take a minute."""
    model = bp.Sequential(*(bp.ReLU() for _ in range(8000)), input_shape=2, seed=1)
    model.save(tmp_path / "model")
    begin = time.perf_counter()
    again = bp.load(tmp_path / "model")
    assert time.perf_counter() - begin < 20
    assert len(again.layers) == 8000


COST = """
import pathlib, sys, backpass as bp
def peak(): return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
pathlib.Path("/proc/self/clear_refs").write_text("5")  # from now on, not of the process that made this one
before = peak()
model = bp.load(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_loading_takes_a_small_multiple_of_the_file(kind, tmp_path):
    """Of weights the file and the model; of JSON the text, as it is read, and the numbers in it."""
    x = bp.Input(1 << 20)
    if kind == "weights":
        model = bp.Network(x, bp.Dense(8)(x), seed=1)
    else:
        model = bp.Network(x, x + bp.constant(np.arange(1 << 20) + 0.5, (1 << 20,)))
    model.save(tmp_path / "model")
    size = (tmp_path / "model").stat().st_size
    done = subprocess.run([sys.executable, "-c", COST, tmp_path / "model"], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4 * size + 30e6
