"""Changes every derivative rule and every update kernel, one at a time, and sees that the suite notices.

    python tests/mutate.py                 all of them: one build, then a run of the tests below for each
    python tests/mutate.py --list          what is changed, and how
    python tests/mutate.py tanh adam       those whose name contains a word

A mutant has the sign of one rule flipped, or is half as large again. All of them are built at once, into a copy of the
sources (by default under the system's temporary folder, kept between runs): every rule becomes a choice by a number
that the environment gives, 0 being the right one. Each number must make the selected tests fail. Those that pass are
listed at the end, and the exit status is 1.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = (
    "test_graph.py",
    "test_chain_rule.py",
    "test_random_graphs.py",
    "test_optimizers.py",
    "test_layers.py",
    "test_activations.py",
    "test_initializers.py",
    "test_gradients.py",
    "test_norms.py",
    "test_running_values.py",
    "test_noise.py",
    "test_embedding.py",
)
SELECTED = "equal or formula or steps or label or dropout or ties or fan_out"
VARIABLE = "BACKPASS_MUTANT"
DECLARATION = "extern int backpass_mutant;\n"
DEFINITION = f"""
#include <cstdlib>
int backpass_mutant = std::getenv("{VARIABLE}") ? std::atoi(std::getenv("{VARIABLE}")) : 0;
"""

# How an expression is changed, in the graph and in a kernel; {} is the expression.
IN_GRAPH = {"sign": "-({})", "scale": "({}) * 1.5"}
IN_KERNEL = {"sign": "broadcast(static_cast<T>(0)) - ({})", "scale": "({}) * broadcast(static_cast<T>(1.5))"}


@dataclass(frozen=True)
class Site:
    """An expression of a source, and what it may be replaced by: (kind, text) each."""

    name: str  # "d tanh_grad, input 1"
    path: str
    begin: int
    end: int
    changes: tuple


def site(name, path, text, begin, end, patterns):
    expression = text[begin:end]
    return Site(name, path, begin, end, tuple((kind, p.format(expression)) for kind, p in patterns.items()))


def line_of(text, at):
    return text[:at].count("\n") + 1


def split_choice(text, begin, end):
    """The two branches of `first ? A : B`, or the whole expression."""
    match = re.match(r"\s*first \? ", text[begin:end])
    if not match:
        return [(begin, end)]
    depth = 0
    for at in range(begin + match.end(), end):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0 and text.startswith(" : ", at):
            return [(begin + match.end(), at), (at + 3, end)]
    raise ValueError(f"cannot read {text[begin:end]!r}")


def elementwise_rules(path, text):
    """`case Elementwise::tanh: return ...;`: one site per input of the function.

    The rule of `copy` is left alone: graphs contain copies only when they are compiled, after differentiation.
    """
    for match in re.finditer(r"case Elementwise::(\w+):\s*return (.*?);", text, re.DOTALL):
        branches = split_choice(text, match.start(2), match.end(2))
        for at, (begin, end) in enumerate(branches):
            if text[begin:end].strip() not in ("{}", "Tensor()") and match[1] != "copy":
                name = f"d {match[1]}, input {at}" if len(branches) > 1 else f"d {match[1]}"
                yield site(name, path, text, begin, end, IN_GRAPH)


def matmul_rules(path, text):
    """`if (wanted[0]) grads[0] = ...;`: one site per storage case and operand."""
    for match in re.finditer(r"if \(wanted\[(\d)\]\)\s+grads\[\d\] =\s+(.*?);", text, re.DOTALL):
        name = f"d {Path(path).stem}, operand {match[1]}, line {line_of(text, match.start())}"
        yield site(name, path, text, match.start(2), match.end(2), IN_GRAPH)


def op_rules(path, text):
    """The rows of kinds of op that name a rule: all that it returns."""
    changed = "[&] {{ auto grads = {}; if (y.op().kind == OpKind::KIND) for (Tensor& each : grads) "
    changed += "if (each) each = each * FACTOR; return grads; }}()"
    call = re.search(r"return (row_of\(y\.op\(\)\)\.derivative\(y, g, wanted\));", text)
    for match in re.finditer(r"\{OpKind::(\w+), (?:[^{]|\{[^{]*?\})*?\b\w+_derivative,", text):
        of_kind = changed.replace("KIND", match[1])
        patterns = {"sign": of_kind.replace("FACTOR", "-1.0"), "scale": of_kind.replace("FACTOR", "1.5")}
        yield site(f"d {match[1]}", path, text, call.start(1), call.end(1), patterns)


def accumulation(path, text):
    """Where several uses add up."""
    for match in re.finditer(r"sum = sum \? (sum \+ g) : g;", text):
        yield site("accumulation", path, text, match.start(1), match.end(1), IN_GRAPH)


def kernel_pairs(path, text):
    """`fn == Elementwise::tanh_grad) return ...;`: what the rules of activations are run by."""
    for match in re.finditer(r"fn == Elementwise::(\w+_grad)\)[^;]*?(?:;\s*)?return (.*?);", text, re.DOTALL):
        yield site(f"kernel {match[1]}", path, text, match.start(2), match.end(2), IN_KERNEL)


def update_kernels(path, text):
    """Every value that the update sweeps compute or write: half as large again, and with each + and - flipped."""
    for kernel in re.finditer(r"^void (\w+)\(Updated<T> weight.*?^}", text, re.DOTALL | re.MULTILINE):
        body = text.index("[=]", kernel.start())
        for match in re.finditer(r"(?: = |\+ i, |return )([^;\n]* [-+*] [^;\n]*?)(?:\)?;)", text[body : kernel.end()]):
            expression = match[1] if match[1].count("(") == match[1].count(")") else match[1] + ")"
            begin, end = body + match.start(1), body + match.start(1) + len(expression)
            if not expression.startswith("read("):
                changes = (*flipped_operators(expression), ("scale", IN_KERNEL["scale"].format(expression)))
                yield Site(f"update {kernel[1]}, line {line_of(text, begin)}", path, begin, end, changes)


def flipped_operators(expression):
    """One change per + and - between values; those that step through memory (`m + i`) stay."""
    for count, match in enumerate(re.finditer(r" ([-+]) (?!i\b)", expression)):
        flipped = "+" if match[1] == "-" else "-"
        yield f"sign of term {count}", expression[: match.start(1)] + flipped + expression[match.end(1) :]


RULES = {
    "csrc/graph/elementwise_rules.cc": elementwise_rules,
    "csrc/graph/matmul.cc": matmul_rules,
    "csrc/graph/batch_matmul.cc": matmul_rules,
    "csrc/graph/op_rows.cc": op_rules,
    "csrc/graph/gradients.cc": accumulation,
    "csrc/kernels/elementwise-inl.h": kernel_pairs,
    "csrc/kernels/update-inl.h": update_kernels,
}
DEFINED_IN = "csrc/graph/gradients.cc"


def find_sites(root=ROOT):
    """All of them, from the sources as they are."""
    return [found for path, rules in RULES.items() for found in rules(path, (root / path).read_text())]


def mutants(sites):
    """Number and name of every change; the numbers start at 1."""
    names = [f"{each.name}: {kind}" for each in sites for kind, _ in each.changes]
    return dict(enumerate(names, 1))


def with_choices(root=ROOT):
    """The sources in which every site is a choice by number: text by path."""
    numbers = iter(range(1, 10**6))
    texts = {path: (root / path).read_text() for path in RULES}
    choices = {path: defaultdict(str) for path in RULES}  # by place: the rules of all kinds of op are called in one
    for each in find_sites(root):
        changed = "".join(f"backpass_mutant == {next(numbers)} ? ({text}) : " for _, text in each.changes)
        choices[each.path][each.begin, each.end] += changed
    for path, replacements in choices.items():
        for (begin, end), changed in sorted(replacements.items(), reverse=True):
            expression = texts[path][begin:end]
            texts[path] = f"{texts[path][:begin]}({changed}({expression})){texts[path][end:]}"
        texts[path] = DECLARATION + texts[path] + (DEFINITION if path == DEFINED_IN else "")
    return texts


class Workshop:
    """A copy of the project in which all mutants are built, and tried one by one."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def build(self):
        for part in ("csrc", "python"):
            shutil.copytree(ROOT / part, self.folder / part, dirs_exist_ok=True, copy_function=self._copy)
        self._copy(ROOT / "CMakeLists.txt", self.folder / "CMakeLists.txt")
        for path, text in with_choices().items():
            write_if_changed(self.folder / path, text)
        cmake_dir = run([sys.executable, "-m", "pybind11", "--cmakedir"]).stdout.strip()
        options = ["-DBACKPASS_PYTHON=ON", f"-Dpybind11_DIR={cmake_dir}", f"-DPython_EXECUTABLE={sys.executable}"]
        build = self.folder / "build"
        for command in (
            ["cmake", "-S", self.folder, "-B", build, *options],
            ["cmake", "--build", build, "-j", os.environ.get("BACKPASS_BUILD_JOBS", "2")],
        ):
            done = run(command)
            if done.returncode != 0:
                sys.exit(done.stdout[-4000:] + done.stderr[-4000:])
        for extension in build.rglob("_core*.so"):
            shutil.copy2(extension, self.folder / "python" / "backpass")

    def _copy(self, source, target):
        """Keeps the time stamp of what is the same, so that only the rest is built again."""
        if str(Path(target).relative_to(self.folder)) not in RULES:
            write_if_changed(Path(target), Path(source).read_bytes())

    def passes(self, number):
        """Whether the selected tests pass with this mutant, 0 being none."""
        env = {**os.environ, "PYTHONPATH": str(self.folder / "python"), VARIABLE: str(number)}
        where = run([sys.executable, "-c", "import backpass; print(backpass.__file__)"], env=env)
        if str(self.folder) not in where.stdout:
            sys.exit(f"the tests would not import the mutant but {where.stdout or where.stderr}")
        tests = [ROOT / "tests" / test for test in TESTS]
        options = ["-x", "-q", "-p", "no:cacheprovider", "-k", SELECTED]
        return run([sys.executable, "-m", "pytest", *options, *tests], env=env, cwd=ROOT).returncode == 0


def run(command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def write_if_changed(path, content):
    data = content.encode() if isinstance(content, str) else content
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def try_all(chosen, workshop):
    """The names of those that nobody noticed."""
    survivors = []
    for count, (number, name) in enumerate(chosen.items(), 1):
        survived = workshop.passes(number)
        survivors += [name] * survived
        print(f"{count:3}/{len(chosen)} {'SURVIVED' if survived else 'caught':8}  {name}", flush=True)
    return survivors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only mutants whose name contains one of these")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--folder", default=Path(tempfile.gettempdir()) / "backpass-mutants", help="where to build")
    arguments = parser.parse_args()
    sites = find_sites()
    if arguments.list:
        print(*(f"{each.name}: {kind:15} {text}" for each in sites for kind, text in each.changes), sep="\n")
        return 0
    wanted = arguments.words or [""]
    chosen = {number: name for number, name in mutants(sites).items() if any(word in name for word in wanted)}
    workshop = Workshop(arguments.folder)
    workshop.build()
    if not workshop.passes(0):
        sys.exit("the tests fail without any change: mutants would prove nothing")
    survivors = try_all(chosen, workshop)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught", *survivors, sep="\n")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
