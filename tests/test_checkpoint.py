"""Checkpoints: a killed fit goes on to the same bits; files that do not belong or are damaged change nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from registry import generator


class Kill(bp.Callback):
    """Ends the process, without a word to anybody, after so many batches; counts them across checkpoints."""

    def __init__(self, at=None):
        self.at, self.seen = at, 0

    def on_batch_end(self, trainer, logs):
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def state(self):
        return {"seen": self.seen, "name": "kill", "nothing": None, "part": 0.1, "array": np.arange(3)}

    def load_state(self, state):
        assert (state["name"], state["nothing"], state["part"]) == ("kill", None, 0.1)
        np.testing.assert_array_equal(state["array"], np.arange(3))
        self.seen = state["seen"]


def rows():
    rng = generator("checkpoint")
    x = rng.standard_normal((53, 4)).astype(np.float32)
    return x, rng.integers(0, 3, 53)


def chunks():
    x, y = rows()
    for begin in range(0, 53, 12):
        yield x[begin : begin + 12], y[begin : begin + 12]


def network(seed=1):
    return bp.Sequential(bp.Dense(8), bp.BatchNorm(), bp.ReLU(), bp.Dropout(0.3), bp.Dense(3), input_shape=4, seed=seed)


def train(path, kind="arrays", kill_at=None, epochs=4, seed=1, **options):
    """A fit with everything that has a state; goes on where the file is."""
    x, y = rows()
    kill = Kill(kill_at)
    stopping = bp.EarlyStopping(monitor="val_loss", patience=2)
    saver = bp.Checkpoint(path, every_batches=2, keep_best="val_accuracy")
    data = (bp.Stream(chunks, buffer=2),) if kind == "stream" else (x, y)
    if kind == "augment":
        options = {"augment": [bp.augment.noise(0.1), bp.augment.mixup(0.4, 3)], "accumulate": 2, **options}
    model, optimizer = network(seed), bp.Adam(0.05, amsgrad=True, clip_norm=1.0)
    fit = {"loss": bp.CrossEntropy(), "optimizer": optimizer, "progress": False}
    history = model.fit(*data, epochs=epochs, batch_size=8, validation_data=(x[:20], y[:20]), metrics="accuracy",
                        callbacks=[stopping, kill, bp.EMA(0.9), bp.ReduceOnPlateau(patience=0), saver], resume=path,
                        **fit, **options)  # fmt: skip
    return model, optimizer, history, (stopping.best, stopping.best_epoch, kill.seen, saver.best)


def assert_same(ours, theirs):
    for (model, optimizer, history, callbacks), other in [(ours, theirs)]:
        np.testing.assert_array_equal(model.flat_parameters, other[0].flat_parameters)
        x, y = rows()
        np.testing.assert_array_equal(model.predict(x), other[0].predict(x))  # running statistics too
        assert history == other[2]
        assert callbacks == other[3]
        for each in (model, other[0]):  # the optimizer's state and the random counters show in what follows
            each.fit(x, y, loss=bp.CrossEntropy(), optimizer=optimizer if each is model else other[1], progress=False)
        np.testing.assert_array_equal(model.flat_parameters, other[0].flat_parameters)


def killed(path, kind, at):
    """Trains in a process that is killed after so many batches."""
    code = f"import test_checkpoint; test_checkpoint.train({str(path)!r}, {kind!r}, {at})"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(("kind", "moments"), [("arrays", (5, 18)), ("stream", (10,)), ("augment", (11,))])
def test_a_killed_fit_goes_on_to_the_same_bits(kind, moments, tmp_path):
    path = tmp_path / "fit.safetensors"
    for at in moments:
        killed(path, kind, at)
    assert not list(tmp_path.glob("*.tmp"))
    assert_same(train(path, kind), train(tmp_path / "other.safetensors", kind))
    best = bp.load(tmp_path / "fit.best.safetensors")
    np.testing.assert_array_equal(best.flat_parameters, bp.load(tmp_path / "other.best.safetensors").flat_parameters)


def test_a_kill_while_writing_leaves_a_readable_file(tmp_path):
    """Whenever it comes: the file is absent, or a whole checkpoint."""
    path = tmp_path / "fit.safetensors"
    code = (
        "import test_checkpoint as t, backpass as bp; x, y = t.rows(); print('ready', flush=True); "
        "t.network().fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), epochs=10**6, batch_size=8, "
        f"progress=False, callbacks=bp.Checkpoint({str(path)!r}, every_batches=1))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        while not path.exists() and child.poll() is None:
            pass
        child.kill()
    x, y = rows()
    history = network().fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), epochs=0, batch_size=8,
                            progress=False, callbacks=bp.Checkpoint(tmp_path / "next"), resume=path)  # fmt: skip
    assert len(history["loss"]) >= 0


def test_a_finished_fit_gives_its_result_and_may_be_continued(tmp_path):
    whole = train(tmp_path / "whole.safetensors", epochs=3)
    first = train(tmp_path / "parts.safetensors", epochs=1)
    again = train(tmp_path / "parts.safetensors", epochs=1)
    assert first[2] == again[2]
    assert_same(train(tmp_path / "parts.safetensors", epochs=3), whole)


def test_a_stopped_fit_stays_stopped(tmp_path):
    class Stop(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            trainer.stop()

    def run():
        x, y = rows()
        return network().fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(), epochs=5, progress=False,
                             callbacks=[Stop(), bp.Checkpoint(path)], resume=path)  # fmt: skip

    path = tmp_path / "fit.safetensors"
    assert run() == run()
    assert run().epochs == 1


def test_a_model_with_another_seed_goes_on_with_the_seed_of_the_file(tmp_path):
    train(tmp_path / "fit.safetensors", epochs=2)
    model, *_ = train(tmp_path / "fit.safetensors", epochs=3, seed=99)
    assert model.seed == 1
    np.testing.assert_array_equal(
        model.flat_parameters, train(tmp_path / "other.safetensors", epochs=3)[0].flat_parameters
    )


def resume(path, **changes):
    """A fit that goes on from a file of `train`, with something else."""
    x, y = rows()
    model = changes.pop("model", None) or network()
    before = model.flat_parameters.copy()
    optimizer = changes.pop("optimizer", None) or bp.Adam(0.05, amsgrad=True, clip_norm=1.0)
    arguments = {"x": x, "y": y, "batch_size": 8, "validation_data": (x[:20], y[:20]), "metrics": "accuracy"}
    arguments["callbacks"] = [
        bp.EarlyStopping(),
        Kill(),
        bp.EMA(0.9),
        bp.ReduceOnPlateau(patience=0),
        bp.Checkpoint(path.with_name("next")),
    ]
    with pytest.raises(ValueError, match=r"^\[") as caught:
        model.fit(loss=bp.CrossEntropy(), optimizer=optimizer, epochs=3, progress=False, resume=path,
                  **{**arguments, **changes})  # fmt: skip
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert optimizer._native.steps == 0
    return str(caught.value)


def test_what_does_not_belong_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "fit.safetensors"
    train(path, epochs=2)
    x, y = rows()
    assert "batch_size" in resume(path, batch_size=9)
    assert "shuffle" in resume(path, shuffle=False)
    assert "accumulate" in resume(path, accumulate=2)
    assert "seed" in resume(path, seed=5)
    assert "x was" in resume(path, x=x + 1)
    assert "y was" in resume(path, y=(y + 1) % 3)
    assert "columns" in resume(path, metrics=())
    assert "callbacks" in resume(path, callbacks=[])
    assert "optimizer" in resume(path, optimizer=bp.SGD(0.1))
    assert "optimizer" in resume(path, optimizer=bp.Adam(0.05, betas=(0.8, 0.999), amsgrad=True))
    assert "network" in resume(path, model=bp.Sequential(bp.Dense(3), input_shape=4, seed=1))


def test_damaged_files_are_errors_that_change_nothing(tmp_path):
    path = tmp_path / "fit.safetensors"
    train(path, epochs=1)
    whole = path.read_bytes()
    model = tmp_path / "model.safetensors"
    network().save(model)
    header = whole.index(b"}", 2000)
    cases = [b"", whole[:7], whole[:100], whole[:-1], whole + b"x", model.read_bytes(), b"\xff" * 64]
    cases += [
        whole.replace(b'\\"batch\\":0', b'\\"batch\\":-', 1),
        whole.replace(b'\\"epoch\\":1', b'\\"epoch\\":7', 1),
    ]
    cases += [
        whole[:header] + b"?" + whole[header + 1 :],
        whole.replace(b"backpass checkpoint", b"backpass checkpoinT"),
    ]
    for case in cases:
        assert case != whole
        path.write_bytes(case)
        resume(path)


def test_a_file_that_cannot_be_written_is_refused_before_the_first_step(tmp_path):
    for path in (tmp_path / "nowhere" / "fit.safetensors", tmp_path):
        model = network()
        before = model.flat_parameters.copy()
        with pytest.raises(ValueError, match=r"^\[Checkpoint\] path must be a file in a folder that can be written to"):
            model.fit(*rows(), loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), callbacks=bp.Checkpoint(path))
        np.testing.assert_array_equal(model.flat_parameters, before)


def test_arguments_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"\[Checkpoint\] every_batches must be positive"):
        bp.Checkpoint(tmp_path / "f", every_batches=0)
    with pytest.raises(ValueError, match=r"\[Checkpoint\] every_seconds must be"):
        bp.Checkpoint(tmp_path / "f", every_seconds=float("inf"))
    with pytest.raises(ValueError, match=r"\[Checkpoint\] keep_best 'val_loss' needs validation data"):
        network().fit(*rows(), loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), progress=False,
                      callbacks=bp.Checkpoint(tmp_path / "f", keep_best="val_loss"))  # fmt: skip
    with pytest.raises(ValueError, match="one Checkpoint"):
        network().fit(*rows(), loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), progress=False,
                      callbacks=[bp.Checkpoint(tmp_path / "f"), bp.Checkpoint(tmp_path / "g")])  # fmt: skip


def test_by_the_clock(tmp_path):
    """Every batch is later than 1e-9 seconds after the last file; looking at the clock is the only limit."""
    path = tmp_path / "fit.safetensors"
    saver = bp.Checkpoint(path, every_epochs=None, every_seconds=1e-9)
    network().fit(*rows(), loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), progress=False, callbacks=saver)
    assert path.exists()  # at the end at the latest


def test_a_diverged_fit_leaves_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "fit.safetensors"
    x, y = rows()
    x = np.vstack([x, np.full((8, 4), np.nan)])
    y = np.append(y, [0] * 8)
    model = bp.Sequential(bp.Dense(3), input_shape=4, seed=1)
    with pytest.raises(bp.DivergedError) as caught:
        model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), batch_size=8, shuffle=False, progress=False,
                  check_finite=False, callbacks=bp.Checkpoint(path, every_batches=1))  # fmt: skip
    assert caught.value.batch == 6
    again = bp.Sequential(bp.Dense(3), input_shape=4, seed=2)
    with pytest.raises(bp.DivergedError) as caught:
        again.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), batch_size=8, shuffle=False, progress=False,
                  check_finite=False, callbacks=bp.Checkpoint(path), resume=path)  # fmt: skip
    assert caught.value.batch == 6
    np.testing.assert_array_equal(model.flat_parameters, again.flat_parameters)
