"""The command line, as a person would use it."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import backpass as bp
from backpass.tools._digits import folds


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "backpass", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, run("train", cwd=folder)


@pytest.mark.row("G1")
def test_train_without_arguments_does_the_whole_job(trained):
    folder, result = trained
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    for words in ("Dense", "parameters, float32", "val_accuracy", "held-out accuracy", "Where it went wrong"):
        assert words in result.stdout
    assert (folder / "digits.safetensors").is_file()


def test_train_draws_a_picture(trained):
    pytest.importorskip("matplotlib")
    folder, result = trained
    picture = (folder / "digits.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000
    assert "digits.png" in result.stdout


@pytest.mark.row("D12")
def test_the_trained_model_predicts_what_was_reported(trained):
    folder, result = trained
    x, y = bp.datasets.load_digits()
    fold = int(re.search(r"^model .*, of fold (\d)$", result.stdout, re.M)[1])
    test = folds(y, seed=0)[fold - 1]
    right = np.mean(bp.load(folder / "digits.safetensors").predict(x[test]).argmax(axis=1) == y[test])
    accuracies = re.findall(r"^fold \d of 5: ([\d.]+%) of \d+ held-out digits right$", result.stdout, re.M)
    assert accuracies[fold - 1] == f"{right:.2%}"
    assert accuracies[fold - 1] == sorted(accuracies, key=lambda text: float(text[:-1]))[2]


def test_options_are_honoured(tmp_path):
    options = ["--epochs", "2", "--hidden", "16", "8", "--seed", "3", "--out", "small.safetensors", "--no-picture"]
    result = run("train", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["small.safetensors"]
    shapes = [value.shape for value in bp.load(tmp_path / "small.safetensors").parameters().values()]
    assert shapes == [(16, 64), (16,), (8, 16), (8,), (10, 8), (10,)]


def test_the_same_seed_gives_the_same_file(tmp_path):
    for name, threads in (("a", "1"), ("b", "2")):
        options = ("--epochs", "1", "--no-picture", "--threads", threads)
        run("train", *options, "--out", f"{name}.safetensors", cwd=tmp_path)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--epochs", "0"], "--epochs: must be from 1 to 2147483647, got 0"),
        (["train", "--threads", str(2**40)], "--threads: must be from 1 to"),
        (["train", "--seed", "-1"], "--seed: must be from 0 to"),
        (["train", "--hidden", "ten"], "--hidden"),
        (["train", "--dropout", "1.5"], "--dropout: must be at least 0 and below 1, got 1.5"),
        (["train", "--learning-rate", "nan"], "--learning-rate: must be positive and finite, got nan"),
        (["train", "--out", "."], "--out must name a file, and . is a folder"),
        (["train", "--out", "digits.png"], "name the model digits.safetensors"),
        (["train", "--out", "no/such/folder/model.safetensors"], "no folder"),
        (["fly"], "fly"),
        ([], "command"),
    ],
)
def test_mistakes_are_explained_in_a_line(tmp_path, arguments, words):
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert [*tmp_path.iterdir()] == []
    assert "Dense" not in result.stdout  # before anything is trained


def test_a_picture_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "digits.png").mkdir()
    result = run("train", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "backpass: digits.png cannot be written\n")


def test_a_model_may_be_named_like_a_picture_where_there_is_none(tmp_path):
    result = run("train", "--epochs", "1", "--out", "digits.png", "--no-picture", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert bp.load(tmp_path / "digits.png").n_parameters > 0


@pytest.mark.parametrize("arguments", [("info",), ("train", "--epochs", "1", "--no-picture")])
def test_a_reader_that_goes_away_is_no_error_to_tell_of(tmp_path, arguments):
    command = [sys.executable, "-m", "backpass", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_the_version_is_told(tmp_path):
    result = run("--version", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"backpass {bp.__version__}\n")


def test_a_run_without_a_gradient_is_drawn_in_silence(tmp_path):
    """Units that are all dead have gradients of 0, which have no logarithm."""
    pytest.importorskip("matplotlib")
    result = run("train", "--epochs", "2", "--learning-rate", "1e9", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "positive" not in result.stderr
    assert (tmp_path / "digits.png").is_file()


def test_info_tells_versions_and_machine(tmp_path):
    result = run("info", cwd=tmp_path, OMP_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr
    for words in (bp.__version__, np.__version__, bp.isa(), "threads   1 ", bp.get_include()):
        assert words in result.stdout


def test_an_unknown_isa_in_the_environment_is_an_error_that_lists_them(tmp_path):
    result = run("info", cwd=tmp_path, BACKPASS_ISA="mmx")
    assert result.returncode != 0
    assert "mmx" in result.stderr
    assert "scalar" in result.stderr
