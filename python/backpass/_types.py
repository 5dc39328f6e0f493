"""Names for annotations; nothing here is needed at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
# What the boundary takes: ndarrays, nested lists of numbers, anything with __array__ or __dlpack__.
ArrayLike: TypeAlias = Any
# Of one output or of several, or what a loss of one's own takes: a dict or tuple of arrays, or None.
Targets: TypeAlias = Any
MetricFunction: TypeAlias = Callable[[Any, Any], float]
Metric: TypeAlias = str | MetricFunction | tuple[str, MetricFunction] | tuple[str, MetricFunction, str]
Metrics: TypeAlias = Metric | Sequence[Metric]
Logs: TypeAlias = dict[str, float]
Shape: TypeAlias = tuple[int | None, ...]
