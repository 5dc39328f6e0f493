"""What a fit shows of its progress, on terminals of some widths and elsewhere."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

import backpass as bp

FIT = """
import sys, numpy as np, backpass as bp
rng = np.random.default_rng(0)
x, y = rng.standard_normal((64, 4)), rng.integers(0, 3, 64)
model = bp.Sequential(bp.Dense(3), seed=0)
{before}
history = model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), epochs=3, validation_split=0.25,
                    metrics=["accuracy", "f1", "log_loss", "balanced_accuracy"], progress={progress!r})
print(len(history["loss"]))
"""
COLUMNS = ["loss", "accuracy", "f1", "log_loss", "balanced_accuracy"]
NUMBERS = [*COLUMNS, *(f"val_{name}" for name in COLUMNS), "learning_rate"]


def on_terminal(columns, progress="auto"):
    """What a fit writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    code = FIT.format(before="", progress=progress)
    done = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert done.communicate()[0] == "3\n"
    return shown.decode()


def lines_left(shown):
    """What is to be read at the end: a carriage return begins a line again."""
    return [line.rsplit("\r", 1)[-1] for line in shown.replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("columns", [80, 40, 200, 0])
def test_a_terminal_keeps_the_whole_line_of_the_last_epoch(columns):
    left = lines_left(on_terminal(columns))
    assert all(len(line) < (columns or 80) for line in left)
    text = " ".join(line.strip() for line in left)
    assert text.startswith("epoch 3/3: loss=")
    assert all(f" {name}=" in text for name in NUMBERS)
    assert text.rstrip().endswith(" s)")


def test_a_terminal_shows_a_bar_while_it_goes():
    shown = on_terminal(80)
    assert "%|" in shown
    assert "rows/s" in shown


@pytest.mark.parametrize("progress", [True, "auto"])
def test_a_file_gets_a_line_for_each_epoch_where_asked(model, data, capsys, progress):
    history = model.fit(*data, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), epochs=3, progress=progress)
    lines = capsys.readouterr().err.splitlines()
    if progress == "auto":
        assert lines == []
        return
    assert [line.split(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert lines[-1] == f"epoch 3/3: loss={history['loss'][-1]:.4g}, learning_rate=0.1"


@pytest.mark.parametrize("progress", [True, "auto"])
@pytest.mark.parametrize("both", [False, True])
def test_a_program_without_stderr_trains_all_the_same(progress, both):
    gone = "out, sys.stderr = sys.stdout, None\n" + ("sys.stdout = None" if both else "")
    code = (
        FIT.format(before=gone, progress=progress)
        .replace("print(len", "print(file=out, *[len")
        .replace('["loss"]))', '["loss"])])')
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("3\n", "")


@pytest.mark.parametrize("progress", [True, "auto"])
def test_a_closed_stderr_trains_all_the_same(progress):
    code = FIT.format(before="sys.stderr.close()", progress=progress)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("3\n", "")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_pipe_that_nobody_reads_ends_no_training(terminal):
    """The bar is written to it where it claims to be a terminal."""
    gone = "import os\nours, theirs = os.pipe()\nos.close(ours)\nsys.stderr = os.fdopen(theirs, 'w', 1)\n"
    gone += "sys.stderr.isatty = lambda: True" if terminal else ""
    code = FIT.format(before=gone, progress=True) + "os._exit(0)\n"
    done = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("3\n", "")
