"""Warning at the line that a user wrote."""

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
