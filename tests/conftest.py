"""What tests share: a model, data for it, and numbers that do not depend on what ran before."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def model():
    """Four inputs, eight hidden units, three outputs."""
    return bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=1)


@pytest.fixture
def data(rng):
    """Twenty rows for `model`, and labels."""
    return rng.standard_normal((20, 4)).astype(np.float32), rng.integers(0, 3, 20)


def shell(*command):
    """What a command printed; a failure shows its last lines."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def made_once(tmp_path_factory, name, make):
    """A folder of this run of tests that `make` fills: by one worker of pytest-xdist, for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            make(folder)
            (folder / "made").touch()
    return folder


# Programs of tests/cpp that core_build makes and test_cpp.py runs: all but those of kernels, which test_kernels.py
# makes with kernels alone.
OF_KERNELS = {"test_amx", "test_kernels", "test_tiles"}
CORE_TESTS = sorted({path.stem for path in Path(__file__).parent.glob("cpp/test_*.cc")} - OF_KERNELS)


@pytest.fixture(scope="session")
def core_build(tmp_path_factory):
    """The core without Python, installed at `prefix` within, and its C++ tests; at -O1, which changes no bit."""
    if not shutil.which("cmake") or not shutil.which("c++"):
        pytest.skip("needs cmake and a C++ compiler")
    options = ["-DBACKPASS_BUILD_TESTS=ON", "-DBACKPASS_WERROR=ON", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG"]
    root = Path(__file__).resolve().parent.parent

    def build(folder):
        shell("cmake", "-S", root, "-B", folder, f"-DCMAKE_INSTALL_PREFIX={folder / 'prefix'}", *options)
        shell("cmake", "--build", folder, "--parallel", "2", "--target", "backpass", *CORE_TESTS)
        shell("cmake", "--install", folder)

    return made_once(tmp_path_factory, "core", build)


@pytest.fixture(scope="session")
def core_prefix(core_build):
    """Where the core is installed, for programs outside the tree."""
    return core_build / "prefix"
