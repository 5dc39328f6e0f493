"""Every kernel of every instruction set against plain references: of this machine, and NEON under an emulator."""

import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import made_once, shell

CPP = Path(__file__).resolve().parent / "cpp"
ISAS = sorted(path.stem.removeprefix("isa_") for path in CPP.parents[1].glob("csrc/kernels/isa_*.cc"))


def build(tmp_path_factory, name, *options):
    """Builds the kernels and their test, once for all."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not here")

    def make(folder):
        shell("cmake", "-S", CPP / "kernels", "-B", folder, "-DCMAKE_BUILD_TYPE=Release", *options)
        shell("cmake", "--build", folder, "--parallel", "2")

    return made_once(tmp_path_factory, name, make)


@pytest.fixture(scope="session")
def kernel_build(tmp_path_factory):
    return build(tmp_path_factory, "kernels")


@pytest.mark.parametrize("isa", ISAS)
def test_kernels_agree_with_references(kernel_build, isa):
    run = subprocess.run([kernel_build / "test_kernels", isa], capture_output=True, text=True, timeout=300)
    if "no such instruction set here" in run.stdout:
        pytest.skip(f"this machine has no {isa}")
    assert run.returncode == 0, run.stdout + run.stderr


def run_if_possible(*command):
    """Runs a test; skips where it says that the machine lacks the instructions."""
    if not command[0].exists():
        pytest.skip("not built for this machine")
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "no such instruction set here" in run.stdout:
        pytest.skip(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("vectors", ["avx2", "avx512"])
def test_products_on_tiles_over_a_model_of_them(kernel_build, vectors):
    run_if_possible(kernel_build / f"test_tiles_{vectors}")


def test_products_on_tiles_by_the_instructions_themselves(kernel_build):
    run_if_possible(kernel_build / "test_tiles_instructions")


def test_six_products_are_as_accurate_as_a_float32_product(kernel_build):
    run_if_possible(kernel_build / "test_tiles_avx2", "accuracy")


def test_tiles_are_used_with_leave_and_where_they_pay(kernel_build):
    run_if_possible(kernel_build / "test_amx")


def test_tiles_that_the_system_refuses_are_not_used(kernel_build):
    run_if_possible(kernel_build / "test_amx", "tiny_stack")


def test_neon_kernels_under_qemu(tmp_path_factory):
    for tool in ("aarch64-linux-gnu-g++", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here")
    folder = build(tmp_path_factory, "neon", f"-DCMAKE_TOOLCHAIN_FILE={CPP / 'aarch64.cmake'}")
    run = subprocess.run(["qemu-aarch64", folder / "test_kernels", "neon"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    run = subprocess.run(["qemu-aarch64", folder / "test_tiles_neon"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr


def test_unknown_isa_in_the_environment_is_an_error(kernel_build):
    run = subprocess.run(
        [kernel_build / "test_kernels", "environment"],
        env={"BACKPASS_ISA": "foo"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert '[isa] unknown "foo"; available: scalar' in run.stdout
