"""What is installed: files, sizes, start-up time, documentation that runs."""

import doctest
import importlib.metadata
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import backpass as bp

ROOT = Path(__file__).parents[1]
PACKAGE = Path(bp.__file__).parent
DISTRIBUTION = importlib.metadata.distribution("backpass")


def installed_files():
    """Files of the package relative to site-packages; none where the tree is used in place."""
    return [str(file) for file in DISTRIBUTION.files or [] if "__pycache__" not in str(file)]


def test_the_version_is_that_of_cmake():
    assert DISTRIBUTION.version == bp.__version__
    if (ROOT / "CMakeLists.txt").is_file():
        assert f"project(backpass VERSION {bp.__version__} " in (ROOT / "CMakeLists.txt").read_text()


def test_dependencies_are_numpy_and_tqdm():
    needed = [line for line in DISTRIBUTION.requires or [] if "extra ==" not in line]
    assert sorted(re.match(r"\w+", line)[0] for line in needed) == ["numpy", "tqdm"]


@pytest.mark.parametrize(
    "pattern",
    [
        r"backpass/_core\.[\w.-]*\.so", r"backpass/_core\.pyi", r"backpass/py\.typed", r"backpass/datasets/digits\.npz",
        r"backpass/datasets/NOTICE\.md", r"backpass/include/backpass/backpass\.h",
    ],
)  # fmt: skip
def test_the_package_holds(pattern):
    assert any(re.fullmatch(pattern, file) for file in installed_files())


def test_the_package_holds_nothing_else():
    known = r"(backpass/(.*\.pyi?|_core\..*\.so|py\.typed|include/backpass/\w+\.h|datasets/(digits\.npz|NOTICE\.md)))"
    strange = [
        f for f in installed_files() if not re.fullmatch(known + r"|backpass-.*\.dist-info/.*|.*bin/backpass", f)
    ]
    assert strange == []


def test_the_headers_are_where_get_include_says():
    assert (Path(bp.get_include()) / "backpass" / "trainer.h").is_file()


def test_the_installed_package_is_small(tmp_path):
    """A wheel is a zip file: what the package's files come to when zipped."""
    copy = tmp_path / "backpass"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    archive = shutil.make_archive(str(tmp_path / "wheel"), "zip", copy)
    assert os.path.getsize(archive) < 4_000_000


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_the_extension_exports_its_entry_point_only():
    (extension,) = PACKAGE.glob("_core*.so")
    listing = subprocess.run(["nm", "-D", "--defined-only", extension], capture_output=True, text=True, check=True)
    names = [line.split()[-1] for line in listing.stdout.splitlines()]
    ours = [name for name in names if "backpass" in name or name.startswith("PyInit")]
    assert ours == ["PyInit__core"]


# Start-up.


def import_seconds(statement):
    # The time of this thread: neither other work on the machine counts nor NumPy's workers, which spin for a while.
    code = f"import time; start = time.thread_time(); {statement}; print(time.thread_time() - start)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(run.stdout)


def test_importing_takes_little_longer_than_numpy():
    pairs = [(import_seconds("import numpy"), import_seconds("import numpy, backpass")) for _ in range(7)]
    assert min(ours for _, ours in pairs) - min(numpy for numpy, _ in pairs) < 0.05


def test_importing_does_not_import_what_is_used_later():
    code = "import sys, backpass; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    later = {"backpass.augment", "backpass.linalg", "backpass.tools._cli", "backpass.tools._digits"}
    assert not loaded & {"tqdm", "matplotlib", "argparse", "scipy", "torch", *later}


# Documentation.


@pytest.mark.parametrize("name", [name for name in bp.__all__ if not name.startswith("__")])
def test_every_public_name_has_an_example(name):
    assert ">>> " in getattr(bp, name).__doc__


ROOMS = ("callbacks", "data", "functions", "layers", "losses", "models", "ops", "optimizers", "tools", "training")
PACKAGES = [bp, *(getattr(bp, room) for room in ROOMS)]
MODULES = [
    module.name for package in PACKAGES for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]
MODULES = ["backpass", *(name for name in MODULES if name != "backpass.__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(name), extraglobs={"__name__": "__main__"}).failed == 0


@pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="the sources are not here")
def test_examples_in_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert result.attempted > 15
    assert result.failed == 0


def public():
    for name in bp.__all__:
        yield name, getattr(bp, name)


def test_all_that_is_public_is_documented():
    for name, thing in public():
        if name in ("__version__", "datasets"):
            continue
        assert (thing.__doc__ or "").strip(), name
        if inspect.isclass(thing) and thing.__module__.startswith("backpass"):
            own = [value for key, value in vars(thing).items() if not key.startswith("_") and callable(value)]
            assert all(method.__doc__ for method in own), name


def test_all_that_is_public_is_there_and_nothing_else():
    assert bp.__all__ == sorted(set(bp.__all__), key=bp.__all__.index)
    names = {name for name in vars(bp) if not name.startswith("_") and not inspect.ismodule(getattr(bp, name))}
    modules = {name for name, thing in public() if inspect.ismodule(thing)}
    assert names - {"import_module", "Any", "TYPE_CHECKING"} == {*bp.__all__} - modules - {"__version__"}
    assert modules == {"augment", "datasets", "linalg", "tree", *ROOMS}
    with pytest.raises(AttributeError, match="nothing"):
        bp.nothing  # noqa: B018


def declared_in(stub):
    return set(re.findall(r"^(?:def|class) (\w+)", stub, re.MULTILINE))


@pytest.mark.skipif(not (ROOT / "python").is_dir(), reason="the sources are not here")
def test_the_stub_says_what_the_extension_holds():
    stub = (PACKAGE / "_core.pyi").read_text()
    functions = declared_in((PACKAGE / "_functions.pyi").read_text())
    assert functions == {*bp._core.functions()} == {*bp._functions.__all__}
    plain = (PACKAGE / "layers" / "_plain.pyi").read_text()
    assert declared_in(plain) == {layer for _, layer, _, _ in bp._core.plain_activations()}
    declared = declared_in(stub) | functions
    assert declared == {name for name in vars(bp._core) if not name.startswith("_")}
    for name in ("Tensor", "Graph", "Network", "Trainer", "Optimizer", "Plan", "Call", "Loss", "Layer"):
        body = re.search(rf"^class {name}:\n((?:    .*\n|\n)*)", stub, re.MULTILINE)[1]
        members = set(re.findall(r"^    (?:def )?(\w+)[:(]", body, re.MULTILINE))
        given = {key for key in vars(getattr(bp._core, name)) if not key.startswith("_")}
        assert {key for key in members if not key.startswith("_")} == given, name
