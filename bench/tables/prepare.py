"""Tables as arrays of numbers, for estimators that take nothing else; what it needs is learned from training rows."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CATEGORIES = 20  # of a column, the rarest of more are one


def numbers() -> Pipeline:
    """Medians where numbers are missing, a column for each category, all of mean 0 and variance 1."""
    by_category = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=CATEGORIES, sparse_output=False)
    columns: list[tuple[str, Any, Any]] = [
        ("numbers", SimpleImputer(strategy="median"), make_column_selector(dtype_include="number")),
        ("categories", by_category, make_column_selector(dtype_exclude="number")),
    ]
    return make_pipeline(ColumnTransformer(columns), StandardScaler())
