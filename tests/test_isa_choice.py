"""Builds with some instruction sets only: -DBACKPASS_ISAS."""

import json
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).resolve().parent / "cpp" / "kernels"

pytestmark = [
    pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake"),
    pytest.mark.skipif(not KERNELS.is_dir(), reason="the sources are not here"),
]
on_x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names sets of x86-64")


def configure(folder, isas):
    options = ["-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DCMAKE_BUILD_TYPE=Release", f"-DBACKPASS_ISAS={isas}"]
    return subprocess.run(["cmake", "-S", KERNELS, "-B", folder, *options], capture_output=True, text=True)


def compiled(folder):
    """The sets whose kernels are compiled, and those that the list has rows for."""
    commands = json.loads((folder / "compile_commands.json").read_text())
    sources = {match[1] for each in commands if (match := re.search(r"isa_(\w+)\.cc$", each["file"]))}
    (list_of_sets,) = (each["command"] for each in commands if each["file"].endswith("isas.cc"))
    return sources, {name.lower() for name in re.findall(r"-DBACKPASS_ISA_(\w+)", list_of_sets)}


@on_x86
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", {"scalar", "avx2", "avx512", "amx"}),
        ("avx2", {"scalar", "avx2"}),
        ("scalar;avx512", {"scalar", "avx512"}),
        ("amx", {"scalar", "avx512", "amx"}),  # which takes most of its kernels from AVX-512
    ],
)
def test_those_that_are_named_are_compiled_and_scalar(wanted, expected, tmp_path):
    assert configure(tmp_path, wanted).returncode == 0
    assert compiled(tmp_path) == (expected, expected)


def test_an_unknown_name_is_an_error(tmp_path):
    done = configure(tmp_path, "scalar;sse9")
    assert done.returncode != 0
    assert re.search(r'BACKPASS_ISAS: unknown "sse9"; on \S+ there\s+are scalar', done.stderr)


@pytest.mark.slow
def test_a_build_of_one_set_offers_that_one(tmp_path):
    assert configure(tmp_path, "scalar").returncode == 0
    subprocess.run(["cmake", "--build", tmp_path, "--parallel", "2", "--target", "test_kernels"], check=True)
    for wanted, answer in (("", "scalar\n"), ("avx2", '[isa] unknown "avx2"; available: scalar\n')):
        command = [tmp_path / "test_kernels", "environment"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"BACKPASS_ISA": wanted})
        assert run.stdout == answer
