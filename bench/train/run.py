"""The contest: one training step of twelve networks, backpass against what else one could use.

python -m bench.train.run [--quick] [--check] [--cases NAME ...] [--peers NAME ...] [--threads N] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.measure import QUICK, Effort, environment, limit_threads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.train.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only these, e.g. numpy torch jax-scan")
    parser.add_argument("--threads", type=int, default=2, help="for every contender (default: 2)")
    parser.add_argument("--compile", action="store_true", help="with torch.compile, which takes a while per case")
    parser.add_argument("--quick", action="store_true", help="under a minute: without the slow cases, few rounds")
    parser.add_argument("--check", action="store_true", help="prove equality, time nothing")
    parser.add_argument("--max-ratio", type=float, help="fail where backpass takes over this times the best")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything to this file")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Names of cases and of contenders; exits where one is unknown."""
    from bench.train.cases import CASES, SLOW
    from bench.train.contender import CONTENDERS, OURS

    cases = options.cases or [name for name in CASES if not (options.quick and name in SLOW)]
    wanted = [*OURS, *(options.peers or ("numpy", "torch", "jax", "sklearn"))]
    names = [c for c in CONTENDERS if any(c == w or c.startswith(f"{w}-") for w in wanted)]
    if not options.compile and "torch-compile" not in wanted and "torch-compile" in names:
        names.remove("torch-compile")
    unknown = [c for c in cases if c not in CASES]
    unknown += [w for w in wanted if not any(c == w or c.startswith(f"{w}-") for c in CONTENDERS)]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}\ncases: {', '.join(CASES)}\ncontenders: {', '.join(CONTENDERS)}")
    return cases, names


def main() -> int:
    options = arguments()
    limit_threads(options.threads)
    from bench.train import report
    from bench.train.cases import CASES
    from bench.train.contest import hold, missing

    cases, names = chosen(options)
    absent = missing(names)
    names = [name for name in names if name not in absent]
    about = environment(options.threads)
    for key, value in about.items():
        print(f"{key:>15}: {value}")
    for name, reason in absent.items():
        print(f"{name:>15}: left out, {reason}")

    effort = None if options.check else QUICK if options.quick else Effort()
    results = []
    print("\n" + report.header(names), flush=True)
    for name in cases:
        results.append(hold(CASES[name], names, options.threads, effort))
        print(report.row(results[-1], names), flush=True)
    if effort:
        print("median microseconds of a step, ± half the distance between the quartiles")
    complaints = report.complaints(results)
    print("\n".join([*complaints, *report.warnings(results)]))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(results, about), indent=2) + "\n")
    slow = [r.case.name for r in results if options.max_ratio and (r.ratio or 0) > options.max_ratio]
    if slow:
        print(f"slower than {options.max_ratio} times the best peer: {', '.join(slow)}")
    return 1 if complaints or slow else 0


if __name__ == "__main__":
    sys.exit(main())
