"""What all optimizers share: options, state, pickling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from backpass import _checks, _core, _names, _settings
from backpass._joined import Joined
from backpass._sealed import Sealed
from backpass.optimizers._apply import Apply, first_state
from backpass.optimizers._bound import Bindable, bound_to, gradients_into, minimized, network_to_step, stepped
from backpass.optimizers._own_optimizer import guarded, steps_by_hand, update_of
from backpass.optimizers._schedules import Schedule

if TYPE_CHECKING:
    from backpass._types import Array
    from backpass.callbacks._callback import Callback
    from backpass.models._network import Network


@dataclass(frozen=True)
class Group:
    """Settings of their own for the parameters whose names match a pattern.

    Args:
        pattern: "*.bias" or "0.*": `*` stands for anything, `?` for one character.
        learning_rate: None is the optimizer's. Kept as a ratio to it, so that it follows when that changes.
        weight_decay: None is the optimizer's.

    Raises:
        TypeError: if an argument is something else.

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
    decay_schedule: Schedule | None


PLAIN: dict[str, Any] = {
    "clip_norm": None,
    "clip_value": None,
    "groups": [],
    "decay": "all",
    "schedule": None,
    "decay_schedule": None,
}
OPTIMIZERS: dict[str, type[Optimizer]] = {}  # ours, by name


