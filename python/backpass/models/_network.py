"""Network: a model made of tensors; fit, evaluate and gradients of every model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from backpass import _checks, _core, _machine
from backpass._names import suggesting
from backpass.data._sets import loss_of_sets
from backpass.losses import _loss as _losses
from backpass.losses._loss import native_losses
from backpass.models._model import Model
from backpass.optimizers import _optimizer
from backpass.training._options import FitOptions, PartialOptions, RunOptions, TrainerOptions, chosen, taking
from backpass.training._trainer import Trainer, evaluate_with

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike, Metrics, Targets
    from backpass.callbacks._history import History
    from backpass.losses._loss import AnyLoss
    from backpass.optimizers._optimizer import Optimizer
    from backpass.training._objective import Objective


class Network(Model):
    """A model made of tensors: any graph from inputs to outputs.

    Layers are called on tensors, together with operations; so are other models, whose parameters stay where they are
    and are then used by both. Parameters are named by the order in which layers were called ("0.weight"); a layer that
    is called twice uses its parameters twice. A model of several
    inputs or outputs takes and gives lists of arrays (inputs also as a dict by their names), and a loss for each output
    or one for all; the whole loss is their sum.

    Args:
        inputs: the tensors given at each call, at most 16; their first dimension is the batch.
        outputs: the tensors to compute, at most 16, of one real type.
        seed: of initial weights, shuffling and dropout; None takes a fresh one, which `seed` then shows.
        precision: of all float32 matrix products: "highest", "high" (about five digits) or "medium" (about two, as
            bfloat16 has them), where the machine is faster at them; None leaves each as it was made.
        dtype: of all real tensors: "float32" or "float64"; None leaves each as it was made.

    Raises:
        ValueError: if an output needs an input that is not among `inputs`.

    Example:
        >>> import backpass as bp
        >>> left, right = bp.Input(2, name="left"), bp.Input(2, name="right")
        >>> shared = bp.Dense(3, activation="tanh")
        >>> both = bp.concat([shared(left), shared(right)], axis=1)
        >>> model = bp.Network([left, right], bp.Dense(1)(both), seed=0)
        >>> {name: value.shape for name, value in model.parameters().items()}
        {'0.weight': (3, 2), '0.bias': (3,), '2.weight': (1, 6), '2.bias': (1,)}
        >>> model.forward({"left": [[0.1, 0.2]], "right": [[0.3, 0.4]]}).shape
        (1, 1)
    """

    def __init__(
        self,
        inputs: _core.Tensor | Sequence[_core.Tensor],
        outputs: _core.Tensor | Sequence[_core.Tensor],
        *,
        seed: int | None = None,
        precision: str | None = None,
        dtype: str | None = None,
    ) -> None:
        given, wanted = _tensors("inputs", inputs), _tensors("outputs", outputs)
        if precision is not None:
            _checks.choice("Network", "precision", precision, ("highest", "high", "medium"))
        if dtype is not None:
            _checks.choice("Network", "dtype", dtype, ("float32", "float64"))
        number = _checks.seed("Network", seed)
        native = _core.Network(given, wanted, number, precision, dtype)
        self._native = native
        _machine.tell_of_precision("Network", native.precision, native.dtype)

    def __call__(self, *inputs: Any, training: bool | None = None) -> Any:
        """The output for rows as an eager tensor; on tensors of a graph, the model as a part of another one, both using
        the same parameters.

        Args:
            inputs: one array or tensor for each input of the model, of its shape and type; or one list of them, or one
                dict of them by the inputs' names.
            training: of a call with arrays or eager tensors, whether dropout drops and running statistics move; None
                leaves it to `train` and `eval`.

        Returns:
            The output; a list of them where there are several.

        Raises:
            TypeError: if an input is neither an array nor a tensor.
            ValueError: if a shape or type does not fit.

        Example:
            >>> import backpass as bp
            >>> generator = bp.Sequential(bp.Dense(2), input_shape=8, seed=0)
            >>> critic = bp.Sequential(bp.Dense(16, activation="relu"), bp.Dense(1), input_shape=2, seed=0)
            >>> z = bp.Input(8)
            >>> gan = bp.Network(z, critic(generator(z)))
            >>> gan.freeze(critic)  # gan trains the generator; critic.fit trains the critic
            >>> gan.frozen
            ('1.weight', '1.bias', '2.weight', '2.bias')
            >>> bp.mean(gan([[0.0] * 8])).requires_grad
            True
        """
        result = self._call(inputs, training)
        if result is not None:
            return result
        outputs = self._built()(inputs[0] if len(inputs) == 1 else inputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def sub(
        self,
        outputs: str | _core.Tensor | Sequence[str | _core.Tensor],
        inputs: str | _core.Tensor | Sequence[str | _core.Tensor] | None = None,
    ) -> Network:
        """A part of the model, over the same parameters: a feature extractor.

        Args:
            outputs: names of layers, as in `summary()` ("1"), for what comes out of them; or tensors of `graph`.
            inputs: likewise, where the part begins; None means the model's inputs.

        Raises:
            ValueError: if a layer is unknown, or an output needs more than `inputs`.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(8, activation="relu"), bp.Dense(3), input_shape=4, seed=0)
            >>> features = model.sub("0")
            >>> features.parameters()["0.bias"][:] = 1
            >>> model.parameters()["0.bias"].tolist() == [1.0] * 8
            True
        """
        native = self._built()
        ends = native.graph.inputs if inputs is None else self._named_tensors("inputs", inputs)
        part = Network._of(native.sub(ends, self._named_tensors("outputs", outputs)))
        part._trained = self._trained
        return part

    def _named_tensors(self, what: str, given: Any) -> list[_core.Tensor]:
        native = self._built()
        layers = {layer["name"]: layer["a"] for layer in native.trace}
        found = []
        for one in given if isinstance(given, (list, tuple)) else [given]:
            if isinstance(one, str) and one not in layers:
                raise ValueError(f"[sub] {what} must name layers, {', '.join(map(repr, layers))}, got {one!r}")
            found.append(layers[one] if isinstance(one, str) else one)
        return _tensors(what, found)

    @taking(FitOptions)
    def fit(
        self,
        x: ArrayLike,
        y: Targets | None = None,
        *,
        loss: AnyLoss | None = None,
        optimizer: Optimizer | str,
        **options: Unpack[FitOptions],
    ) -> History:
        """Trains the model: forward, loss, backward and update for each batch of each epoch.

        Args:
            x: (rows, *input_shape). Arrays with dense rows, memory-mapped ones too, are read in place. Or, with no y, a
                `Stream`, or chunks (x, y) or (x, y, sample_weight): a function that gives an iterable of them, or an
                iterable itself (an iterator for one epoch only). Or, with no y, a list of `Data`: several data sets,
                of which each step draws a batch.
            y: targets, as the loss wants them: (rows, *output_shape), (rows,) for one output, or integer labels; a dict
                or tuple of arrays of any shapes for a loss of your own, or () where it needs none.
            loss: such as `MSE()` or its name, "mse", with its defaults; one of your own; or a list with one for each
                output. It may be left out beside data sets, whose first then says what validation goes by.
            optimizer: such as `Adam(...)`; one that has been used for this model goes on where it stopped. A name
                such as "adam" is a fresh one with its defaults.
            epochs: how often to go through all rows.
            batch_size: rows of one batch; the last batch of an epoch may be smaller.
            accumulate: batches per update. Their gradients are combined to that of one batch with all rows, in the
                memory of one of them. Random masks and batch statistics are those of each batch.
            shuffle: whether the rows are shuffled anew in each epoch; or a function of their number that gives the
                order of the next epoch: integers, each row once (of arrays, not of streams or several data sets).
            drop_last: whether rows at the end of an epoch that do not fill a batch are left out.
            validation_data: (x, y), (x, y, sample_weight), a stream or a list of `Data`, evaluated after each epoch as
                "val_loss" and so on.
            validation_split: instead, the share of the rows that is held out, at random by `seed` (0 without one: a
                fit that goes on holds out the same rows). Rows to train on are then copied.
            stratify: whether rows are held out class by class, for labels.
            augment: a function (x, y, rng) -> (x, y), or several, on copies of each batch's rows; see `bp.augment`.
            metrics: names, functions (y_true, y_pred) -> float, or tuples (name, function). A function is shown outputs
                as they are; with "labels" as third of its tuple the classes that they decide for, int32 (rows,), or 0
                and 1 (rows, outputs) of several yes-no outputs; with "probabilities" those of the classes
                (rows, classes), or of yes, beside labels. These are what scikit-learn's functions take:
                `("kappa", cohen_kappa_score, "labels")`. Rows whose label the loss ignores are then left out.
                "auc", "r2" and functions look at all rows of an epoch, so predictions (of streams, targets too) are
                kept until its end; the others are added up batch by batch. Names, as scikit-learn defines them:
                "accuracy", "balanced_accuracy", "precision", "recall", "f1" (of class 1 where there are two, else the
                mean over classes), "auc", "log_loss", "top_5" for any number, "mae", "mse", "rmse",
                "max_error", "r2".
                Each row counts once, whatever its weight. "auc" is nan where a class is missing. Of one output,
                targets are 0 and 1, told apart at 0.5 (logits at 0), or -1 and 1, told apart at 0; "accuracy" and the
                like refuse others, as "log_loss" refuses what are no probabilities. `Loss.output_kind` tells what
                outputs are under a loss of your own: where it does not, they must be in [0, 1] or targets -1 and 1.
            sample_weight: (rows,); means are divided by the sum of the weights.
            callbacks: such as `EarlyStopping()`, `ReduceOnPlateau()` or `EMA()`, and your own, called in this order.
                Where several set the weights at the end (`EarlyStopping`, `EMA`, `SWA`), those of the last remain.
            class_weight: of integer labels: {label: weight}, others 1, or "balanced": rows / (classes * rows of the
                class). It multiplies `sample_weight`.
            loss_weights: a number for each output that multiplies its loss; None counts each once.
            progress: a bar on a terminal that leaves the numbers of the last epoch, elsewhere a line for each epoch:
                True, False, or "auto" for only on a terminal.
            resume: a file of `Checkpoint`: where it exists, training goes on from it, with the bits of a fit that was
                never interrupted; else it starts from the beginning.
            recompute: whether most values between layers are computed again for the backward pass instead of kept: the
                same bits from less memory, in up to a third more time (other bits beside `activation_dtype`, for what
                is made again is not rounded).
            activation_dtype: "bfloat16" keeps values for the backward pass in half the memory, rounded to 8 binary
                digits; "int8" in a quarter, rounded to 255 steps; arithmetic, sums and weights stay float32. None
                keeps them as they are.
            weight_penalty: such as `L2(1e-4, "*.weight")`, `L1(...)`, `Penalty(function, pattern)` or a list of them:
                added to the loss in training. "loss" has it in it, "weight_penalty" is its mean over the epoch;
                "val_loss" and `evaluate` are of the data alone.
            threads: how many, for this call. The result does not depend on it.
            seed: of shuffling and dropout; None goes on in the model's own stream.
            check_finite: whether data with nan or infinity is refused: reads all of it once before the first epoch,
                streams chunk by chunk.

        Returns:
            What happened: `history["loss"]` and every other column, one number per epoch. Where there are several
            outputs, "loss_0" and so on are their losses.

        Raises:
            TypeError: if data is not an array of real numbers.
            ValueError: if shapes, labels or settings do not fit, or data is not finite; nothing has changed then.
            DivergedError: if a loss is not finite; the model keeps the weights from before that step.
            KeyboardInterrupt: on Ctrl-C, or after it when a stream's generator that blocks goes on; the model is usable
                as it is.
        """
        loss = _losses.resolved("fit", loss_of_sets(x) if loss is None else loss)
        if loss is None:
            raise TypeError(f"{type(self).__name__}.fit() missing 1 required keyword-only argument: 'loss'")
        optimizer = _optimizer.resolved("fit", optimizer)
        trainer, own = self._last_trainer, chosen(options, TrainerOptions)
        if trainer is None or not trainer._continues(loss, optimizer, own):
            trainer = Trainer(self, loss, optimizer, **own)
        with self._goes_on_with(trainer):
            return trainer.fit(x, y, **chosen(options, RunOptions))

    @contextmanager
    def _goes_on_with(self, trainer: Trainer) -> Iterator[None]:
        """The trainer of the next fit, where this one is not refused: it returns, or has made steps."""
        steps = trainer.optimizer.steps
        try:
            yield
        except BaseException:
            if trainer.optimizer.steps != steps:
                self._last_trainer = trainer
            raise
        self._last_trainer = trainer

    @taking(PartialOptions)
    def partial_fit(
        self,
        x: ArrayLike,
        y: Targets | None = None,
        *,
        loss: AnyLoss | None = None,
        optimizer: Optimizer | str | None = None,
        **options: Unpack[PartialOptions],
    ) -> History:
        """One pass over these rows: training on rows that arrive bit by bit.

        Args:
            x: rows, or a stream, as for `fit`.
            y: targets, as for `fit`.
            loss: None means the loss of the last fit.
            optimizer: None means the optimizer of the last fit, which goes on where it stopped; so does the name of its
                kind.
            batch_size: as for `fit`, like all that follow.
            accumulate: batches of one update.
            shuffle: whether the rows are shuffled, or a function that orders them.
            drop_last: whether rows that do not fill a batch are left out.
            augment: functions on copies of each batch's rows.
            metrics: names, functions or tuples.
            sample_weight: (rows,).
            threads: how many, for this call.
            seed: of shuffling and dropout; None goes on in the model's own stream.
            check_finite: whether data with nan or infinity is refused.

        Returns:
            A history of one epoch.

        Raises:
            ValueError: as `fit`, and where there was no call before to go on from.

        Example:
            >>> import backpass as bp, numpy as np
            >>> model = bp.Sequential(bp.Dense(1), seed=0)
            >>> x = np.random.default_rng(0).standard_normal((64, 2))
            >>> first = model.partial_fit(x, x[:, 0], loss=bp.MSE(), optimizer=bp.SGD(0.1))
            >>> for _ in range(50):
            ...     last = model.partial_fit(x, x[:, 0])
            >>> last["loss"][0] < 1e-3 < first["loss"][0]
            True
        """
        last = self._last_trainer
        if loss is not None:
            loss_weights = None
        elif last:
            loss, loss_weights = last.loss, last.loss_weights
        else:  # of a copy, which has no trainer yet
            loss, loss_weights = self._last_loss, self._last_loss_weights
        optimizer = _optimizer.going_on("partial_fit", optimizer, last.optimizer if last else None)
        if loss is None or optimizer is None:
            missing = "loss" if loss is None else "optimizer"
            raise ValueError(
                f"[partial_fit] {missing} must be given: this model has no fit or partial_fit of its own to go on from"
            )
        kept: dict[str, Any] = {}
        if last is not None:
            kept = {name: getattr(last, name) for name in ("recompute", "activation_dtype", "weight_penalty")}
        return self.fit(
            x, y, loss=loss, optimizer=optimizer, loss_weights=loss_weights, progress=False, **kept, **options
        )

    @suggesting
    def evaluate(
        self,
        x: ArrayLike,
        y: Targets | None = None,
        *,
        loss: AnyLoss | None = None,
        metrics: Metrics = (),
        sample_weight: ArrayLike | None = None,
        loss_weights: Sequence[float] | None = None,
        check_finite: bool = True,
    ) -> dict[str, float]:
        """The loss and the metrics over all rows, with nothing dropped.

        Args:
            x: (rows, *input_shape), or a stream, evaluated chunk by chunk; for "auc", "r2" and functions its targets
                and predictions are gathered. Or a list of `Data`: then "loss" is the sum of their losses, each times
                its weight, and there are "loss_edge", "accuracy_edge" and so on of each.
            y: targets, as for `fit`.
            loss: None means the loss of the last fit, with its weights.
            metrics: names, functions or tuples, as for `fit`.
            sample_weight: (rows,).
            loss_weights: a number for each output that multiplies its loss.
            check_finite: whether data with nan or infinity is refused.

        Returns:
            "loss", "loss_0" and so on where there are several outputs, and one entry per metric.

        Raises:
            ValueError: if no loss is known, or shapes do not fit.
        """
        chosen = loss if loss is not None else self._last_loss
        if chosen is None:
            chosen = loss_of_sets(x)
        if chosen is None:
            raise ValueError("[evaluate] loss must be given: this model has none from a fit")
        weights = self._last_loss_weights if loss is None and loss_weights is None else loss_weights
        return evaluate_with(self, chosen, x, y, metrics, sample_weight, check_finite, weights)

    @suggesting
    def value_and_grad(
        self, x: ArrayLike, y: Targets, loss: AnyLoss, sample_weight: ArrayLike | None = None
    ) -> tuple[float, dict[str, Array]]:
        """The loss and its gradient with respect to all parameters, from one forward and backward run; updates nothing.

        Returns:
            The loss in training, and fresh arrays by name. The model's gradient buffer holds the same numbers.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
            >>> model.parameters()["0.weight"][:] = 3
            >>> model.value_and_grad([[2.0]], [[1.0]], bp.HalfMSE())
            (12.5, {'0.weight': array([[10.]])})
        """
        with self._built_for(x, "value_and_grad") as native:
            objective = _core.Objective(native, native_losses("value_and_grad", loss))
            value = objective.gradients(x, y, sample_weight, -1)
            gradients = {name: gradient.copy() for name, gradient in native.gradients().items()}
            for name in set(native.frozen) & set(gradients):
                gradients[name][...] = 0  # what another model has left there
            return value, gradients

    @suggesting
    def objective(self, x: ArrayLike, y: Targets, loss: AnyLoss, sample_weight: ArrayLike | None = None) -> Objective:
        """The loss as a function of all parameters, with gradient and Hessian-vector product, as for SciPy.

        Afterwards the model holds the parameters of the last evaluation, which need not be the minimizer's result.

        Args:
            x: (rows, *input_shape).
            y: targets, as the loss wants them.
            loss: a loss.
            sample_weight: (rows,); means are divided by the sum of the weights.

        Returns:
            An object with `x0`, `fun`, `jac` and `hessp`, which is also a function: theta -> (value, gradient).

        Raises:
            ValueError: if shapes do not fit.

        Example:
            >>> import backpass as bp
            >>> from scipy.optimize import minimize
            >>> model = bp.Sequential(bp.Dense(1), input_shape=1, dtype="float64", seed=0)
            >>> objective = model.objective([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], bp.MSE())
            >>> found = minimize(objective, objective.x0, jac=True, method="L-BFGS-B")
            >>> model.flat_parameters[:] = found.x
            >>> model.flat_parameters.round(4).tolist()
            [2.0, 1.0]
        """
        from backpass.training._objective import Objective

        return Objective(self, x, y, loss, sample_weight)

    @suggesting
    def backprop(self, x: ArrayLike, y: Targets, loss: AnyLoss) -> list[dict[str, Array]]:
        """The values of one forward and one backward run, layer by layer; updates nothing.

        Dropout draws the masks of `random_step=0`.

        Returns:
            One dict per layer, in the order of `summary()`. "z" is what goes into its activation, "a" what comes out,
            "delta" the gradient of the loss by z, and "weight" and "bias" its gradients by the parameters, where it has
            any; those of layers within it are "0.weight" and so on.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, activation="sigmoid"), input_shape=1, dtype="float64", seed=0)
            >>> layer, = model.backprop([[1.0]], [[1.0]], bp.HalfMSE())
            >>> sorted(layer)
            ['a', 'bias', 'delta', 'weight', 'z']
        """
        from backpass.training._backprop import backprop

        return backprop(self, x, y, loss)


def _tensors(name: str, given: Any) -> list[_core.Tensor]:
    """One tensor, or a list of them."""
    parts = list(given) if isinstance(given, (list, tuple)) else [given]
    for part in parts:
        if not isinstance(part, _core.Tensor):
            raise TypeError(f"[Network] {name} must be a tensor or a list of tensors, got {part!r}")
    return parts
