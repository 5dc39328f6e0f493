"""Streams take memory for their chunks only: measured by a process of its own."""

import os
import subprocess
import sys

import numpy as np
import pytest

GROWTH = """
import resource, sys, numpy as np, backpass as bp
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
model = bp.Sequential(bp.Dense(1), input_shape=128, seed=1)
fit = dict(loss=bp.MSE(), optimizer=bp.SGD(1e-4), batch_size=1000, progress=False)
def train(path, small):
{body}
train(sys.argv[2], True)
before = peak()
train(sys.argv[1], False)
print(peak() - before)
"""


def growth(body, large, small):
    code = GROWTH.format(body=body)
    done = subprocess.run([sys.executable, "-c", code, large, small], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages as Linux does")
def test_memory_stays_flat_for_a_file_that_is_larger(tmp_path):
    """130 MB of rows, read in chunks of 5 MB."""
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    for name, groups in (("large", 26), ("small", 10)):
        x = np.ones((10_000, 128), np.float32)
        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(x.ravel()), 128)
        part = pyarrow.table({"x": lists, "y": np.ones(10_000, np.float32)})
        with pyarrow.parquet.ParquetWriter(
            tmp_path / name, part.schema, compression="none", use_dictionary=False
        ) as out:
            for _ in range(groups):
                out.write_table(part)
    assert os.path.getsize(tmp_path / "large") > 120e6
    body = "    model.fit(bp.parquet(path, x='x', y='y', batch_rows=10_000), **fit)"
    assert growth(body, tmp_path / "large", tmp_path / "small") < 40


@pytest.mark.row("X4")
@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages as Linux does")
def test_memory_mapped_arrays_are_read_in_place(tmp_path):
    """Pages of the file that were looked at count as resident; what is ours does not grow."""
    for name, n in (("large.npy", 200_000), ("small.npy", 1000)):
        np.lib.format.open_memmap(tmp_path / name, "w+", np.float32, (n, 128))[:] = 1
    body = (
        "    x = np.load(path, mmap_mode='r')\n"
        "    own = lambda: int(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('RssAnon')))\n"
        "    before = own(); model.fit(x, np.ones(len(x), np.float32), **fit)\n"
        "    assert small or own() - before < 20_000, own() - before"
    )
    growth(body, tmp_path / "large.npy", tmp_path / "small.npy")
