"""The machine that figures belong to: what it is, what is installed, and the limits that it was measured to have."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import backpass as bp
from backpass import _core

Limits = dict[str, Any]

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
PACKAGES = ("backpass", "numpy", "torch", "jax", "scikit-learn")


def cpu_name() -> str:
    return bp.cpu_info()["brand"] or platform.processor() or platform.machine()


def cpu_features() -> list[str]:
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    flags = set(text.partition("flags")[2].partition("\n")[0].split())
    known = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd")
    return [name for name in known if name in flags]


def version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return bp.__version__ if package == "backpass" else None


def environment(threads: int) -> dict[str, Any]:
    """The machine and the versions, for the head of a report."""
    found = {name: version_of(name) for name in PACKAGES}
    return {
        "cpu": cpu_name(),
        "features": cpu_features(),
        "isa of backpass": bp.isa(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name, version in found.items() if version},
    }


def cache_bytes() -> dict[str, int]:
    """Of one core, by level; what is common where the machine does not tell."""
    sizes = {"L1": 32 << 10, "L2": 512 << 10, "L3": 32 << 20}
    for index in CACHES.glob("index*"):
        kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
        if kind != "Instruction" and size.endswith("K"):
            sizes[f"L{level}"] = int(size[:-1]) << 10
    return sizes


def working_sets(threads: int) -> dict[str, int]:
    """Bytes for each thread that lie well within a level; memory: well beyond the last."""
    caches = cache_bytes()
    shared = {"L3": caches["L3"] // 2 // threads, "memory": min(4 * caches["L3"], 512 << 20) // threads}
    return {"L1": caches["L1"] // 2, "L2": caches["L2"] // 2, **shared}


def measure_limits(threads: int, windows: int, seconds: float = 0.05) -> Limits:
    """The best of some short windows: FLOP/s by dtype and threads, bytes/s of a triad by where its arrays lie."""
    counts = sorted({1, threads})
    return {
        "fma": {
            dtype: {str(n): max(_core.fma_peak(dtype, seconds, n) for _ in range(windows)) for n in counts}
            for dtype in ("float32", "float64")
        },
        "bandwidth": {
            level: {str(n): max(_core.triad_bandwidth(size, seconds, n) for _ in range(windows)) for n in counts}
            for level, size in working_sets(threads).items()
        },
    }


def higher(one: Limits, other: Limits) -> Limits:
    """Two measurements of limits as one: what the machine was ever seen to do."""
    return {
        key: higher(value, other[key]) if isinstance(value, dict) else max(value, other[key])
        for key, value in one.items()
    }


def peak(limits: Limits, dtype: str, threads: int) -> float:
    """FLOP/s."""
    return limits["fma"][dtype][str(threads)]


def bandwidth(limits: Limits, size: float, threads: int) -> tuple[str, float]:
    """Where a working set of that many bytes lies, and the bytes/s of a triad there."""
    caches = cache_bytes()
    room = {"L1": caches["L1"] * threads, "L2": caches["L2"] * threads, "L3": caches["L3"]}
    level = next((name for name, fits in room.items() if size <= fits), "memory")
    return level, limits["bandwidth"][level][str(threads)]
