"""Data: streams of rows, files and tables, weights of classes.

>>> import backpass as bp
>>> bp.data.balanced_class_weights([0, 0, 0, 1], 2)
[0.6666666666666666, 2.0]
"""

from backpass._core import balanced_class_weights
from backpass.data._arrow import arrow_dataset, arrow_file, parquet
from backpass.data._sets import Data
from backpass.data._streams import Stream

__all__ = [
    "Data",
    "Stream",
    "arrow_dataset",
    "arrow_file",
    "balanced_class_weights",
    "parquet",
]
