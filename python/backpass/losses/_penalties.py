"""Penalties on weights: terms of the loss in training, by patterns of parameter names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from backpass import _checks, _core, _functions
from backpass._sealed import Sealed

if TYPE_CHECKING:
    from typing import TypeAlias

Term = Callable[[_core.Tensor], _core.Tensor]


class Penalty(Sealed):
    """The sum of term(w) over the parameters w whose names match, for `weight_penalty` of `fit` and `Trainer`.

    Args:
        term: a function of a parameter that composes operations and gives one number.
        pattern: "*.weight" or "0.*": `*` stands for anything, `?` for one character.
        per_row: whether the sum is divided by what the rows of a batch weigh together (their number, without sample
            weights), as scikit-learn's `alpha` is.

    Raises:
        TypeError: if an argument is something else.

    Example:
        >>> import backpass as bp
        >>> def towards_one(w):
        ...     return 0.1 * bp.sum(bp.square(w - 1))
        >>> model = bp.Sequential(bp.Dense(1, weight_init="ones"), input_shape=2, seed=0)
        >>> history = model.fit([[0.0, 0.0]], [[0.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1),
        ...                     weight_penalty=bp.Penalty(towards_one, "*.bias"))
        >>> round(history["weight_penalty"][0], 3), round(float(model.parameters()["0.bias"][0]), 3)
        (0.1, 0.02)
    """

    _instead = "make another penalty"
    term: Term
    pattern: str
    per_row: bool = False  # also of what an older backpass has pickled

    def __init__(self, term: Term, pattern: str = "*", per_row: bool = False) -> None:
        where = type(self).__name__
        if not callable(term):
            raise TypeError(f"[{where}] term must be a function of a parameter, got {term!r}")
        self._keep(
            term=term,
            pattern=_checks.text(where, "pattern", pattern),
            per_row=_checks.flag(where, "per_row", per_row),
        )

    def _of(self, parameter: _core.Tensor) -> _core.Tensor:
        value = self.term(parameter)
        if not isinstance(value, _core.Tensor):
            raise TypeError(f"[weight_penalty] {self!r} must give a tensor, got {type(value).__name__}")
        return value

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"Penalty({getattr(self.term, '__name__', self.term)}, {self.pattern!r}{self._per_row()})"

    def _per_row(self) -> str:
        return ", per_row=True" if self.per_row else ""


class L1(Penalty):
    """factor * the sum of |w|: drives weights to exactly 0 (Tibshirani 1996).

    Args:
        factor: finite, not negative.
        pattern: of parameter names.
        per_row: as of `Penalty`.

    Raises:
        ValueError: if the factor is out of range.

    Example:
        >>> import backpass as bp
        >>> bp.L1(1e-4, "*.weight")
        L1(0.0001, '*.weight')
    """

    factor: float

    def __init__(self, factor: float, pattern: str = "*", per_row: bool = False) -> None:
        where = type(self).__name__
        self._keep(factor=_checks.not_negative(where, "factor", factor))
        self._keep(pattern=_checks.text(where, "pattern", pattern), per_row=_checks.flag(where, "per_row", per_row))

    def _of(self, parameter: _core.Tensor) -> _core.Tensor:
        return _functions.sum(_functions.abs(parameter)) * self.factor

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.factor!r}, {self.pattern!r}{self._per_row()})"


class L2(L1):
    """factor * the sum of w^2, as Keras writes it; its gradient is 2 factor w.

    Args:
        factor: finite, not negative.
        pattern: of parameter names.
        per_row: as of `Penalty`.

    Raises:
        ValueError: if the factor is out of range.

    Example:
        >>> import backpass as bp
        >>> bp.L2(0.5)
        L2(0.5, '*')
    """

    def _of(self, parameter: _core.Tensor) -> _core.Tensor:
        return _functions.sum(_functions.square(parameter)) * self.factor


WeightPenalty: TypeAlias = "Penalty | Term | Sequence[Penalty | Term] | None"


def checked_penalties(where: str, given: Any) -> list[Penalty]:
    """One penalty or several; a function is one of all parameters."""
    several = [] if given is None else given if isinstance(given, (list, tuple)) else [given]
    for each in several:
        if isinstance(each, type) or not (isinstance(each, Penalty) or callable(each)):
            raise TypeError(f"[{where}] weight_penalty must be penalties such as L2(1e-4), got {_checks.shown(each)}")
    return [each if isinstance(each, Penalty) else Penalty(each) for each in several]


def native_penalties(penalties: Sequence[Penalty]) -> list[tuple[str, Term, bool]]:
    """As the core takes them: patterns, functions of a parameter, and whether rows divide them."""
    return [(penalty.pattern, penalty._of, penalty.per_row) for penalty in penalties]
