"""One case: builds the contenders, proves them equal, times those that are."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..measure import Effort, Others, Timing, interleaved
from .cases import TIMED_LEARNING_RATE, Case, Problem
from .contender import OURS, Contender, load_contender
from .verify import Proof, Reference, prove


@dataclass
class Entry:
    """How one contender did in one case."""

    status: str  # "equal", "WRONG" or "failed: ..."
    proof: Proof | None = None
    timing: Timing | None = None


@dataclass
class Result:
    case: Case
    entries: dict[str, Entry]
    flops: float = 0.0  # of a step, of our plan
    bytes: float = 0.0  # that its calls read and write
    scaling: dict[str, Timing] = field(default_factory=dict)  # ours, by threads
    others: float = 0.0  # the share of the machine that other processes took while this was timed

    def best(self, ours: bool) -> tuple[str, float] | None:
        """The fastest of us or of the peers: name and seconds per step."""
        timed = [
            (entry.timing.median, name)
            for name, entry in self.entries.items()
            if entry.timing and (name in OURS) == ours
        ]
        if not timed:
            return None
        seconds, name = min(timed)
        return name, seconds

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the best peer."""
        ours, peer = self.best(ours=True), self.best(ours=False)
        return peer[1] / ours[1] if ours and peer else None


def missing(names: list[str]) -> dict[str, str]:
    """Contenders whose library is not installed, and what is missing."""
    absent = {}
    for name in names:
        try:
            load_contender(name)
        except ModuleNotFoundError as error:
            absent[name] = f"no {error.name}"
    return absent


def prove_all(problem: Problem, names: list[str]) -> tuple[dict[str, Entry], dict[str, Contender]]:
    """What was found of every contender, and those that are ready to be timed."""
    expected: dict[bool, Reference] = {}
    entries: dict[str, Entry] = {}
    ready: dict[str, Contender] = {}
    for name in names:
        kind = load_contender(name)
        try:
            if kind.eps_hat not in expected:
                expected[kind.eps_hat] = Reference.of(problem, kind.eps_hat)
            contender = kind(problem)
            proof = prove(contender, expected[kind.eps_hat])
        except Exception as error:  # a contender that fails is reported, and the contest goes on
            entries[name] = Entry(f"failed: {type(error).__name__}: {error}")
            continue
        entries[name] = Entry("equal" if proof.holds else "WRONG", proof)
        if proof.holds:
            contender.reset(TIMED_LEARNING_RATE)
            ready[name] = contender
    return entries, ready


def hold(problem: Problem, names: list[str], effort: Effort | None) -> Result:
    """Runs the case; without an effort it only proves."""
    entries, ready = prove_all(problem, names)
    result = Result(problem.case, entries)
    for name in OURS:
        if name in ready:
            result.flops, result.bytes = ready[name].work()  # type: ignore[attr-defined]  # ours can tell
    if effort and ready:
        others = Others()
        runs = {name: contender.train for name, contender in ready.items()}
        calls = {name: contender.steps_per_call for name, contender in ready.items()}
        for name, timing in interleaved(runs, calls, effort).items():
            entries[name].timing = timing
        result.others = others.share()
    return result
