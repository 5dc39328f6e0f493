"""The command: what it understands, and what it writes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .measure import limit_threads

TASKS = {
    "train": "a training step of twelve networks",
    "gemm": "a matrix product alone",
    "size": "a step against width, depth, batch and threads",
    "neighbours": "steps, predictions, by hand and fit beside busy processes",
    "functions": "gradients of examples, Hessians, MAML and calls of transformed functions",
    "around": "batches, losses, metrics, predictions, updates, calls from Python, memory, what backpropagation saves",
}
LIMITED = "BACKPASS_BENCH_THREADS"


def usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="backpass bench",
        description="Compares backpass with what else is installed: proven equal first, then timed in turns.",
        epilog="tasks: " + "; ".join(f"{name}: {about}" for name, about in TASKS.items()),
    )
    top.add_argument("task", nargs="?", choices=[*TASKS, "all"], default="train", help="default %(default)s")
    top.add_argument("--cases", nargs="+", metavar="NAME", help="only these (default: all)")
    top.add_argument("--peers", nargs="+", metavar="NAME", help="only these, e.g. numpy torch jax-scan")
    top.add_argument("--threads", type=int, default=usable_cpus(), metavar="N",
                     help="for every contender (default: all, %(default)s)")  # fmt: skip
    top.add_argument("--precision", choices=["highest", "high", "medium"], default="highest",
                     help="of matrix products; below highest, peers run at theirs as well")  # fmt: skip
    top.add_argument("--quick", action="store_true",
                     help="under a minute each: few rounds, without slow cases and torch.compile")  # fmt: skip
    top.add_argument("--check", action="store_true", help="prove equality, time nothing")
    top.add_argument("--max-ratio", type=float, metavar="R", help="fail where backpass takes over R times the best")
    top.add_argument("--json", type=Path, metavar="PATH", help="write everything that was measured")
    top.add_argument("--markdown", type=Path, metavar="PATH", help="write the tables")
    top.add_argument("--picture", type=Path, metavar="PATH",
                     help="draw, for each of several tasks a file of its own; needs the extra plot")  # fmt: skip
    top.add_argument("--redraw", type=Path, metavar="JSON", help="measure nothing: draw --picture from that file")
    return top


def hold_to(threads: int, arguments: Sequence[str]) -> None:
    """Starts this program anew where the limits do not hold yet: libraries read them when they are loaded."""
    if not 1 <= threads <= usable_cpus():
        sys.exit(f"backpass: --threads must be from 1 to {usable_cpus()}, got {threads}")
    if os.environ.get(LIMITED) == str(threads):
        return
    limit_threads(threads)
    os.environ[LIMITED] = str(threads)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", str(__package__), *arguments])


def check(options: argparse.Namespace, tasks: list[str]) -> None:
    """Exits where something asked for is not there: before anything is measured."""
    modules = [import_module(f".{task}.run", __package__) for task in tasks]
    for option in ("cases", "peers"):
        known = [name for module in modules for name in getattr(module, option.upper())]
        words = {*known, *(name.partition("-")[0] for name in known)} if option == "peers" else {*known}
        unknown = [name for name in getattr(options, option) or () if name not in words]
        if unknown:
            sys.exit(f"backpass: unknown {option}: {', '.join(unknown)}; there are {', '.join(dict.fromkeys(known))}")
    for path in filter(None, (options.json, options.markdown, options.picture)):
        if path.is_dir() or not path.parent.is_dir():
            sys.exit(f"backpass: {path} is no file that could be written")


def read(path: Path) -> dict[str, Any]:
    """What an earlier run measured; exits where the file is none of --json."""
    try:
        book = json.loads(path.read_text())
    except ValueError:  # of the JSON, or of its characters
        book = None
    if not isinstance(book, dict) or "environment" not in book or not set(TASKS) & set(book):
        sys.exit(f"backpass: {path} is no file that backpass bench --json has written")
    return book


def measure(options: argparse.Namespace, tasks: list[str]) -> tuple[dict[str, Any], list[Any]]:
    """All that is known afterwards, and the outcomes of the tasks."""
    from .machine import environment, higher, measure_limits

    windows = 1 if options.check or options.quick else 10
    book: dict[str, Any] = {"environment": environment(options.threads), "precision": options.precision}
    for key, value in book["environment"].items():
        print(f"{key:>15}: {value}")
    book["limits"] = measure_limits(options.threads, windows)
    outcomes = []
    for task in tasks:
        outcomes.append(import_module(f".{task}.run", __package__).run(options, book["limits"]))
        book[task] = outcomes[-1].data
        print("\n".join([*outcomes[-1].complaints, *outcomes[-1].warnings]), flush=True)
        book["limits"] = higher(book["limits"], measure_limits(options.threads, windows))
    return book, outcomes


def about(book: dict[str, Any]) -> str:
    """The machine and the versions in a line or two of markdown."""
    machine = book["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['cpu']}, threads: {machine['threads']}, {machine['isa of backpass']}, {machine['system']}; "
        f"Python {machine['python']}, {versions}."
    )


def draw(book: dict[str, Any], path: Path) -> None:
    """One picture for each task that was run."""
    tasks = [task for task in TASKS if task in book]
    for task in tasks:
        target = path if len(tasks) == 1 else path.with_name(f"{path.stem}-{task}{path.suffix}")
        import_module(f".{task}.picture", __package__).draw(book, target)
        print(f"picture: {target}")


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else [*arguments]
    options = parser().parse_args(given)
    tasks = [*TASKS] if options.task == "all" else [options.task]
    if (options.picture or options.redraw) and not find_spec("matplotlib"):
        sys.exit("backpass: a picture needs matplotlib: pip install 'backpass[plot]'")
    if options.redraw:
        draw(read(options.redraw), options.picture or options.redraw.with_suffix(".png"))
        return 0
    hold_to(options.threads, given)
    check(options, tasks)
    book, outcomes = measure(options, tasks)
    if options.json:
        options.json.write_text(json.dumps(book, indent=1) + "\n")
    if options.markdown:
        tables = [table.markdown() for outcome in outcomes for table in outcome.tables if table.rows]
        options.markdown.write_text("\n\n".join([about(book), *tables]) + "\n")
    if options.picture:
        draw(book, options.picture)
    return 1 if any(outcome.complaints for outcome in outcomes) else 0
