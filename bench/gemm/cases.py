"""The matrix products that the benchmark times: what dense networks multiply, as their arrays are stored."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

SHAPES = (  # m, k, n
    (64, 64, 64),
    (128, 128, 128),
    (256, 256, 256),
    (512, 512, 512),
    (2048, 2048, 2048),
    (32, 784, 256),
    (784, 32, 256),
    (256, 1024, 1024),
    (1024, 256, 1024),
    (1, 512, 512),
    (4096, 64, 64),
    (64, 4096, 64),
    (32, 8192, 32),
)
STACKS = (  # products, m, k, n: attention, ensembles
    (12, 64, 64, 16),
    (32, 64, 64, 64),
    (128, 64, 32, 64),
    (96, 128, 64, 128),
    (8, 128, 256, 256),
)
MANY = (  # these, tiny ones, gradients of single examples, few large ones
    *STACKS,
    (1000, 8, 8, 8),
    (64, 16, 16, 16),
    (256, 128, 1, 64),
    (128, 512, 1, 256),
    (2, 512, 512, 512),
)
STORAGES = {  # whether a lies as (k, m), and b as (n, k)
    "forward": (False, True),  # X W^T
    "dX": (False, False),  # dZ W
    "dW": (True, False),  # dZ^T X
    "many": (False, False),
    "many-bT": (False, True),
    "many-aT": (True, False),
}
LONE = [storage for storage in STORAGES if not storage.startswith("many")]


@dataclass(frozen=True)
class Case:
    """a (m, k) times b (k, n), or as many of them."""

    m: int
    k: int
    n: int
    storage: str
    dtype: str
    products: int = 1

    @property
    def many(self) -> bool:
        return self.storage.startswith("many")

    @property
    def name(self) -> str:
        products = f"{self.products}x" if self.many else ""
        return f"{self.dtype}-{self.storage}-{products}{self.m}x{self.k}x{self.n}"

    @property
    def flops(self) -> int:
        return 2 * self.products * self.m * self.k * self.n

    @property
    def transposes(self) -> tuple[bool, bool]:
        return STORAGES[self.storage]

    def shape(self, rows: int, cols: int) -> tuple[int, ...]:
        return (self.products, rows, cols) if self.many else (rows, cols)


def cases_of(dtype: str) -> list[Case]:
    lone = [Case(*shape, storage, dtype) for storage in LONE for shape in SHAPES]
    stacks = {"many": MANY, "many-bT": STACKS, "many-aT": STACKS}
    return [*lone, *(Case(*shape, kind, dtype, products) for kind, of in stacks.items() for products, *shape in of)]


CASES = {case.name: case for dtype in ("float32", "float64") for case in cases_of(dtype)}
# Of a quick run: one of each kind.
QUICK = (
    *(f"float32-{storage}-{shape}" for storage in LONE for shape in ("128x128x128", "256x1024x1024")),
    *(f"float64-{storage}-128x128x128" for storage in LONE),
    "float32-many-1000x8x8x8",
    "float64-many-256x128x1x64",
)


@dataclass(frozen=True)
class Problem:
    """What every contender of a case is given; all read the same memory."""

    case: Case
    a: Array  # (m, k), or (k, m); of many products behind their number, as all of these
    b: Array  # (k, n), or (n, k)
    threads: int
    precision: str = "highest"

    def empty(self) -> Array:
        return aligned(self.case.shape(self.case.m, self.case.n), self.case.dtype)

    def operands(self) -> tuple[Array, Array]:
        """Views as (m, k) and (k, n)."""
        transpose_a, transpose_b = self.case.transposes
        return self.a.swapaxes(-1, -2) if transpose_a else self.a, self.b.swapaxes(-1, -2) if transpose_b else self.b


def aligned(shape: tuple[int, ...], dtype: str) -> Array:
    """Zeros that begin at a cache line, so that no library has better luck than another."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    return raw[begin : begin + size].view(dtype).reshape(shape)


def make_problem(case: Case, threads: int, precision: str = "highest") -> Problem:
    generator = np.random.default_rng(zlib.crc32(case.name.encode()))
    transpose_a, transpose_b = case.transposes
    a = aligned(case.shape(*((case.k, case.m) if transpose_a else (case.m, case.k))), case.dtype)
    b = aligned(case.shape(*((case.n, case.k) if transpose_b else (case.k, case.n))), case.dtype)
    for array in (a, b):
        array[...] = generator.standard_normal(array.shape)
    return Problem(case, a, b, threads, precision)
