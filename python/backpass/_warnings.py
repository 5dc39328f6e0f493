"""Warnings of what is legal and probably not what was meant, at the line that a user wrote."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings

# Files whose lines nobody wants to be shown: ours, and what calls them on our behalf.
_WITHIN = (os.path.dirname(os.path.abspath(__file__)) + os.sep, contextlib.__file__)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warns at the line outside of this package that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_WITHIN):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class UserMistakeWarning(UserWarning):
    """Something is legal and probably not what was meant; the message says what to do. Each comes once for a model.

    Example:
        >>> import backpass as bp, warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", bp.UserMistakeWarning)
        ...     untrained = bp.Sequential(bp.Dense(1), seed=0).predict([[1.0, 2.0]])
    """


def warn(message: str) -> None:
    """Warns of a mistake at the line outside of this package that led here."""
    warn_caller(message, UserMistakeWarning)
