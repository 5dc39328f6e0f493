"""Code compiled for one instruction set exports its table alone, and includes nothing that could leak."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from test_kernels import kernel_build  # noqa: F401, a fixture

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "csrc" / "kernels"
OWN = {path.name for path in KERNELS.glob("*")}
PLAIN = {"cstddef", "cstdint", "immintrin.h", "arm_neon.h"}


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def reachable(path):
    """All that a file includes, directly or through csrc/."""
    seen, todo = set(), [path]
    while todo:
        for name in includes(todo.pop()):
            if name not in seen:
                seen.add(name)
                if (ROOT / "csrc" / name).exists():
                    todo.append(ROOT / "csrc" / name)
    return seen


@pytest.mark.parametrize("path", sorted(KERNELS.glob("isa_*.cc")), ids=lambda path: path.stem)
def test_isa_code_includes_only_kernels_and_types(path):
    for name in reachable(path):
        own = name.startswith("kernels/") and name.removeprefix("kernels/") in OWN
        assert own or name == "backpass/elementwise.h" or name in PLAIN, f"{path.name} includes {name}"
    assert includes(ROOT / "csrc" / "include" / "backpass" / "elementwise.h") == []


def test_kernels_include_nothing_above_them():
    for path in list(KERNELS.glob("*.h")) + list(KERNELS.glob("*.cc")):
        for name in includes(path):
            assert "/" not in name or name.startswith(("kernels/", "base/", "backpass/")), (
                f"{path.name} includes {name}"
            )


@pytest.mark.parametrize("path", sorted(KERNELS.glob("vec_*.h")), ids=lambda path: path.stem)
def test_generic_code_names_no_instruction_set(path):
    for generic in KERNELS.glob("*-inl.h"):
        assert not re.search(r"_mm\d*_|__m\d|float32x4|vld1q", generic.read_text()), generic.name


def exported(library, isa):
    """Defined symbols of isa_<isa>.cc's object that other objects can see."""
    text = subprocess.run(
        ["nm", "-A", "-C", "--defined-only", "--extern-only", library], capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in text.splitlines() if f"isa_{isa}.cc" in line]
    return [line.split(maxsplit=2)[2] for line in lines]


def test_each_object_exports_its_table_alone(kernel_build):  # noqa: F811
    if shutil.which("nm") is None:
        pytest.skip("nm is not here")
    library = kernel_build / "libkernels.a"
    members = subprocess.run(["ar", "t", library], capture_output=True, text=True, check=True).stdout.split()
    isas = [match[1] for member in members if (match := re.match(r"isa_(\w+)\.cc", member))]
    assert "scalar" in isas
    for isa in isas:
        symbols = exported(library, isa)
        assert [symbol.split(" ", 1)[-1] for symbol in symbols] == [f"backpass::kernels::{isa}_tables()"], symbols
