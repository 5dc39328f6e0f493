"""Completion in shells: what bash offers where, and that zsh is told the same."""

import shutil
import subprocess

import pytest

from backpass.tools import _cli
from backpass.tools._completion import completion


def offered(*words):
    script = completion("bash", _cli.parser())
    line = (
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _backpass; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    run = subprocess.run(["bash", "-c", f"{script}\n{line}"], capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_offers_what_fits():
    assert offered("backpass", "tr") == ["train"]
    assert set(offered("backpass", "''")) >= {"train", "predict", "evaluate", "inspect", "export", "completion"}
    assert offered("backpass", "train", "--pre") == ["--preset"]
    assert offered("backpass", "train", "--preset", "''") == ["mlp", "tabm", "realmlp"]
    assert offered("backpass", "train", "flats.csv", "--task", "reg") == ["regression"]
    assert offered("backpass", "export", "--to", "n") == ["numpy"]
    assert offered("backpass", "completion", "z") == ["zsh"]
    assert offered("backpass", "train", "fl") == []  # files, which the shell itself knows
    assert offered("backpass", "predict", "--int") == ["--interval"]


def test_zsh_is_told_the_same():
    script = completion("zsh", _cli.parser())
    assert script.startswith("#compdef backpass\n")
    assert '"train --preset") offered="mlp tabm realmlp" ;;' in script
    assert "--interval" in script
    if zsh := shutil.which("zsh"):
        subprocess.run([zsh, "-n", "-c", script], check=True)


def test_the_command_prints_it(capsys):
    assert _cli.main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == completion("bash", _cli.parser())
    with pytest.raises(SystemExit):
        _cli.main(["completion", "fish"])
