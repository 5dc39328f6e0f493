"""The command line: `backpass train`, `predict`, `evaluate`, `inspect`, `export`, `bench`, `info` and `completion`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backpass import __version__


def positive(text: str) -> int:
    """A positive integer, for argparse."""
    return _within(int(text), 1, 2**31 - 1)


def seed(text: str) -> int:
    """An integer from 0 of 64 bits, for argparse."""
    return _within(int(text), 0, 2**64 - 1)


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"must be from {least} to {most}, got {value}")
    return value


def learning_rate(text: str) -> float:
    """A positive number, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be positive and finite, got {text}")
    return value


def share(text: str) -> float:
    """A number from 0 and below 1, for argparse."""
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, got {text}")
    return value


TRAIN = """examples:
  backpass train                                   the digits that ship with backpass
  backpass train flats.csv --target rent           a table: a model, and a report to read in a browser
  backpass train churn.parquet --target left --preset tabm --group customer
  backpass train sales.csv --target sold --time day --test 0.3 --json"""


def add_train(commands: Any) -> None:
    """`backpass train`: the digits, or a table."""
    train = commands.add_parser(
        "train", help="train on a table, or on the handwritten digits that ship with backpass", epilog=TRAIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    train.add_argument("data", nargs="?", metavar="FILE",
                       help="a table: .csv, .tsv, .jsonl, .parquet or .arrow, or - for text from the standard input; "
                            "a folder of .parquet files, larger than memory; the digits without it")  # fmt: skip
    train.add_argument("--target", metavar="COLUMN", help="what to predict; needed for a table")
    train.add_argument("--task", choices=("classification", "regression"), help="default: as the target looks")
    train.add_argument("--preset", choices=("mlp", "tabm", "realmlp"), default="mlp",
                       help="mlp is fast, tabm better as a rule; default %(default)s")  # fmt: skip
    train.add_argument("--test", type=share, default=0.2, metavar="SHARE",
                       help="the share of the rows that is held out for scores, default %(default)s")  # fmt: skip
    train.add_argument("--time", metavar="COLUMN", help="hold out the last rows by this column")
    train.add_argument("--group", metavar="COLUMN", help="hold out whole groups by this column")
    train.add_argument("--categorical", nargs="*", metavar="COLUMN", help="numbers that are categories")
    train.add_argument("--ensembles", type=positive, default=1, help="networks whose mean predicts, default 1")
    train.add_argument("--epochs", type=positive, help="the most epochs, default 200; of the digits 80")
    train.add_argument("--hidden", type=positive, nargs="*", metavar="UNITS",
                       help="units of the hidden layers, default the preset's; of the digits 128")  # fmt: skip
    train.add_argument("--batch-size", type=positive, help="default by the number of rows; of the digits 32")
    train.add_argument("--learning-rate", type=learning_rate, help="default the preset's; of the digits 2e-3")
    train.add_argument("--dropout", type=share, help="after each hidden layer, default 0.1; of the digits 0.4")
    train.add_argument("--seed", type=seed, default=0, help="of the split and of training, default 0")
    train.add_argument("--threads", type=positive, help="default as many as help; of the digits 1")
    train.add_argument("--out", type=Path, metavar="FILE",
                       help="where the model goes, default the name of the data with .safetensors; report or picture "
                            "beside it")  # fmt: skip
    train.add_argument("--no-picture", action="store_true", help="draw nothing")
    train.add_argument("--no-report", action="store_true", help="write no report")
    train.add_argument("--json", action="store_true", help="the result as JSON and nothing else")
    train.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_of_models(commands: Any) -> None:
    """What is done with a model of a table."""
    predict = commands.add_parser("predict", help="predict the rows of a table")
    evaluate = commands.add_parser("evaluate", help="score predictions of a table that has the target")
    inspect = commands.add_parser("inspect", help="show what a model of a table is made of")
    for command in (predict, evaluate, inspect):
        command.add_argument("model", metavar="MODEL", help="a file that backpass train has written")
    for command in (predict, evaluate):
        command.add_argument("data", metavar="FILE", help="a table as of backpass train, - for the standard input")
    predict.add_argument("-o", "--out", default="-", metavar="FILE", help="default -, the standard output")
    predict.add_argument("--probabilities", action="store_true", help="those of all classes, too")
    predict.add_argument("--interval", type=share, metavar="COVERAGE",
                         help="of numbers, also limits within which one lies so often, such as 0.9")  # fmt: skip
    predict.add_argument("--quiet", action="store_true", help="print nothing but errors")
    evaluate.add_argument("--json", action="store_true", help="as JSON")
    export = commands.add_parser(
        "export", help="write a model for others: as an ONNX graph, a C header, a NumPy program"
    )
    export.add_argument("model", metavar="MODEL", help="any file that backpass has saved a model in")
    export.add_argument("--to", choices=("onnx", "c", "numpy"), default="onnx", help="default %(default)s")
    export.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="default the name of the model with .onnx, .h, .py"
    )
    export.add_argument("--name", help="with which everything in a C header begins; default the name of the file")
    export.add_argument("--int8", action="store_true", help="in a C header, weights in 8 bits")


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    top = argparse.ArgumentParser(prog="backpass", description="Backpropagation for networks on CPUs.")
    top.add_argument("--version", action="version", version=f"backpass {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    add_train(commands)
    add_of_models(commands)
    commands.add_parser("bench", add_help=False, help="compare speed with what else is installed; see bench --help")
    commands.add_parser("info", help="show versions, instruction sets, threads and processor")
    completed = commands.add_parser("completion", help='for a shell: eval "$(backpass completion bash)"')
    completed.add_argument("shell", choices=("bash", "zsh"))
    return top


def info() -> int:
    """`backpass info`."""
    import platform

    import numpy as np

    import backpass as bp

    cpu = bp.cpu_info()
    quota = f", quota {cpu['cpu_quota']:g}" if cpu["cpu_quota"] else ""
    print(f"backpass  {bp.__version__}")
    print(f"Python    {platform.python_version()}, NumPy {np.__version__}")
    print(f"CPU       {cpu['brand']} ({cpu['logical_cpus']} usable{quota})")
    print(f"features  {' '.join(cpu['features'])}")
    print(f"ISA       {bp.isa()} (of {', '.join(bp.available_isas())}; BACKPASS_ISA caps it)")
    print(f"threads   {bp.get_threads()} (OMP_NUM_THREADS caps them)")
    print(f"headers   {bp.get_include()}")
    return 0


def bench(arguments: Sequence[str]) -> int:
    """`backpass bench`: the benchmarks, which wheels carry and a source tree has beside the package."""
    from importlib import import_module

    return int(import_module("backpass.bench.command").main(arguments))


def run(given: Sequence[str]) -> int:
    """Runs the command; the exit status."""
    if given[:1] == ["bench"]:  # whose options are its own
        return bench(given[1:])
    options = parser().parse_args(given)
    if options.command == "info":
        return info()
    if options.command == "completion":
        from backpass.tools._completion import completion

        print(completion(options.shell, parser()), end="")
        return 0
    if options.command == "train" and options.data is None:
        return train_digits(options)
    if options.command == "export":
        from backpass.tools._export import export

        return export(options)
    from backpass.tools import _tables

    if options.command == "train":
        if options.target is None:
            raise ValueError("train: --target says which column to predict")
        return _tables.train(options, shlex.join(["backpass", *given]))
    commands = {
        "predict": _tables.predict,
        "evaluate": _tables.evaluate,
        "inspect": _tables.inspect,
    }
    return commands[options.command](options)


def train_digits(options: argparse.Namespace) -> int:
    """`backpass train` without a table."""
    if options.target is not None:
        raise ValueError("train: --target is of a table; which file?")
    from backpass.tools._digits import train

    return train(options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and tells of errors in a line; the exit status."""
    try:
        status = run(sys.argv[1:] if arguments is None else [*arguments])
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # nobody reads on, as behind `| head`; say nothing at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, RuntimeError, MemoryError, ImportError) as error:
        print(f"backpass: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("backpass: interrupted", file=sys.stderr)
        return 130
