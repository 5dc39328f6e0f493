"""Networks for tables: data frames as they are, with categories, dates and missing values.

A table is a data frame of pandas or polars, a table of Arrow, a dict of columns, a list of dicts, a structured array,
or an array (rows, columns).

>>> from backpass.tables import TableModel
>>> table = {"hours": [1.0, 2.0, None, 8.0] * 25, "town": ["Ulm", "Bonn", "Ulm", "Kiel"] * 25}
>>> table["late"] = [0, 0, 1, 1] * 25
>>> model = TableModel(epochs=40).fit(table, "late")
>>> model.predict({"hours": [8.0], "town": ["Kiel"]}).tolist()
[1]
"""

from backpass.tables._columns import Column as Column
from backpass.tables._columns import Schema as Schema
from backpass.tables._folders import ParquetFolder as ParquetFolder
from backpass.tables._model import TableModel as TableModel
from backpass.tables._targets import Target as Target

__all__ = ["Column", "ParquetFolder", "Schema", "TableModel", "Target"]
