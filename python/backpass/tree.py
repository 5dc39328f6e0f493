"""Nested containers of arrays: dicts, lists, tuples, named tuples, dataclasses and None, and what is in them.

A leaf is whatever is none of these. Dicts keep the order of their keys; where another kind of dict goes in, such as
`model.parameters()` or an OrderedDict, a plain one comes out.

>>> import backpass as bp
>>> parameters = {"weight": 1.0, "layers": [2.0, (3.0, None)]}
>>> bp.tree.leaves(parameters)
[1.0, 2.0, 3.0]
>>> bp.tree.map(lambda x: 10 * x, parameters)
{'weight': 10.0, 'layers': [20.0, (30.0, None)]}
"""

from __future__ import annotations

import builtins
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["Structure", "flatten", "leaves", "map", "structure", "unflatten"]


@dataclasses.dataclass(frozen=True)
class Structure:
    """The shape of a tree without its leaves.

    Example:
        >>> import backpass as bp
        >>> bp.tree.structure({"a": 1, "b": [2, 3]}) == bp.tree.structure({"a": 0.5, "b": ["x", "y"]})
        True
    """

    kind: str  # "leaf", "none", "tuple", "list", "dict" or "other"
    children: tuple[Structure, ...] = ()
    aux: Any = None  # of a dict its keys; of others their type and the names of their fields

    @property
    def count(self) -> int:
        """How many leaves it has."""
        return 1 if self.kind == "leaf" else builtins.sum(child.count for child in self.children)

    def rebuild(self, children: Sequence[Any]) -> Any:
        """A named tuple or a dataclass of such children."""
        made, fields = self.aux
        if not fields:
            return made(*children)
        built = object.__new__(made)
        for name, child in zip(fields, children, strict=True):
            object.__setattr__(built, name, child)
        return built


_LEAF, _NONE = Structure("leaf"), Structure("none")


def children(value: Any) -> tuple[list[Any], tuple[type, tuple[str, ...]]] | None:
    """The parts of a named tuple or a dataclass, and what makes one of them again; None for anything else."""
    if isinstance(value, tuple) and hasattr(type(value), "_fields"):
        return list(value), (type(value), ())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(field.name for field in dataclasses.fields(value))
        return [getattr(value, name) for name in names], (type(value), names)
    return None


def _parts(value: Any) -> tuple[str, list[Any], Any] | None:
    """Kind, children and aux of a node; None for a leaf."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind.__name__, [*value], None
    if isinstance(value, dict):
        return "dict", [*value.values()], (*value,)
    other = children(value)
    return None if other is None else ("other", *other)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree in order, and its structure.

    Example:
        >>> import backpass as bp
        >>> leaves, structure = bp.tree.flatten((1, {"a": 2}))
        >>> bp.tree.unflatten(structure, [x + 1 for x in leaves])
        (2, {'a': 3})
    """
    found: list[Any] = []

    def of(value: Any) -> Structure:
        if value is None:
            return _NONE
        parts = _parts(value)
        if parts is None:
            found.append(value)
            return _LEAF
        kind, inner, aux = parts
        return Structure(kind, tuple(of(child) for child in inner), aux)

    try:
        made = of(tree)
    except RecursionError:
        raise ValueError("[tree] contains itself, or is nested too deeply") from None
    return found, made


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """A tree of some structure with these leaves.

    Raises:
        ValueError: if there are not as many leaves as the structure has.

    Example:
        >>> import backpass as bp
        >>> bp.tree.unflatten(bp.tree.structure([0, (0, 0)]), "abc")
        ['a', ('b', 'c')]
    """
    if len(leaves) != structure.count:
        raise ValueError(f"[tree] needs {structure.count} leaves, got {len(leaves)}")
    return _build(structure, iter(leaves))


def _build(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure.kind == "leaf":
        return next(leaves)
    if structure.kind == "none":
        return None
    inner = [_build(child, leaves) for child in structure.children]
    if structure.kind == "dict":
        return dict(zip(structure.aux, inner, strict=True))
    if structure.kind == "tuple":
        return tuple(inner)
    return inner if structure.kind == "list" else structure.rebuild(inner)


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree in order.

    Example:
        >>> import backpass as bp
        >>> bp.tree.leaves({"b": 1, "a": [2, None, 3]})
        [1, 2, 3]
    """
    return flatten(tree)[0]


def structure(tree: Any) -> Structure:
    """The structure of a tree.

    Example:
        >>> import backpass as bp
        >>> bp.tree.structure([1, (2, 3)]).count
        3
    """
    return flatten(tree)[1]


def map(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree of f(leaf, ...), over the leaves of one tree or of several that have its structure.

    Raises:
        ValueError: if another tree has another structure.

    Example:
        >>> import backpass as bp
        >>> bp.tree.map(lambda w, g: w - 0.5 * g, {"a": 1.0, "b": [2.0]}, {"a": 1.0, "b": [4.0]})
        {'a': 0.5, 'b': [0.0]}
    """
    first, made = flatten(tree)
    rest = [leaves_like(made, other) for other in others]
    return unflatten(made, [f(*together) for together in zip(first, *rest, strict=True)])


def leaves_like(made: Structure, tree: Any) -> list[Any]:
    """The leaves of a tree in the order of a structure, which it must have; dicts are read by key."""
    found: list[Any] = []

    def of(expected: Structure, value: Any) -> None:
        if expected.kind == "leaf":
            found.append(value)
            return
        if expected.kind == "dict" and type(value) is dict and {*value} == {*expected.aux}:
            value = {key: value[key] for key in expected.aux}
        parts = ("none", [], None) if value is None else _parts(value)
        if parts is None or parts[0] != expected.kind or parts[2] != expected.aux:
            raise ValueError(f"[tree] expected a {expected.kind} as in the first tree, got {value!r:.60}")
        if len(parts[1]) != len(expected.children):
            raise ValueError(
                f"[tree] expected {len(expected.children)} parts as in the first tree, got {len(parts[1])}"
            )
        for child, part in zip(expected.children, parts[1], strict=True):
            of(child, part)

    of(made, tree)
    return found
