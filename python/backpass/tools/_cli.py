"""The command line: `backpass train`, `backpass bench` and `backpass info`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

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


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    top = argparse.ArgumentParser(prog="backpass", description="Backpropagation for dense networks on CPUs.")
    top.add_argument("--version", action="version", version=f"backpass {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train a network on the handwritten digits that ship with backpass")
    train.add_argument("--epochs", type=positive, default=80, help="default %(default)s")
    train.add_argument("--hidden", type=positive, nargs="*", default=[128], metavar="UNITS",
                       help="units of the hidden layers, default 128")  # fmt: skip
    train.add_argument("--batch-size", type=positive, default=32, help="default %(default)s")
    train.add_argument("--learning-rate", type=learning_rate, default=2e-3, help="of Adam, default %(default)s")
    train.add_argument("--dropout", type=share, default=0.4, help="after each hidden layer, default %(default)s")
    train.add_argument("--seed", type=seed, default=0, help="of the split and of training, default 0")
    train.add_argument("--threads", type=positive, default=1, help="default 1: a network of this size gains little")
    train.add_argument("--out", type=Path, default=Path("digits.safetensors"), metavar="FILE",
                       help="where the model goes, default %(default)s; the picture beside it")  # fmt: skip
    train.add_argument("--no-picture", action="store_true", help="draw nothing")
    commands.add_parser("bench", add_help=False, help="compare speed with what else is installed; see bench --help")
    commands.add_parser("info", help="show versions, instruction sets, threads and processor")
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
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        print(f"backpass: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("backpass: interrupted", file=sys.stderr)
        return 130
