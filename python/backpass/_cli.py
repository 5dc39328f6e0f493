"""The command line: `backpass train`, `backpass bench` and `backpass info`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def positive(text: str) -> int:
    """A positive integer, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be positive, got {value}")
    return value


def not_negative(text: str) -> int:
    """An integer from 0, for argparse."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {value}")
    return value


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    top = argparse.ArgumentParser(prog="backpass", description="Backpropagation for dense networks on CPUs.")
    commands = top.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train a network on the handwritten digits that ship with backpass")
    train.add_argument("--epochs", type=positive, default=80, help="default %(default)s")
    train.add_argument("--hidden", type=positive, nargs="*", default=[128], metavar="UNITS",
                       help="units of the hidden layers, default 128")  # fmt: skip
    train.add_argument("--batch-size", type=positive, default=32, help="default %(default)s")
    train.add_argument("--learning-rate", type=float, default=2e-3, help="of Adam, default %(default)s")
    train.add_argument("--dropout", type=float, default=0.4, help="after each hidden layer, default %(default)s")
    train.add_argument("--seed", type=not_negative, default=0, help="of the split and of training, default 0")
    train.add_argument("--threads", type=positive, default=1, help="default 1: a network of this size gains little")
    train.add_argument("--out", type=Path, default=Path("digits.safetensors"), metavar="FILE",
                       help="where the model goes, default %(default)s; the picture goes beside it")  # fmt: skip
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    given = sys.argv[1:] if arguments is None else [*arguments]
    try:
        if given[:1] == ["bench"]:  # whose options are its own
            return bench(given[1:])
        options = parser().parse_args(given)
        if options.command == "info":
            return info()
        from backpass._digits import train

        return train(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"backpass: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # nobody reads on; say nothing at exit either
        return 1
    except KeyboardInterrupt:
        print("backpass: interrupted", file=sys.stderr)
        return 130
