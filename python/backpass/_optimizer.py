"""What all optimizers share: options, state, pickling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from backpass import _checks, _core
from backpass._schedules import Schedule

if TYPE_CHECKING:
    from backpass._network import Network


@dataclass(frozen=True)
class Group:
    """Settings of their own for the parameters whose names match a pattern.

    Args:
        pattern: "*.bias" or "0.*": `*` stands for anything, `?` for one character.
        learning_rate: None is the optimizer's. Kept as a ratio to it, so that it follows when that changes.
        weight_decay: None is the optimizer's.

    Raises:
        TypeError: where an argument is something else.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
        >>> bp.SGD(0.1, groups=[bp.Group("*.bias", learning_rate=0.5)]).step(model)
    """

    pattern: str
    learning_rate: float | None = None
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, str):
            raise TypeError(f"[Group] pattern must be a string, got {self.pattern!r}")
        for name in ("learning_rate", "weight_decay"):
            object.__setattr__(self, name, _optional("Group", name, getattr(self, name)))


class Options(TypedDict, total=False):
    """What every optimizer takes by keyword; see `Optimizer`."""

    clip_norm: float | None
    clip_value: float | None
    groups: Sequence[Group]
    decay: str
    schedule: Schedule | None


class Optimizer:
    """What all optimizers share.

    An optimizer holds its state (velocities, moments) and belongs to the first model that it steps. Training again
    with it goes on where it stopped; a second model raises ValueError.

    Where the gradient is not finite, or a parameter or the state would not be, nothing is updated: `fit` raises
    DivergedError, a trainer's `step` returns nan, `step` here raises ValueError.

    Every optimizer takes these by keyword.

    Args:
        clip_norm: the gradient of all parameters together is scaled so that its Euclidean norm is at most this:
            g <- g min(1, clip_norm / (|g| + 1e-6)) (Pascanu et al. 2013, in PyTorch's form). `model.gradients()` shows
            it clipped.
        clip_value: every element of the gradient is brought within [-clip_value, clip_value], before clip_norm.
        groups: `Group`s of parameters with settings of their own; the first that matches a name counts.
        decay: "all", or "matrices": weight decay spares parameters of fewer than two dimensions (biases,
            normalisation), unless their group names a weight_decay.
        schedule: such as `CosineAnnealing(1000)`: multiplies the learning rate by a factor of the updates or epochs
            made so far.

    Raises:
        ValueError: where an option is out of range; when the first step is made, where a pattern matches no parameter.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(2), input_shape=1, dtype="float64", seed=0)
        >>> model.flat_gradients[:] = [3, 0, 4, 0]
        >>> bp.SGD(0.1, clip_norm=1.0).step(model)
        >>> model.flat_gradients.round(5).tolist()
        [0.6, 0.0, 0.8, 0.0]
    """

    _native: _core.Optimizer
    _tells_of_start = True  # a column of training tells of the weights that its epoch began with

    def __init__(
        self,
        kind: str,
        settings: Mapping[str, Any],
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Sequence[Group] = (),
        decay: str = "all",
        schedule: Schedule | None = None,
        **unknown: Any,
    ) -> None:
        if not isinstance(settings, Mapping):
            raise TypeError(f"[{kind}] settings must be a mapping, got {settings!r}")
        for name in unknown:
            known = ", ".join((*settings, *Options.__annotations__))
            raise TypeError(f"[{kind}] has no option {name!r}; there are {known}")
        self._kind = kind
        self._settings = {name: _checked(kind, name, value) for name, value in settings.items()}
        self._options: dict[str, Any] = {
            "clip_norm": _optional(kind, "clip_norm", clip_norm),
            "clip_value": _optional(kind, "clip_value", clip_value),
            "groups": _groups(kind, groups),
            "decay": _checks.choice(kind, "decay", decay, ("all", "matrices")),
            "schedule": _schedule(kind, schedule),
        }
        self._native = self._make()

    def _make(self) -> _core.Optimizer:
        plain = dict(self._settings)
        if "betas" in plain:
            plain["beta1"], plain["beta2"] = plain.pop("betas")
        return _core.make_optimizer(self._kind, plain, self._options)

    @property
    def learning_rate(self) -> float:
        """The step size; setting it takes effect with the next step."""
        return self._native.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._native.learning_rate = _checks.number(type(self).__name__, "learning_rate", value)

    @property
    def steps(self) -> int:
        """How many updates it has made."""
        return self._native.steps

    @property
    def current_learning_rate(self) -> float:
        """The rate of the next step: the learning rate times the factor of its schedule."""
        return self._native.current_learning_rate

    def step(self, model: Network) -> None:
        """Updates the parameters of a model from its gradients, which stay as they are where nothing clips them.

        Raises:
            ValueError: where this optimizer belongs to another model, a group's pattern matches no parameter, or a
                gradient is not finite, or a parameter or the state would not be. Nothing is updated then.
            RuntimeError: where the model has not been built.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
            >>> model.parameters()["0.weight"][:] = 2
            >>> model.flat_gradients[:] = 10
            >>> bp.SGD(learning_rate=0.1).step(model)
            >>> model.flat_parameters.tolist()
            [1.0]
        """
        self._native.step(_checks.model("step", model)._built())

    def state_dict(self) -> dict[str, Any]:
        """What steps have left behind, as copies.

        Returns:
            "type", "steps", "learning_rate", "epochs" (those that fit has finished), and "slots": one dict of arrays
            by parameter name for each array of state, named as PyTorch names it ("exp_avg").

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
            >>> adam = bp.Adam()
            >>> adam.step(model)
            >>> state = adam.state_dict()
            >>> state["steps"], sorted(state["slots"]), state["slots"]["exp_avg"]["0.weight"].shape
            (1, ['exp_avg', 'exp_avg_sq'], (2, 3))
        """
        return self._native.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave, that of another model's optimizer too.

        Names and shapes are checked at once where this optimizer has a model, else when it gets one.

        Raises:
            ValueError: where the state is of another kind of optimizer or does not fit the model.
            TypeError: where it is no such dict.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
            >>> adam, again = bp.Adam(), bp.Adam()
            >>> adam.step(model)
            >>> again.load_state_dict(adam.state_dict())
            >>> again.step(model)
            >>> again.steps
            2
        """
        where = type(self).__name__
        if not isinstance(state, Mapping) or set(state) != {"type", "steps", "learning_rate", "epochs", "slots"}:
            raise TypeError(f"[{where}] state must be what state_dict() gave, got {state!r}")
        self._native.load_state_dict(
            str(state["type"]),
            _checks.integer(where, "steps", state["steps"], minimum=0),
            _checks.number(where, "learning_rate", state["learning_rate"]),
            _checks.integer(where, "epochs", state["epochs"], minimum=0),
            {slot: dict(arrays) for slot, arrays in state["slots"].items()},
        )

    def _fresh(self, **changes: Any) -> Optimizer:
        """One with the same settings, but for some options, that has made no steps and belongs to no model."""
        own = {**self._own(), "_options": {**self._options, **changes}}
        return _rebuild(type(self), own, self.learning_rate)

    def _own(self) -> dict[str, Any]:
        """All attributes but the optimizer of the core, those of subclasses too."""
        return {name: value for name, value in vars(self).items() if name != "_native"}

    def __repr__(self) -> str:
        plain: dict[str, Any] = {"clip_norm": None, "clip_value": None, "groups": [], "decay": "all", "schedule": None}
        options = {name: value for name, value in self._options.items() if value != plain[name]}
        settings = {**self._settings, "learning_rate": self.learning_rate, **options}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.steps:
            raise TypeError(f"[{type(self).__name__}] an optimizer that has made steps belongs to a model: no copies")
        return _rebuild, (type(self), self._own(), self.learning_rate)


