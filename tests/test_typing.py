"""What type checkers see of the installed package: every public name with its own type, and mistakes in calls."""

import subprocess
import sys

import pytest

import backpass as bp

pytest.importorskip("mypy")

NAMES = [name for name in bp.__all__ if not name.startswith("__")]
GOOD = """
import numpy as np
import backpass as bp

class Watcher(bp.Callback):
    def on_epoch_end(self, trainer: bp.Trainer, logs: dict[str, float]) -> None:
        trainer.stop()

x, y = np.zeros((4, 3)), np.zeros((4, 1))
model = bp.Sequential(bp.Dense(3, activation="relu"), bp.Residual("relu", bp.Dense(3)), bp.LeakyReLU(0.1), bp.Dense(1))
schedule = bp.MultiStepDecay([2, 3], per="epoch")
optimizer = bp.Adam(0.1, betas=(0.9, 0.99), clip_norm=1.0, schedule=schedule, groups=[bp.Group("*", weight_decay=0.1)])
history = model.fit(x, y, loss=bp.Huber(2), optimizer=optimizer, epochs=1, callbacks=[bp.EMA(0.9), Watcher()])
trainer = bp.Trainer(model, "mse", bp.LBFGS(history_size=3), threads=2)
found: list[float] = [trainer.step(x, y), trainer.evaluate(x, y)["loss"], history["loss"][0]]
"""
BAD = {
    "bp.Dens(3)": "no attribute|attr-defined",
    "bp.Dense(3, activation=4)": "incompatible type",
    "bp.Residual(3)": "incompatible type",
    'bp.LeakyReLU("x")': "incompatible type",
    "bp.ReLU(3)": "Too many arguments",
    "bp.BatchNorm(epsilon=1e-3)": "Unexpected keyword",
    'bp.Huber("x")': "incompatible type",
    "bp.CrossEntropy(smoothing=0.1)": "Unexpected keyword",
    "bp.Adam(lr=0.1)": "Unexpected keyword",
    "bp.SGD(0.1, clip=1.0)": "Unexpected keyword",
    'bp.StepDecay("x")': "incompatible type",
    "bp.MultiStepDecay(3)": "incompatible type",
    "bp.MultiStepDecay(None)": "incompatible type",
    'bp.relu("x")': "incompatible type",
    'bp.EarlyStopping(patience="3")': "incompatible type",
    'bp.set_threads("x")': "incompatible type",
}


def checked(tmp_path, program):
    file = tmp_path / "program.py"
    file.write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--hide-error-context", "--no-error-summary"]
    run = subprocess.run(
        [*command, "--cache-dir", tmp_path, "--config-file=", file], capture_output=True, text=True, cwd=tmp_path
    )
    lines = [line.removeprefix("program.py:").split(": ", 1) for line in run.stdout.splitlines()]
    assert all(number.isdigit() for number, _ in lines), run.stdout
    return [(int(number), told) for number, told in lines if not told.startswith("note: See")]


def test_type_checkers_know_all_public_names_and_refuse_wrong_calls(tmp_path):
    """One run: most of its time goes into NumPy's types."""
    seen = [f"reveal_type(bp.{name})" for name in NAMES]
    starred = [f"reveal_type({name})" for name in NAMES]
    imported = [f"from backpass import {name} as own_{name}" for name in NAMES]
    good = GOOD.strip().splitlines()
    program = [*good, *seen, *imported, "from backpass import *", *starred, *BAD]
    told = checked(tmp_path, "\n".join(program))
    notes = {program[number - 1]: text for number, text in told if text.startswith("note: Revealed")}
    errors = {program[number - 1]: text for number, text in told if text.startswith("error")}
    assert set(notes) == {*seen, *starred}
    assert [line for line, text in notes.items() if '"Any"' in text] == []
    assert set(errors) == set(BAD)
    for line, text in BAD.items():
        assert any(part in errors[line] for part in text.split("|")), (line, errors[line])
