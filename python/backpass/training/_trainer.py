"""Trainer: a model, a loss and an optimizer, stepped by hand or for whole epochs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from backpass import _checks, _core
from backpass._names import suggesting
from backpass._sealed import Sealed
from backpass._warnings import warn, warn_caller
from backpass.callbacks._averages import Averaging
from backpass.callbacks._callback import checked_callbacks, hooks_of
from backpass.callbacks._checkpoint import reader_of, writer_of
from backpass.callbacks._history import History, columns_of, terms_of
from backpass.data._class_weights import with_class_weights
from backpass.data._data import HeldOut, checked_names, row_count, rows_of, shape_giver, with_one_target
from backpass.data._sets import transform_of
from backpass.data._streams import Stream
from backpass.data._tables import arrays_of, names_of
from backpass.losses import _loss as _losses
from backpass.losses._loss import native_losses, native_weights
from backpass.losses._metrics import asked_metrics
from backpass.losses._penalties import checked_penalties, native_penalties
from backpass.optimizers import _optimizer
from backpass.optimizers._optimizer import Optimizer
from backpass.optimizers._own_optimizer import NotFiniteError, steps_by_hand
from backpass.training._mistakes import check_frozen, check_inputs, check_outputs
from backpass.training._options import RunOptions, TrainerOptions, complete, taking
from backpass.training._sets import DataSets, check_alone, data_sets, sets_in
from backpass.training._stalled import why_stalled

if TYPE_CHECKING:
    from backpass._types import ArrayLike, Metrics, Targets
    from backpass.losses._loss import AnyLoss
    from backpass.losses._penalties import Penalty
    from backpass.models._network import Network


class Trainer(Sealed):
    """A model, a loss and an optimizer: `step` makes one update, `fit` runs epochs.

    `fit` and a loop of `step` over the same batches give the same bits.

    Args:
        model: what is trained; a model without shapes takes them from the first data.
        loss: such as `MSE()`, its name, one of your own, or a list with one for each output.
        optimizer: such as `SGD(...)` or `Adam(...)`, or a name for one with its defaults.
        threads: how many; None is the default of `get_threads()`.
        loss_weights: a number for each output that multiplies its loss; None counts each once.
        recompute: whether most values between layers are computed again for the backward pass instead of kept: the
            same bits from less memory, in up to a third more time (other bits with `activation_dtype`, because
            recomputed values are not rounded). See `memory_estimate`.
        activation_dtype: "bfloat16" keeps values for the backward pass in half the memory, rounded to 8 binary digits;
            "int8" in a quarter, rounded to 255 steps; arithmetic, sums and weights stay float32. None keeps them as
            they are.
        weight_penalty: such as `L2(1e-4, "*.weight")`, `L1(...)`, `Penalty(...)`, a function, or a list of them: added
            to the loss in training. `evaluate` tells the loss of the data alone.

    Raises:
        TypeError: if one of them is something else.
        ValueError: if activation_dtype is another, or the model's dtype is float64.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)
        >>> trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
        >>> losses = [trainer.step([[1.0], [2.0]], [[3.0], [5.0]]) for _ in range(200)]
        >>> losses[-1] < 0.01
        True
    """

    _instead = "make another trainer"
    model: Network
    loss: AnyLoss
    optimizer: Optimizer
    loss_weights: Sequence[float] | None
    recompute: bool
    activation_dtype: str | None
    weight_penalty: list[Penalty]

    @taking(TrainerOptions)
    def __init__(
        self, model: Network, loss: AnyLoss, optimizer: Optimizer | str, **options: Unpack[TrainerOptions]
    ) -> None:
        _checks.model("Trainer", model)
        loss, optimizer = _losses.resolved("Trainer", loss), _optimizer.resolved("Trainer", optimizer)
        self._losses = native_losses("Trainer", loss)
        asked = _checked("Trainer", options)
        if asked["activation_dtype"] is not None and model.dtype != "float32":
            raise ValueError(f"[Trainer] activation_dtype needs a model of float32, got {model.dtype}")
        self._threads, self._loss_weights = asked.pop("threads"), asked.pop("loss_weights")
        optimizer._check_trainer(asked)
        self._native: _core.Trainer | None = None
        self._network: _core.Network | None = None
        self._keep(model=model, loss=loss, optimizer=optimizer, loss_weights=options.get("loss_weights"), **asked)
        model._may_be_changed()
        self._has_looked = False  # for mistakes

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of: model and optimizer as they are now. Plans are compiled again."""
        return {**vars(self), "_native": None, "_network": None, "_losses": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _losses=native_losses("Trainer", state["loss"]))

    def __repr__(self) -> str:
        if "loss" not in vars(self):  # made without arguments
            return object.__repr__(self)
        plain: dict[str, Any] = {
            "loss_weights": None,
            "recompute": False,
            "activation_dtype": None,
            "weight_penalty": [],
        }
        options = "".join(f", {name}={vars(self)[name]!r}" for name in plain if vars(self)[name] != plain[name])
        threads = f", threads={self._threads}" if self._threads else ""
        return f"Trainer({self.model!r}, {self.loss!r}, {self.optimizer!r}{options}{threads})"

    def _continues(self, loss: AnyLoss, optimizer: Optimizer, options: TrainerOptions) -> bool:
        """Whether a fit with these can use this trainer and its plans."""
        own = {
            "threads": self._threads,
            "loss_weights": self._loss_weights,
            "recompute": self.recompute,
            "activation_dtype": self.activation_dtype,
            "weight_penalty": self.weight_penalty,
        }
        return _checked("fit", options) == own and loss is self.loss and optimizer is self.optimizer

    def _for(self, network: _core.Network) -> _core.Trainer:
        if self._native is None or self._network is not network:
            self._native = _core.Trainer(
                network,
                self._losses,
                self.optimizer._native,
                self._threads,
                self._loss_weights,
                recompute=self.recompute,
                activation_dtype=self.activation_dtype or "",
                weight_penalty=native_penalties(self.weight_penalty),
                update=_step_by_hand(self) if steps_by_hand(self.optimizer) else None,
            )
            self._network = network if self.optimizer._makes_steps else None
        return self._native

    def _for_steps(self, network: _core.Network) -> _core.Trainer:
        self.optimizer._require_steps()
        return self._for(network)

    def step(self, x: ArrayLike, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """One forward, backward and update.

        Args:
            x: (rows, *input_shape).
            y: targets, as the loss wants them; None where a loss of your own needs none.
            sample_weight: (rows,).

        Returns:
            The loss before the update. If it is not finite, nothing is updated. If the gradient is not finite, or a
            parameter or the optimizer's state would not be, the result is nan and nothing is updated either.
        """
        model = self.model
        if self._native is not None and self._network is model._native and model._names is None and model._trained:
            return self._native.step(x, y, sample_weight)  # the short way of every step but the first
        with model._built_for(x, "step") as network:
            loss = self._for_steps(network).step(x, y, sample_weight)
            self._look("step", network, arrays_of(x, "[step] x", complete=False))
        model._names, model._trained = model._names or names_of(x), True
        return loss

    @taking(RunOptions)
    def fit(self, x: ArrayLike, y: Targets | None = None, **options: Unpack[RunOptions]) -> History:
        """Trains for some epochs; arguments and results are those of `Sequential.fit`."""
        asked = complete(options, RunOptions)
        settings, augment = _settings(asked), asked["augment"]
        settings["threads"] = self._threads
        watchers = checked_callbacks(asked["callbacks"])
        settings["averages"] = [watcher._native for watcher in watchers if isinstance(watcher, Averaging)]
        settings["checkpoint"], settings["resume"] = writer_of(watchers), reader_of(asked["resume"], watchers)
        sets, finite = data_sets(x, y, asked, settings), settings["check_finite"]
        given = sets.rows[0] if sets else rows_of(x, y, asked["sample_weight"], "fit", finite, settings["epochs"])
        to_validate = sets_in(asked["validation_data"], "fit")
        held_out_sets = DataSets(to_validate, "fit", finite, settings["epochs"]) if to_validate else None
        held_out = HeldOut(
            None if held_out_sets else asked["validation_data"], asked["validation_split"], asked["stratify"]
        )
        names = sets.checked_names(self.model, "fit") if sets else checked_names(self.model, x, given, "fit")
        held_out.check_names(names)
        with self.model._built_for(shape_giver(given, self.model), "fit") as network:
            given = with_class_weights(given, asked["class_weight"], self._losses, network)
            if self._losses[0].joint:
                given = with_one_target(given)
            data, validation = held_out.divide(given, network, settings["seed"], self._losses[0].joint)
            if held_out_sets:
                validation = held_out_sets.native(self._losses, network)
            metrics = settings["metrics"]
            penalties = ["weight_penalty"] if self.weight_penalty else []
            if network.adds_losses:
                penalties.append("added_loss")
            rows_columns = terms_of(self._terms(network)), [name for name, *_ in metrics]
            columns = columns_of(
                sets.columns(metrics) if sets else rows_columns,
                held_out_sets.columns(metrics) if held_out_sets else rows_columns if validation is not None else None,
                penalties,
            )
            for watcher in watchers:
                watcher._check_columns(columns)
            self.optimizer._check_fit(watchers)
            self._look("fit", network, None if isinstance(given, Stream) or augment is not None else given[0])
            several = len(network.graph.inputs) > 1
            if sets:
                rows = sets.rows_of_epoch(settings["batch_size"], several)
            else:
                rows = None if isinstance(data, Stream) else row_count(data[0], several)
            bar = _bar(asked["progress"], rows, settings["epochs"])
            settings["hooks"] = {**hooks_of(self, [*watchers, *bar]), **_order(asked["shuffle"]), "warning": _warn}
            try:
                for watcher in watchers:
                    watcher.on_fit_begin(self, {})
                native = sets.native(self._losses, network) if sets else data
                history = History(self._for(network).fit(native, validation, settings))
            finally:
                for part in bar:
                    part.close()
            self.model._last_loss, self.model._last_loss_weights = self.loss, self.loss_weights
            self.model._trained = True
            self.model._names = given.names if isinstance(given, Stream) else names
            if asked["resume"] is None and history.get("loss") and not (sets or isinstance(data, Stream)):
                self._warn_of_zero_gradients(network, data)  # what was resumed may have been at its end
            for watcher in watchers:
                watcher.on_fit_end(self, {})
        return history

    def _terms(self, network: _core.Network) -> int:
        """How many losses are added up."""
        return 1 if self._losses[0].joint else len(network.graph.outputs)

    def _look(self, where: str, network: _core.Network, x: Any) -> None:
        """Warns, the first time, of what is probably a mistake; x is None where its size tells nothing."""
        if self._has_looked:
            return
        self._has_looked = True
        check_outputs(self.model, network, self.loss)
        check_frozen(self.model, where)
        if x is not None and self.optimizer._makes_steps:
            check_inputs(self.model, where, network, x)

    def _warn_of_zero_gradients(self, network: _core.Network, data: Any) -> None:
        """Tells who looks at a loss that stays where it is why it does."""
        if not self.optimizer._makes_steps:
            return
        if cause := why_stalled(network, self._losses, self._loss_weights, data):
            warn(f"[fit] all gradients are zero: {cause}")

    def stop(self) -> None:
        """Ends a running `fit` after its current batch; for callbacks."""
        if self._native is not None:
            self._native.stop()

    @suggesting
    def evaluate(
        self, x: ArrayLike, y: Targets | None = None, *, metrics: Metrics = (), sample_weight: ArrayLike | None = None
    ) -> dict[str, float]:
        """The loss and the metrics over all rows; see `Sequential.evaluate`."""
        return evaluate_with(self.model, self.loss, x, y, metrics, sample_weight, True, self.loss_weights)

    def plan(self, batch_size: int) -> _core.Plan:
        """The plan of a step on `batch_size` rows. Printing it shows every kernel call."""
        rows = _checks.integer("plan", "batch_size", batch_size, minimum=1)
        return self._for_steps(self.model._built()).plan(rows)

    def profile(self, batch_size: int, *, repeats: int = 20) -> _core.Plan:
        """The plan of a step with the median time of each call; the model is left as it was."""
        rows = _checks.integer("profile", "batch_size", batch_size, minimum=1)
        times = _checks.integer("profile", "repeats", repeats, minimum=1, bits=32)
        return self._for_steps(self.model._built()).profile(rows, times)

    def memory_estimate(self, batch_size: int) -> int:
        """The bytes that a step on `batch_size` rows takes, the optimizer's state included."""
        rows = _checks.integer("memory_estimate", "batch_size", batch_size, minimum=1)
        return self._for_steps(self.model._built()).memory_estimate(rows)


def evaluate_with(
    model: Network,
    loss: AnyLoss,
    x: ArrayLike,
    y: Targets | None,
    metrics: Metrics,
    sample_weight: ArrayLike | None,
    check_finite: bool,
    loss_weights: Sequence[float] | None,
) -> dict[str, float]:
    """What `evaluate` of models and trainers share."""
    native = native_losses("evaluate", loss)
    asked, finite = asked_metrics(metrics), _checks.flag("evaluate", "check_finite", check_finite)
    parts, sets = sets_in(x, "evaluate"), None
    if parts:
        check_alone("evaluate", y=y, sample_weight=sample_weight)
        sets = DataSets(parts, "evaluate", finite)
        data = sets.rows[0]
        sets.checked_names(model, "evaluate")
    else:
        data = rows_of(x, y, sample_weight, "evaluate", finite)
        checked_names(model, x, data, "evaluate")
    with model._built_for(shape_giver(data, model), "evaluate") as network:
        terms = 1 if native[0].joint else len(network.graph.outputs)
        columns_of(sets.columns(asked) if sets else (terms_of(terms), [name for name, *_ in asked]))
        weights = native_weights("evaluate", loss_weights)
        objective = _core.Objective(network, native, weights)
        check_outputs(model, network, loss)
        return objective.evaluate(sets.native(native, network) if sets else data, asked, finite)


def _warn(message: str) -> None:
    """Of what the core went on with."""
    warn_caller(message, UserWarning)


def _step_by_hand(trainer: Trainer) -> Callable[[], bool]:
    """A step in Python, called by the core trainer that `trainer` holds: so it does not hold `trainer`."""
    held = weakref.ref(trainer)

    def update() -> bool:
        own = held()
        assert own is not None  # it is one of its methods that runs
        try:
            own.optimizer.step(own.model)
        except NotFiniteError:
            return False
        return True

    return update


def _checked(where: str, options: TrainerOptions) -> dict[str, Any]:
    """All options of a trainer, as they are compared and kept."""
    asked = complete(options, TrainerOptions)
    narrow = asked["activation_dtype"]
    return {
        "threads": _checks.threads(where, asked["threads"]),
        "loss_weights": native_weights(where, asked["loss_weights"]),
        "recompute": _checks.flag(where, "recompute", asked["recompute"]),
        "activation_dtype": narrow
        if narrow is None
        else _checks.choice(where, "activation_dtype", narrow, ("bfloat16", "int8")),
        "weight_penalty": checked_penalties(where, asked["weight_penalty"]),
    }


def _settings(asked: dict[str, Any]) -> dict[str, Any]:
    """What the core takes as it is."""
    return {
        "epochs": _checks.integer("fit", "epochs", asked["epochs"], minimum=0, bits=32),
        "batch_size": _checks.integer("fit", "batch_size", asked["batch_size"], minimum=1),
        "accumulate": _checks.integer("fit", "accumulate", asked["accumulate"], minimum=1),
        "shuffle": callable(asked["shuffle"]) or _checks.flag("fit", "shuffle", asked["shuffle"]),
        "drop_last": _checks.flag("fit", "drop_last", asked["drop_last"]),
        "seed": _checks.seed("fit", asked["seed"]),
        "check_finite": _checks.flag("fit", "check_finite", asked["check_finite"]),
        "metrics": asked_metrics(asked["metrics"]),
        "transform": transform_of(asked["augment"]),
    }


def _order(shuffle: Any) -> dict[str, Callable[[int], Any]]:
    """The hook that asks for the order of an epoch, where a function gives it."""

    def order(rows: int) -> Any:
        given = np.asarray(shuffle(rows))
        if given.dtype.kind not in "iu" or given.shape != (rows,):
            raise ValueError(
                f"[fit] shuffle must give {rows} integers, got an array of {given.dtype} and shape {given.shape}"
            )
        return np.ascontiguousarray(given, np.int64)

    return {"order": order} if callable(shuffle) else {}


def _bar(progress: bool | str, rows: int | None, epochs: int) -> list[Any]:
    if not isinstance(progress, bool) and (not isinstance(progress, str) or progress != "auto"):
        raise ValueError(f"[fit] progress must be True, False or 'auto', got {progress!r}")
    if not progress:
        return []
    from backpass.callbacks._progress import is_terminal, shown_progress

    return [shown_progress(rows, epochs)] if progress is True or is_terminal() else []
