"""The floors hold: a lower one never includes a higher one, and public headers need the standard library only."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "csrc"
PACKAGE = Path(__file__).parents[1] / "python" / "backpass"
FLOORS = {
    "base": 0,
    "kernels": 1,
    "graph": 2,
    "plan/workers": 3,
    "plan/calls": 3.1,
    "plan": 3.2,
    "plan/compile": 3.3,
    "nn": 4,
    "optim": 4,
    "train": 5,
    "eager": 5,
    "io": 6,
    "bench": 7,
    "bindings": 7,
    "c_api": 7,
}
# What a public header stands for: a lower floor may name it only where it describes that floor or one below.
PUBLIC = {
    "elementwise.h": 0,  # its list; what takes tensors is of floor 2
    "data.h": 0, "handle.h": 0, "interrupt.h": 0, "shape.h": 0, "types.h": 0, "machine.h": 1, "attention.h": 2,
    "convolution.h": 2, "graph.h": 2, "linalg.h": 2, "pooling.h": 2, "products.h": 2, "random.h": 2, "reduce.h": 2,
    "shape_ops.h": 2, "tensor.h": 2, "transforms.h": 2, "function.h": 3, "plan.h": 3, "attention_layers.h": 4,
    "conv_layers.h": 4, "fields.h": 4, "image_layers.h": 4, "layers.h": 4, "losses.h": 4, "network.h": 4,
    "norm_layers.h": 4, "optimizers.h": 4, "penalties.h": 4, "pool_layers.h": 4, "recurrent_layers.h": 4,
    "schedules.h": 4, "averages.h": 5, "checkpoint.h": 5, "eager.h": 5, "metrics.h": 5, "objective.h": 5,
    "trainer.h": 5, "watchers.h": 5, "file_error.h": 6, "backpass.h": 7,
}  # fmt: skip
# The rooms of the Python package: a module imports from its own room and from lower ones. What lies beside the rooms is
# below them all; tools import the package as users do.
ROOMS = {
    "layers": 1, "losses": 1, "data": 1, "ops": 2, "callbacks": 2, "functions": 2, "optimizers": 3, "training": 4,
    "models": 5, "tables": 6, "exchange": 6, "tools": 7, "sklearn": 7,
}  # fmt: skip
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)

if not ROOT.is_dir():
    pytest.skip("the sources are not here", allow_module_level=True)


def includes(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def sources(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cc"))


def floor_of(name):
    """The floor that an included file belongs to; None for what is not ours."""
    folder, _, file = name.rpartition("/")
    return PUBLIC[file] if folder == "backpass" else FLOORS.get(folder)


FILES = [path for path in sources(ROOT) if not path.is_relative_to(ROOT / "include")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_floor_includes_a_higher_one(path):
    own = FLOORS[path.parent.relative_to(ROOT).as_posix()]
    for _, name in includes(path):
        floor = floor_of(name)
        assert floor is None or floor <= own, f"{path.name} (floor {own}) includes {name} (floor {floor})"


@pytest.mark.parametrize("path", sources(ROOT / "include"), ids=lambda path: path.name)
def test_public_headers_need_the_standard_library_only(path):
    assert path.name in PUBLIC
    for kind, name in includes(path):
        ours = name.startswith("backpass/")
        assert ours or (kind == "<" and re.fullmatch(r"[a-z_]+", name)), f"{path.name} includes {name}"
        assert not ours or PUBLIC[name.removeprefix("backpass/")] <= PUBLIC[path.name]
    text = path.read_text(encoding="utf-8")
    assert "__AVX" not in text
    assert "#pragma omp" not in text


# What looks into graphs, and at where parameters live.
INNER = {
    "mistakes": {"graph/op_row.h"},
    "surroundings": {"base/error.h", "nn/home.h", "nn/in_use.h"},
    "function_call": {"base/turns.h"},
}


@pytest.mark.parametrize("path", sources(ROOT / "bindings"), ids=lambda path: path.name)
def test_bindings_see_public_headers_and_the_benchmark_only(path):
    inner = INNER.get(path.stem, set())
    for _, name in includes(path):
        assert name in inner or name.rpartition("/")[0] not in {*FLOORS} - {"bindings", "bench"}, f"{path.name}: {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").glob("*-inl.h")), ids=lambda path: path.name)
def test_sources_compiled_per_instruction_set_include_kernels_only(path):
    allowed = {"cstddef", "cstdint", "limits", "bit", "type_traits"}
    for _, name in includes(path):
        assert name.startswith(("kernels/", "base/")) or name in allowed, f"{path.name} includes {name}"


# Python.


def imports(path):
    """What a module imports of ours, wherever it does, but for annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    unneeded = {inner for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in unneeded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(parts):
    return parts[0] if parts and parts[0] in ROOMS else ""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_imports_a_higher_one(path):
    parts = path.relative_to(PACKAGE).parts
    own = room_of(parts)
    if parts in (("__init__.py",), ("__main__.py",)):
        return  # the package holds all rooms
    for name in imports(path):
        first, *rest = name.split(".")
        room = room_of(rest)
        if first == "backpass" and room != own:
            allowed = ROOMS.get(room, 0) < ROOMS.get(own, 0) if rest else own == "tools"
            assert allowed, f"{path} imports {name}"


def test_every_folder_of_the_package_is_a_room():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == {*ROOMS, "datasets"}
