"""Views of a model's buffers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

    from backpass._types import Array


class Views(dict[str, "Array"]):
    """A dict of views. Setting an entry writes into what it shows, as `views[name][...] = values` does.

    A name that is not there is a KeyError, and values of another shape are NumPy's ValueError. Copies, and what `|`
    gives, are plain dicts.
    """

    model: Any  # whose they are

    def __init__(self, views: dict[str, Array], model: Any = None) -> None:
        super().__init__(views)
        self.model = model

    def __setitem__(self, name: str, values: Any) -> None:
        self[name][...] = values

    def update(self, *others: Any, **named: Any) -> None:
        """Sets entry by entry."""
        for name, values in dict(*others, **named).items():
            self[name] = values

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]
        self.update(other)
        return self

    def __reduce__(self) -> tuple[Callable[..., dict[str, Array]], tuple[dict[str, Array]]]:
        return dict, (dict(self),)
