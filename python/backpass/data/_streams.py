"""Streams: rows that come in chunks, for data larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from backpass import _checks
from backpass.data._tables import Names, check_names, names_of

if TYPE_CHECKING:
    from backpass._types import ArrayLike

Chunk: TypeAlias = "tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike | None]"


class Stream:
    """Rows in chunks, for `fit` and `evaluate` instead of arrays.

    Every epoch requests the chunks again. Rows are shuffled among the chunks that are in memory together and cut into
    batches of exactly `batch_size`. Left-over rows go into the next batches; the last batch of an epoch may be smaller.
    (A network with `BatchNorm` raises ValueError if that one has a single row.) A separate thread prepares the next
    chunks while the model trains. The generator runs there, under Python's lock; if it blocks, Ctrl-C ends a fit once
    it continues. Memory holds about `buffer * (prefetch + 3)` chunks in the model's dtype.

    Args:
        chunks: a function without arguments that gives an iterable of (x, y) or (x, y, sample_weight), of any number of
            rows; called at the start of every epoch, and once more by a model that does not know its input's shape. It
            must give the same rows each time if a fit is to be resumed in the middle of an epoch.
        buffer: how many chunks are shuffled together.
        prefetch: how many such portions are prepared ahead.

    Raises:
        TypeError: if `chunks` is not a function.
        ValueError: in fit, if a chunk does not fit the model, or is not finite.

    Example:
        >>> import backpass as bp, numpy as np
        >>> def chunks():
        ...     for month in range(3):
        ...         x = np.random.default_rng(month).standard_normal((50, 2))
        ...         yield x, x[:, 0] - 2 * x[:, 1]
        >>> model = bp.Sequential(bp.Dense(1), seed=0)
        >>> history = model.fit(bp.Stream(chunks), loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=10)
        >>> history["loss"][-1] < 1e-3
        True
    """

    def __init__(self, chunks: Callable[[], Iterable[Chunk]], *, buffer: int = 1, prefetch: int = 2) -> None:
        if not callable(chunks):
            raise TypeError(f"[Stream] chunks must be a function that gives chunks, got {type(chunks).__name__}")
        self._source = chunks
        self.names: Names = None  # of the columns, where chunks are tables
        self.buffer = _checks.integer("Stream", "buffer", buffer, minimum=1)
        self.prefetch = _checks.integer("Stream", "prefetch", prefetch, minimum=1)

    def chunks(self) -> Iterator[tuple[ArrayLike, ArrayLike, ArrayLike | None]]:
        """The chunks of one epoch, each as (x, y, sample_weight or None)."""
        for chunk in self._source():
            if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
                raise TypeError(f"[Stream] a chunk must be (x, y) or (x, y, sample_weight), got {type(chunk).__name__}")
            given = names_of(chunk[0])
            check_names("Stream", self.names, given)
            self.names = self.names or given
            yield chunk[0], chunk[1], chunk[2] if len(chunk) == 3 else None

    def first_x(self) -> ArrayLike:
        """The inputs of the first chunk."""
        for x, _, _ in self.chunks():
            return x
        raise ValueError("[Stream] needs at least one row")


def is_stream(x: Any) -> bool:
    """Whether x, of what may have no targets, is a stream: a `Stream`, a function, or something to be gone through that
    is no array. A list or tuple is one of chunks if it holds tuples of arrays.
    """
    if isinstance(x, Stream):
        return True
    if isinstance(x, (dict, str)) or any(hasattr(x, name) for name in ("__array__", "__dlpack__", "__dataframe__")):
        return False
    if isinstance(x, (list, tuple)):
        return len(x) > 0 and all(map(_is_chunk, x))
    return callable(x) or isinstance(x, Iterable)


def _is_chunk(part: Any) -> bool:
    return isinstance(part, tuple) and len(part) in (2, 3) and getattr(part[0], "ndim", 0) > 0


def stream_of(x: Any, where: str, epochs: int = 1) -> Stream:
    """The stream that was meant where no targets were given.

    A stream, a function that gives chunks, or something that can be gone through: once only where it is an iterator.
    """
    if isinstance(x, Stream):
        return x
    if hasattr(x, "__array__") or isinstance(x, (dict, str)) or not (callable(x) or isinstance(x, Iterable)):
        raise TypeError(f"[{where}] y must be given, or x be a Stream or chunks (x, y)")
    if callable(x):
        return Stream(x)
    if not isinstance(x, Iterator):
        return Stream(lambda: x)
    if epochs > 1:
        raise ValueError(
            f"[{where}] an iterator can be gone through once, not in {epochs} epochs; "
            "give a function that makes one, or Stream(function)"
        )
    return Stream(_once(x))


def _once(chunks: Iterator[Chunk]) -> Callable[[], Iterable[Chunk]]:
    """A function for one epoch that has not lost the chunk which told the model its shape."""
    seen: list[Chunk] = []

    def again() -> Iterator[Chunk]:
        yield from seen
        for chunk in chunks:
            if not seen:
                seen.append(chunk)
            yield chunk
            seen.clear()

    return again
