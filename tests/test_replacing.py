"""What is written replaces a file as a whole, or leaves it as it was."""

import os
import subprocess
import sys

import pytest

from backpass._replacing import replacing


def test_a_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with replacing(path) as whole, open(whole, "w") as file:
        file.write("new")
        assert path.read_text() == "old"
        assert whole.endswith(".csv")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_after_an_error_it_is_what_it_was(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="full"):
        _write_half(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def _write_half(path):
    with replacing(path) as whole, open(whole, "w") as file:
        file.write("ne")
        raise OSError("the disk is full")


def test_links_are_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with replacing(tmp_path / "link") as whole, open(whole, "w") as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout"])
def test_a_device_is_written_directly(path):
    code = "import sys; from backpass._replacing import replacing\nwith replacing(sys.argv[1]) as w: print(w)"
    said = subprocess.run([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said.strip() == path


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder.*missing"), replacing(tmp_path / "missing" / "x"):
        pass
