"""Training from a Parquet file, chunk by chunk: the rows need not fit into memory. Needs pyarrow."""

import tempfile
from pathlib import Path

import numpy as np

import backpass as bp

ROWS, CHUNK = 20_000, 2_000


def write(path):
    """A table of houses: three columns of features, and prices."""
    import pyarrow
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    area, rooms, age = rng.uniform(30, 200, ROWS), rng.integers(1, 7, ROWS), rng.uniform(0, 100, ROWS)
    price = 3 * area + 20 * rooms - age * (area > 100) + rng.normal(0, 10, ROWS)
    columns = {"area": area / 100, "rooms": rooms / 5, "age": age / 50, "price": price / 100}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=CHUNK)


def main():
    """Writes the table, then trains from the file."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise SystemExit("this example needs pyarrow: pip install pyarrow") from None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "houses.parquet"
        write(path)
        rows = bp.parquet(path, x=["area", "rooms", "age"], y="price", batch_rows=CHUNK, buffer=2)
        model = bp.Sequential(bp.Dense(64, activation="relu"), bp.Dense(1), seed=0)
        history = model.fit(rows, loss=bp.MSE(), optimizer=bp.Adam(5e-3), epochs=12, batch_size=100, seed=0)
        rmse = model.evaluate(rows, metrics=["rmse"])["rmse"]
    print(f"error of a price: {100 * rmse:.1f}, of which 10 is noise")
    return {"loss": history["loss"], "rmse": 100 * rmse}


if __name__ == "__main__":
    main()