def _rebuild(cls: type[Optimizer], own: dict[str, Any], learning_rate: float) -> Optimizer:
    """As it was, whatever arguments the constructor of a subclass takes."""
    optimizer = cls.__new__(cls)
    vars(optimizer).update(own)
    optimizer._native = optimizer._make()
    optimizer.learning_rate = learning_rate  # the rates of groups are ratios to the one that it began with
    return optimizer


def _checked(where: str, name: str, value: Any) -> Any:
    """A setting of the kind that its name tells."""
    if name == "betas":
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise TypeError(f"[{where}] betas must be two numbers, got {value!r}")
        return tuple(_checks.number(where, name, beta) for beta in value)
    if name in ("nesterov", "centered", "amsgrad"):
        return _checks.flag(where, name, value)
    if name == "steps":
        return _checks.integer(where, name, value, minimum=1)
    if name == "adjust":
        return _checks.choice(where, name, value, ("original", "match_rms_adamw"))
    return _checks.number(where, name, value)


def _schedule(where: str, schedule: Any) -> Schedule | None:
    if schedule is not None and not isinstance(schedule, Schedule):
        raise TypeError(f"[{where}] schedule must be a schedule such as CosineAnnealing(100), got {schedule!r}")
    return schedule


def _optional(where: str, name: str, value: Any) -> float | None:
    return None if value is None else _checks.number(where, name, value)


def _groups(where: str, groups: Any) -> list[Group]:
    if not isinstance(groups, (list, tuple)) or not all(isinstance(group, Group) for group in groups):
        raise TypeError(f"[{where}] groups must be a list of Group, got {groups!r}")
    return list(groups)