class Optimizer(Sealed, metaclass=Bindable):
    """The base of all optimizers.

    An optimizer holds its state (velocities, moments) and belongs to the first model that it steps. Training again
    with it continues where it stopped; a second model raises ValueError. A copy or an unpickled optimizer continues
    from the same state with the first model that it steps. Only the setting `learning_rate` can be changed; for others
    make another optimizer and use `load_state_dict`.

    To write your own, subclass it, pass `kind` and `settings` to this constructor, and define one of two methods.
    `update` composes operations: it is compiled, clipped and grouped like ours. `step(model)` computes with NumPy on
    `model.flat_parameters` and `model.flat_gradients`, at `current_learning_rate`; a subclass of one of ours may call
    `super().step(model)`. Either works in `fit`, in a `Trainer` and by hand. `slots` names the arrays of state that it
    keeps: they start at zero, and are copied, saved in checkpoints and included in `state_dict` like ours. A step that
    would leave weights that are not finite is undone.

    If the gradient is not finite, or a parameter or the state would not be, nothing is updated: `fit` raises
    DivergedError, a trainer's `step` returns nan, `step` here raises NotFiniteError. Frozen ones have no gradient.

    Every optimizer takes these options by keyword.

    Args:
        kind: the name of one of ours, or of your own.
        settings: numbers by name, "learning_rate" among them. Your own may have a "weight_decay", which is then added
            to the gradient as weight_decay * w before `update` gets it.
        clip_norm: the gradient of all parameters together is scaled so that its Euclidean norm is at most this:
            g <- g min(1, clip_norm / (|g| + 1e-6)) (Pascanu et al. 2013, in PyTorch's form). `model.gradients()` shows
            it clipped.
        clip_value: every element of the gradient is brought within [-clip_value, clip_value], before clip_norm.
        groups: `Group`s of parameters with settings of their own; the first that matches a name counts.
        decay: "all", or "matrices": weight decay spares parameters of fewer than two dimensions (biases,
            normalisation), unless their group names a weight_decay.
        schedule: such as `CosineAnnealing(1000)`: multiplies the learning rate by a factor of the updates or epochs
            made so far.
        decay_schedule: likewise, for the weight decay, that of groups too; not for an `update` of your own.

    Raises:
        TypeError: if an option or a setting is something else, or your own class has neither `update` nor `step`.
        ValueError: if an option is out of range, or asked of a `step` of your own; when the first step is made,
            where a pattern matches no parameter.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(2), input_shape=1, dtype="float64", seed=0)
        >>> model.flat_gradients[:] = [3, 0, 4, 0]
        >>> bp.SGD(0.1, clip_norm=1.0).step(model)
        >>> model.flat_gradients.round(5).tolist()
        [0.6, 0.0, 0.8, 0.0]
    """

    slots: tuple[str, ...] = ()  # of a class of your own: names of the arrays of state
    _native: _core.Optimizer
    _stepped: Any = None  # the model that it was told of, or what stands for one
    _network: _core.Network | None = None  # that it has stepped last
    _applied: Apply | None = None
    _instead = "make another optimizer"
    _makes_steps = True  # one for each batch; else it runs a fit in its own way, and columns tell of the epoch's end

    def __init_subclass__(cls) -> None:
        if cls.__module__.startswith("backpass."):
            OPTIMIZERS[cls.__name__] = cls
        if cls._makes_steps and "step" in vars(cls):
            cls.step = guarded(cls.step)  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        cls = type(self).__name__
        if "_native" not in vars(self):
            raise AttributeError(f"[{cls}] call super().__init__(name, {{'learning_rate': ...}}) in __init__")
        raise AttributeError(f"{cls!r} object has no attribute {name!r}")

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
        decay_schedule: Schedule | None = None,
        **unknown: Any,
    ) -> None:
        if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
            raise TypeError(f"[{kind}] settings must be a mapping of names, got {settings!r}")
        for name in unknown:
            hint = _names.suggestion(name, (*settings, *Options.__annotations__))
            raise TypeError(f"[{kind}] has no option {name!r}{hint}")
        self._kind = kind
        self._settings = {name: _setting(kind, name, value) for name, value in settings.items()}
        self._options: dict[str, Any] = {
            "clip_norm": _optional(kind, "clip_norm", clip_norm),
            "clip_value": _optional(kind, "clip_value", clip_value),
            "groups": _groups(kind, groups),
            "decay": _checks.choice(kind, "decay", decay, ("all", "matrices")),
            "schedule": _schedule(kind, "schedule", schedule),
            "decay_schedule": _schedule(kind, "decay_schedule", decay_schedule),
        }
        self._native = self._make()

    def _make(self) -> _core.Optimizer:
        plain = dict(self._settings)
        if "betas" in plain:
            plain["beta1"], plain["beta2"] = plain.pop("betas")
        composes, by_hand = type(self).update is not Optimizer.update, steps_by_hand(self)
        known = _settings.fields("optimizer", self._kind)
        if not composes and known:
            if (unknown := [name for name in self._settings if name not in known]) and not by_hand:
                hint = _names.suggestion(unknown[0], known)
                raise TypeError(f"[{self._kind}] has no setting {unknown[0]!r}{hint}")
            return _core.make_optimizer(self._kind, plain, self._options)
        self._check_own(composes, by_hand)
        update = update_of(self) if composes else None
        return _core.composed_optimizer(type(self).__name__, plain, list(self.slots), update, self._options)

    def _check_own(self, composes: bool, by_hand: bool) -> None:
        """Of a class that is written by a user, and whose rule is none of ours."""
        where = type(self).__name__
        if not (composes or by_hand):
            raise TypeError(f"[{where}] an optimizer of your own needs update or step, see help(bp.Optimizer)")
        if "learning_rate" not in self._settings:
            raise TypeError(f"[{where}] settings must have a learning_rate, got {self._settings!r}")
        if not composes and (asked := [name for name in self._changed_options() if name != "schedule"]):
            raise ValueError(f"[{where}] a step of your own takes no {asked[0]}: step does it, or update gets it done")
        if not composes and self._settings.get("weight_decay"):
            raise ValueError(
                f"[{where}] a step of your own takes no weight_decay: step does it, or update gets it done"
            )

    def update(
        self,
        weight: _core.Tensor,
        grad: _core.Tensor,
        slots: Mapping[str, _core.Tensor],
        *,
        learning_rate: _core.Tensor,
        step: _core.Tensor,
    ) -> _core.Tensor | tuple[_core.Tensor, Mapping[str, _core.Tensor]]:
        """The rule of an optimizer of your own, called once for each parameter when its update is compiled.

        Args:
            weight: the parameter, of its shape; `weight.name` is its name.
            grad: its gradient, clipped and with weight decay, where options say so.
            slots: of that shape, by name.
            learning_rate: a number, that of this step: schedules and groups are in it.
            step: a number, from 1.

        Returns:
            The new weight; where there are slots, a pair of it and a dict of the new ones.

        Example:
            >>> import backpass as bp
            >>> class Heavy(bp.Optimizer):
            ...     slots = ("velocity",)
            ...     def __init__(self, learning_rate, momentum=0.9, **options):
            ...         self.momentum = momentum
            ...         super().__init__("Heavy", {"learning_rate": learning_rate, "momentum": momentum}, **options)
            ...     def update(self, weight, grad, slots, learning_rate, step):
            ...         velocity = slots["velocity"] * self.momentum + grad
            ...         return weight - learning_rate * velocity, {"velocity": velocity}
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
            >>> model.parameters()["0.weight"][:] = 2
            >>> heavy = Heavy(0.5, momentum=0.5)
            >>> for gradient in (1, 1):  # velocities 1 and 1.5
            ...     model.flat_gradients[:] = gradient
            ...     heavy.step(model)
            >>> model.flat_parameters.tolist()
            [0.75]
        """
        raise NotImplementedError(f"[{type(self).__name__}] an optimizer of your own needs update or step")

    def slot(self, model: Network, name: str) -> Array:
        """An array of state: a writable view of `n_parameters` elements, laid out like `model.flat_parameters`.

        For a `step` of your own; the optimizer belongs to the model then.

        Raises:
            ValueError: if there is no such slot, or the optimizer belongs to another model.

        Example:
            >>> import backpass as bp, numpy as np
            >>> class Signs(bp.Optimizer):
            ...     slots = ("mean",)
            ...     def step(self, model):
            ...         mean = self.slot(model, "mean")
            ...         mean += 0.1 * (model.flat_gradients - mean)
            ...         model.flat_parameters[:] -= self.current_learning_rate * np.sign(mean)
            >>> signs = Signs("Signs", {"learning_rate": 0.25})
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
            >>> model.flat_parameters[:], model.flat_gradients[:] = 1, 7
            >>> signs.step(model)
            >>> model.flat_parameters.tolist(), signs.steps
            ([0.75], 1)
        """
        where = type(self).__name__
        return self._native.slot(_checks.model(where, model)._built(), _checks.text(where, "name", name))

    @property
    def learning_rate(self) -> float:
        """The step size; setting it takes effect with the next step."""
        return self._native.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._native.learning_rate = _checks.number(type(self).__name__, "learning_rate", value)

    @property
    def steps(self) -> int:
        """The number of updates made so far."""
        return self._native.steps

    @property
    def current_learning_rate(self) -> float:
        """The rate of the next step: the learning rate times the factor of its schedule."""
        return self._native.current_learning_rate

    def step(self, model: Network | None = None) -> None:
        """Updates the parameters of a model from its gradients. Only clipping changes the gradients.

        Args:
            model: a model or module; None is what the optimizer was made for: `Adam(model.parameters(), lr=1e-3)`.

        Raises:
            NotFiniteError: a ValueError, if a gradient is not finite, or a parameter or the state would not be.
            ValueError: if this optimizer belongs to another model, or a group's pattern matches no parameter.
                Nothing is updated in either case.
            RuntimeError: if the model has not been built.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
            >>> model.parameters()["0.weight"][:] = 2
            >>> model.flat_gradients[:] = 10
            >>> bp.SGD(learning_rate=0.1).step(model)
            >>> model.flat_parameters.tolist()
            [1.0]
        """
        target = stepped(self, "step", model)
        network = network_to_step(self, target)
        self._native.step(network)
        if not target._trained:
            target._trained = True

    def zero_grad(self) -> None:
        """Sets all gradients of what this optimizer was made for to zero.

        Raises:
            ValueError: if it was made for nothing: `model.zero_grad()` does it then.

        Example:
            >>> import backpass as bp
            >>> w = bp.tensor([3.0], requires_grad=True)
            >>> optimizer = bp.SGD([w], lr=0.5)
            >>> for _ in range(3):
            ...     optimizer.zero_grad()
            ...     bp.sum(w * w).backward()
            ...     optimizer.step()
            >>> w.tolist()
            [0.0]
        """
        stepped(self, "zero_grad").zero_grad()

    def apply_gradients(self, grads_and_variables: Iterable[tuple[Any, _core.Tensor]]) -> None:
        """One step with these gradients, in pairs (gradient, variable), as in Keras; None counts as zeros.

        The variables are the `trainable_variables` of a model, or leaves of your own: always the same ones.

        Raises:
            TypeError: if they are no such pairs.
            ValueError: if the variables are not of one model.

        Example:
            >>> import backpass as bp
            >>> w = bp.Variable([2.0])
            >>> with bp.GradientTape() as tape:
            ...     loss = bp.sum(w * w)
            >>> bp.SGD(0.25).apply_gradients(zip(tape.gradient(loss, [w]), [w]))
            >>> w.tolist()
            [1.0]
        """
        variables = gradients_into(type(self).__name__, grads_and_variables)
        if self._stepped is None:
            self._stepped = bound_to(type(self).__name__, variables)
        elif isinstance(self._stepped, Joined):
            self._stepped.add(variables)
        self.step()

    def minimize(self, function: Callable[[], _core.Tensor], parameters: Any = None) -> _core.Tensor:
        """One step along the gradient of what `function()` computes.

        Args:
            function: gives one number, computed from the parameters.
            parameters: a model, `model.parameters()` or a list of leaves; None is what the optimizer was made for.

        Returns:
            What the function gave.

        Example:
            >>> import backpass as bp
            >>> w = bp.tensor([3.0], requires_grad=True)
            >>> float(bp.SGD(0.5).minimize(lambda: bp.sum(w * w), [w])), w.tolist()
            (9.0, [0.0])
        """
        return minimized(self, function, parameters)  # type: ignore[no-any-return]

    def init(self, parameters: Any) -> dict[str, Any]:
        """The state before the first step, for `apply`: that of a pure function, apart from this optimizer's own.

        Args:
            parameters: an array, or a tree of them: nested dicts, lists, tuples and dataclasses.

        Returns:
            A dict of "steps", the number of steps made, and "slots": for each array of state, named as in
            `state_dict`, arrays in the structure of the parameters.

        Example:
            >>> import backpass as bp
            >>> import numpy as np
            >>> bp.SGD(0.1, momentum=0.9).init({"w": np.ones(2)})
            {'steps': array(0, dtype=int32), 'slots': {'momentum_buffer': {'w': array([0., 0.])}}}
        """
        return first_state(self, parameters)

    def apply(self, parameters: Any, gradients: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """One step as a pure function, as in optax: new parameters and a new state, by operations.

        Settings, clipping, groups, decay and schedule are as in `step`; groups know a parameter by the keys that lead
        to it, with dots between: that of `{"0": {"bias": b}}` is "0.bias". The learning rate is that of the time of
        the call, also within `bp.compile`. Nothing looks whether all is finite. It can be compiled, differentiated and
        mapped as any function, and runs as a compiled function itself.

        Args:
            parameters: arrays or tensors, or a tree of them.
            gradients: by each of them, in the same structure.
            state: what `init` or the last step gave.

        Raises:
            ValueError: if structures or shapes do not fit, a pattern of `groups` matches no parameter, the schedule
                is one by epochs, or the optimizer makes no steps of operations (LBFGS, a `step` of your own).

        Example:
            >>> import backpass as bp
            >>> import numpy as np
            >>> adam = bp.Adam(0.1)
            >>> @bp.compile
            ... def step(w, state):
            ...     w, state = adam.apply(w, bp.grad(lambda w: bp.sum(w * w))(w), state)
            ...     return w, state
            >>> w = np.array([3.0, -4.0])
            >>> state = adam.init(w)
            >>> for _ in range(100):
            ...     w, state = step(w, state)
            >>> int(state["steps"]), bool(np.abs(w).max() < 0.1)
            (100, True)
        """
        if self._applied is None:
            self._applied = Apply(self)
        return self._applied(parameters, gradients, state)  # type: ignore[no-any-return]

    def state_dict(self) -> dict[str, Any]:
        """The state after the steps so far, as copies.

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
        """Continues from what `state_dict` returned, also that of another model's optimizer.

        Names and shapes are checked at once where this optimizer has a model, else when it gets one.

        Raises:
            ValueError: if the state is of another kind of optimizer or does not fit the model.
            TypeError: if it is no such dict.

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

    def _check_trainer(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError where a trainer with these options has no use for this; asked before anything changed."""

    def _check_fit(self, callbacks: Sequence[Callback]) -> None:
        """Raises ValueError for callbacks that a fit with this would not serve; asked before anything changed."""

    def _require_steps(self) -> None:
        """Raises TypeError where this makes no single steps."""

    def _fresh(self, **changes: Any) -> Optimizer:
        """One with the same settings, but for some options, that has made no steps and belongs to no model."""
        own = {**self._own(), "_options": {**self._options, **changes}}
        return _rebuild(type(self), own, self.learning_rate)

    def _own(self) -> dict[str, Any]:
        """All attributes but the optimizer of the core, those of subclasses too."""
        apart = ("_native", "_stepped", "_network", "_applied")
        return {name: value for name, value in vars(self).items() if name not in apart}

    def _changed_options(self) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if value != PLAIN[name]}

    def __repr__(self) -> str:
        settings = {**self._settings, "learning_rate": self.learning_rate, **self._changed_options()}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._own(), self.learning_rate, self.state_dict() if self.steps else None)


def resolved(where: str, optimizer: Any) -> Optimizer:
    """The optimizer, or a fresh one of ours by its name."""
    if isinstance(optimizer, str):
        cls = _names.lookup(where, "optimizer", optimizer, OPTIMIZERS, {})
        return _names.made(where, f'optimizer "{optimizer}"', cls)
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        raise TypeError(f"[{where}] optimizer must be an optimizer, got a class: write {optimizer.__name__}()")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"[{where}] optimizer must be an optimizer such as Adam(), got {optimizer!r}")
    return optimizer


def going_on(where: str, optimizer: Any, last: Optimizer | None) -> Optimizer | None:
    """The last optimizer, where none is given, or the name of its kind; else the one that is."""
    if optimizer is None:
        return last
    given = resolved(where, optimizer)
    return last if isinstance(optimizer, str) and type(given) is type(last) else given


def _rebuild(
    cls: type[Optimizer], own: dict[str, Any], learning_rate: float, state: dict[str, Any] | None = None
) -> Optimizer:
    """As it was, whatever arguments the constructor of a subclass takes; it belongs to the next model that it steps."""
    optimizer = cls.__new__(cls)
    vars(optimizer).update({**own, "_options": {**PLAIN, **own["_options"]}})  # older ones lack some
    optimizer._native = optimizer._make()
    optimizer.learning_rate = learning_rate  # the rates of groups are ratios to the one that it began with
    if state is not None:
        optimizer.load_state_dict(state)
    return optimizer


def _setting(kind: str, name: str, value: Any) -> Any:
    """A setting; of an optimizer of one's own, what ours of that name holds, else a number."""
    if field := _settings.fields("optimizer", kind).get(name):
        return _settings.checked(kind, field, value)
    alike = _settings.any_field("optimizer", name)
    return _settings.converted(kind, alike, value) if alike else _checks.number(kind, name, value)


def _schedule(where: str, name: str, schedule: Any) -> Schedule | None:
    if schedule is not None and not isinstance(schedule, Schedule):
        given = _checks.shown(schedule)
        raise TypeError(f"[{where}] {name} must be a schedule such as CosineAnnealing(100), got {given}")
    return schedule


def _optional(where: str, name: str, value: Any) -> float | None:
    return None if value is None else _checks.number(where, name, value)


def _groups(where: str, groups: Any) -> list[Group]:
    if not isinstance(groups, (list, tuple)) or not all(isinstance(group, Group) for group in groups):
        raise TypeError(f"[{where}] groups must be a list of Group, got {groups!r}")
    return list(groups)
