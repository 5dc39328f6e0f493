"""The sweeps: one dimension of a network grows, in powers of two, beside them, and between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..train.cases import Case


@dataclass(frozen=True)
class Sweep:
    name: str
    sizes: tuple[int, ...]
    make: Callable[[int], Case]
    work: int  # the work grows at most with this power of the size
    about: str

    def case(self, size: int) -> Case:
        return self.make(size)


def around_powers(first: int, last: int) -> tuple[int, ...]:
    """2^i - 1, 2^i, 2^i + 1 and 3 2^(i-1), from first to last."""
    powers = [1 << i for i in range(first.bit_length() - 1, last.bit_length())]
    near = {size for p in powers for size in (p - 1, p, p + 1, 3 * p // 2)}
    return tuple(sorted(size for size in near if first <= size <= last))


def relu(name: str, layers: tuple[int, ...], batch: int) -> Case:
    return Case(name, layers, batch, "relu", "cross_entropy", "sgd")


SWEEPS = {
    sweep.name: sweep
    for sweep in (
        Sweep(
            "width",
            around_powers(8, 8192),
            lambda width: relu(f"width-{width}", (64, width, width, 10), 128),
            2,
            "64-w-w-10 on 128 rows",
        ),
        Sweep(
            "depth",
            around_powers(1, 64),
            lambda depth: relu(f"depth-{depth}", (64, *[64] * depth, 10), 128),
            1,
            "64-(64 x d)-10 on 128 rows",
        ),
        Sweep(
            "batch",
            around_powers(1, 65536),
            lambda batch: relu(f"batch-{batch}", (64, 128, 128, 10), batch),
            1,
            "64-128-128-10 on b rows",
        ),
    )
}
THREADS = (64, 256, 1024, 2048)  # widths whose steps are timed at every number of threads
LARGEST_QUICK = {"width": 512, "depth": 8, "batch": 2048}
LARGEST_CHECKED = {"width": 65, "depth": 3, "batch": 65}


def windows(sizes: tuple[int, ...], length: int = 5) -> list[tuple[int, ...]]:
    """Neighbours that are timed in turns; the last of one window is the first of the next."""
    starts = range(0, max(len(sizes) - 1, 1), length - 1)
    return [sizes[i : i + length] for i in starts]
