"""What every model is: a graph and its parameters, to run forward and backward, predict, save and load."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from backpass import _checks, _core
from backpass._names import missing_attribute
from backpass._sealed import Sealed
from backpass._views import Views
from backpass.data._tables import check_names, names_of
from backpass.layers._layer import residents_of, values_of
from backpass.models._functional import functional, in_training
from backpass.models._generate import Generates
from backpass.models._other_names import OtherNames
from backpass.models._summary import summary
from backpass.models._weights import load_weights
from backpass.training._mistakes import check_trained

if TYPE_CHECKING:
    from typing import Self

    from backpass._text import Text
    from backpass._types import Array, ArrayLike, Shape
    from backpass.data._tables import Names
    from backpass.losses._loss import AnyLoss
    from backpass.training._trainer import Trainer


class Model(OtherNames, Generates, Sealed):
    """A graph and its parameters: all of a model but what needs a loss."""

    _instead = "only a class of your own has attributes of its own"
    _last_loss: AnyLoss | None = None
    _last_loss_weights: Sequence[float] | None = None
    _last_trainer: Trainer | None = None  # with its compiled plans, for a fit that goes on
    _trained: bool | None = False  # False: weights are as they were drawn; None: somebody may have changed them
    _names: Names = None  # of the columns that it was trained with, where they have some
    _native: _core.Network | None = None  # also where nobody has called __init__
    _called: tuple[_core.Network, _core.Caller] | None = None  # what calls it with eager tensors
    _may_hold = True  # parameters or states
    _training: int = -1  # what train() and eval() say of such calls; -1: as gradients are recorded

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise missing_attribute(self, name)

    def _forget_fits(self) -> None:
        self._last_loss = self._last_loss_weights = self._last_trainer = None

    @classmethod
    def _of(cls, native: _core.Network) -> Self:
        model = cls.__new__(cls)
        model._native, model._trained = native, True
        return model

    def _built(self) -> _core.Network:
        if self._native is None:
            raise RuntimeError(
                f"[{type(self).__name__}] has no shapes yet: give it input_shape, call it once (model(x)), or call "
                "build(input_shape) or fit first"
            )
        return self._native

    @contextmanager
    def _built_for(self, x: ArrayLike, where: str) -> Iterator[_core.Network]:
        """The native network for rows like x; what is built here is undone where the call refuses its arguments."""
        self._check_names(x, where)
        yield self._built()

    def _check_names(self, x: ArrayLike, where: str) -> None:
        if self._names is not None:
            check_names(where, self._names, names_of(x))

    # What it is made of.

    @property
    def dtype(self) -> str:
        """ "float32" or "float64"."""
        return self._built().dtype

    @property
    def seed(self) -> int | None:
        """The seed in use, even if none was given."""
        return self._built().seed

    @property
    def n_parameters(self) -> int:
        """The number of trainable parameters."""
        return self._built().n_parameters

    @property
    def graph(self) -> _core.Graph:
        """The operations from inputs to outputs; printing it shows one line each, `to_dot()` gives Graphviz text."""
        return self._built().graph

    def functional(self, training: bool = False) -> Any:
        """The model as a pure function, and copies of its parameters to call it with.

        Args:
            training: whether it computes as training does: dropout drops, batches are normalised by their own
                statistics, and states (running means and variances) go in and come out.

        Returns:
            f and parameters: f(parameters, *inputs) gives what the model predicts with these parameters, a dict of
            arrays by name. Inputs are batches, or single rows, for which it gives single rows. It composes with `grad`,
            `vmap` and the others. States are those of now, and dropout drops nothing. Where all arrays are float64 it
            computes in float64, otherwise in float32, whatever the model's type is.

            With `training`: f, parameters and states; f(parameters, states, *inputs) gives (output, new states).
            Random numbers follow from the `seed` of the `compile` around it and the number of the call. Terms of
            `add_loss` and penalties are not part of it.

        Example:
            >>> import backpass as bp
            >>> import numpy as np
            >>> model = bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(1), input_shape=2, seed=0)
            >>> f, parameters = model.functional()
            >>> x, y = np.ones((5, 2), np.float32), np.ones((5, 1), np.float32)
            >>> loss = lambda p, x, y: bp.mean(bp.square(f(p, x) - y))
            >>> each = bp.vmap(bp.grad(loss), in_axes=(None, 0, 0))(parameters, x, y)  # a gradient for each row
            >>> each["0.weight"].shape
            (5, 4, 2)
        """
        copies = {name: np.array(value) for name, value in self.parameters().items()}
        name, network = type(self).__name__, self._built()
        if not _checks.flag("functional", "training", training):
            return functional(network, dict(self.states()), name), copies
        return in_training(network, name), copies, {key: np.array(value) for key, value in self.states().items()}

    def summary(self) -> Text:
        """A table of layers: output shapes, floating-point operations and bytes of a row's forward run, parameters.

        Example:
            >>> import backpass as bp
            >>> bp.Sequential(bp.Dense(10), input_shape=64, seed=0).summary()
            layer    settings  output       FLOPs  bytes  parameters
            -------  --------  -----------  -----  -----  ----------
            Dense 0  units=10  (batch, 10)  1,290     40         650
            <BLANKLINE>
            650 parameters, float32; forward, per row: 1,290 FLOPs, 40 bytes of outputs
        """
        return summary(self)

    # Parameters and gradients: writable views of where they live, valid as long as anybody holds them.

    def parameters(self) -> Views:
        """The parameters by name ("0.weight", "0.bias", ...). Writing into a view, or over an entry, changes the model.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(2), bp.ReLU(), bp.Dense(1), input_shape=3, seed=0)
            >>> {name: value.shape for name, value in model.parameters().items()}
            {'0.weight': (2, 3), '0.bias': (2,), '2.weight': (1, 2), '2.bias': (1,)}
            >>> model.parameters()["2.bias"] = [7.0]  # as model.parameters()["2.bias"][...] = [7.0]
            >>> float(model.flat_parameters[-1])
            7.0
        """
        self._may_be_changed()
        return Views(self._built().parameters(), self)

    def _may_be_changed(self) -> None:
        """The weights are in somebody's hands: nobody can tell any more that they are as they were drawn."""
        if self._trained is False:
            self._trained = None

    def gradients(self) -> Views:
        """The gradients by name, as `backward` or the last training step left them.

        A training step leaves the part of a sparse table (`Embedding(sparse=True)`) as it was; `backward` and
        `value_and_grad` compute it.
        """
        return Views(self._built().gradients())

    def states(self) -> Views:
        """States by name, such as running statistics: kept but not trained. Views, like `parameters()`.

        Example:
            >>> import backpass as bp
            >>> list(bp.Sequential(bp.Dense(2), bp.BatchNorm(), input_shape=3, seed=0).states())
            ['1.running_mean', '1.running_var']
        """
        self._may_be_changed()
        return Views(self._built().states())

    @property
    def flat_parameters(self) -> Array:
        """All parameters as one view of `n_parameters` elements, in the order of `parameters()`.

        A model that shares parameters with others may have them in several places: then this is a copy, which cannot be
        written to; `parameters()` has a view of each.
        """
        self._may_be_changed()
        return self._built().flat_parameters

    @property
    def flat_gradients(self) -> Array:
        """All gradients as one view, like `flat_parameters`."""
        return self._built().flat_gradients

    # By hand.

    def forward(self, x: ArrayLike, *, training: bool = True, random_step: int | None = None) -> Any:
        """The output for rows of x; in training, what `backward` needs is kept.

        Args:
            x: (rows, *input_shape).
            training: whether dropout drops and intermediate values are kept.
            random_step: fixes the dropout masks; None takes the next ones.

        Returns:
            A fresh array (rows, *output_shape); a list of them where there are several outputs.

        Raises:
            ValueError: if the shape of x does not fit.
        """
        step = -1 if random_step is None else _checks.integer("forward", "random_step", random_step, minimum=0)
        with self._built_for(x, "forward") as native:
            return native.forward(x, _checks.flag("forward", "training", training), step)

    def backward(self, grad_output: ArrayLike) -> Any:
        """Adds to the gradients those of sum(output * grad_output), from the values that `forward` kept.

        Args:
            grad_output: of the output's shape.

        Returns:
            The gradient with respect to the input, of its shape; a list of them where there are several inputs.

        Raises:
            RuntimeError: if no forward was kept.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=2, seed=0, dtype="float64")
            >>> output = model.forward([[1.0, 2.0]])
            >>> gradient_to_input = model.backward([[1.0]])
            >>> model.gradients()["0.weight"].tolist()
            [[1.0, 2.0]]
        """
        return self._built().backward(grad_output)

    def zero_grad(self) -> None:
        """Sets all gradients to zero."""
        self._built().zero_grad()

    # Called with values.

    def _caller(self) -> _core.Caller:
        native = self._built()
        if self._called is None or self._called[0] is not native:
            self._called = native, _core.Caller(native)
        return self._called[1]

    def _residents(self) -> list[tuple[str, _core.Tensor, _core.Tensor | None]] | None:
        """Names, ops and leaves of parameters and states (which are no leaves); None where it has no shapes yet."""
        return None if self._native is None else residents_of(self._caller(), "")

    def _all_leaves(self) -> list[_core.Tensor]:
        return [] if self._native is None else self._caller().parameters

    def _call(self, inputs: tuple[Any, ...], training: bool | None) -> Any:
        """The output for arrays or eager tensors, as eager tensors; None for tensors of a graph that is being built."""
        x = inputs[0] if len(inputs) == 1 else list(inputs)
        mode = self._training if training is None else int(_checks.flag("call", "training", training))
        called = self._called
        if called is not None and called[0] is self._native and self._names is None:
            outputs = called[1](x, mode)  # the short way: nothing is built, nothing to undo
            if outputs is not None:
                return outputs
        if _of_a_graph(x):
            valued = values_of(inputs)
            return None if valued is None else self._call(tuple(valued), training)
        with self._built_for(x, "call"):
            return self._caller()(x, mode)

    def train(self, mode: bool = True) -> Self:
        """Calls `model(x)` are in training from now on, as in PyTorch: dropout drops, running statistics move.

        `fit`, `Trainer` and `predict` do not ask. Without `train` and `eval`, a call is in training where gradients are
        recorded, which they are not within `no_grad`.
        """
        self._training = int(_checks.flag("train", "mode", mode))
        return self

    def eval(self) -> Self:
        """Calls `model(x)` are not in training from now on: see `train`."""
        return self.train(False)

    @property
    def trainable_variables(self) -> list[_core.Tensor]:
        """The parameters that are not frozen, as eager tensors that live in the model; their `grad` is the model's.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=2, seed=0)
            >>> loss = bp.MSE()(model([[1.0, 2.0]]), [[0.0]])
            >>> loss.backward()
            >>> with bp.no_grad():
            ...     for w in model.trainable_variables:
            ...         w -= 0.1 * w.grad
            >>> float(bp.MSE()(model([[1.0, 2.0]]), [[0.0]]) / loss) < 1e-4
            True
        """
        self._may_be_changed()
        frozen = self.frozen
        names = (info for info in self._built().parameters())
        return [w for name, w in zip(names, self._caller().parameters, strict=True) if name not in frozen]

    # What is trained.

    def freeze(self, *patterns: str | Model) -> None:
        """Keeps parameters and states as they are in training, until `unfreeze`; what PyTorch calls requires_grad.

        No gradient is computed for them, nor for what only they need: before the first layer that is trained nothing is
        done in the backward run. Their gradients read zero unless another model that shares them puts some there, and
        no optimizer touches them, weight decay included. A frozen running value stands still, but in training a
        `BatchNorm` goes on to normalise by its batch. Files do not tell what was frozen; copies and pickles do.

        Freezing is of this model alone: another that shares the parameters may train them.

        Args:
            patterns: over names, as in `parameters()`: "0.*" is the first layer, "*.bias" every bias; none means all.
                Another model stands for all that is shared with it.

        Raises:
            ValueError: if a pattern matches nothing, or nothing is shared with a model.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(8, activation="relu"), bp.Dense(1), input_shape=2, seed=0)
            >>> model.freeze("0.*")
            >>> model.frozen
            ('0.weight', '0.bias')
            >>> model.unfreeze()
            >>> model.frozen
            ()
        """
        self._may_be_changed()  # frozen at random is meant so
        native = self._built()
        texts, parts = _patterns("freeze", patterns)
        if texts:
            native.freeze(texts)
        for part in parts:
            native.freeze_shared(part)

    def unfreeze(self, *patterns: str | Model) -> None:
        """Trains frozen parameters again; no pattern means everything, a model what is shared with it."""
        native = self._built()
        texts, parts = _patterns("unfreeze", patterns)
        if texts:
            native.unfreeze(texts)
        for part in parts:
            native.unfreeze_shared(part)

    @property
    def frozen(self) -> tuple[str, ...]:
        """The names of frozen parameters and states."""
        return tuple(self._built().frozen)

    def reset(self, seed: int | None = None) -> None:
        """Makes the model as new: initial weights and states, zero gradients, random streams from their start.

        Parameters that it shares are drawn anew for all who use them. The last fit is forgotten; an optimizer is not
        told, so take a new one. What is frozen stays frozen.

        Args:
            seed: of the new weights; None is the seed before, which gives the same weights as at the beginning.

        Raises:
            ValueError: if a parameter began with an initializer of your own and the model comes from a file, which
                has the values only.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)
            >>> first = model.flat_parameters.copy()
            >>> history = model.fit([[1.0]], [[5.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1))
            >>> model.reset()
            >>> bool((model.flat_parameters == first).all())
            True
        """
        self._built().reset(_checks.seed("reset", seed))
        self._trained = None if self.frozen else False
        self._forget_fits()

    def predict(self, x: ArrayLike, *, batch_size: int | None = None, threads: int | None = None) -> Any:
        """The output for rows of x, without dropout; nothing is kept for `backward`.

        Args:
            x: (rows, *input_shape).
            batch_size: how many rows at a time; None chooses. Only the last bits depend on it.
            threads: how many, for this call.

        Returns:
            (rows, *output_shape) in the model's dtype; a list of them where there are several outputs.
        """
        rows = 0 if batch_size is None else _checks.integer("predict", "batch_size", batch_size, minimum=1)
        workers = _checks.threads("predict", threads)
        if self._native is not None and self._names is None and self._trained is not False:
            return self._native.predict(x, rows, workers)  # the short way: nothing is built, nothing to undo
        with self._built_for(x, "predict") as native:
            result = native.predict(x, rows, workers)
        if self._trained is False:
            check_trained(self, "predict")
        return result

    # What it costs.

    def plan(self, batch_size: int, training: bool = False) -> _core.Plan:
        """The plan of a call for `batch_size` rows. Printing it shows every kernel call."""
        rows = _checks.integer("plan", "batch_size", batch_size, minimum=1)
        return self._built().plan(rows, _checks.flag("plan", "training", training))

    def profile(self, batch_size: int, training: bool = False, *, repeats: int = 20) -> _core.Plan:
        """The plan with the median time of each call over `repeats` runs on made-up data."""
        rows = _checks.integer("profile", "batch_size", batch_size, minimum=1)
        times = _checks.integer("profile", "repeats", repeats, minimum=1, bits=32)
        return self._built().profile(rows, _checks.flag("profile", "training", training), times)

    def memory_estimate(self, batch_size: int) -> int:
        """The bytes that training on batches of this size takes: parameters, gradients, intermediate values.

        Arrays that `forward` and `backward` return belong to the caller and are not counted.
        """
        return self._built().memory_estimate(_checks.integer("memory_estimate", "batch_size", batch_size, minimum=1))

    # Files and copies.

    def save(self, path: str | bytes | os.PathLike[str]) -> None:
        """Writes graph and parameters as safetensors; an existing file is replaced as a whole or not at all.

        Its mode, owner, group and extended attributes are kept as far as possible, and a link stays a link. A read-only
        file is not replaced. Temporary files of killed processes beside it (`.backpass-*.tmp`) are removed.

        Raises:
            OSError: if the file cannot be written; nothing has changed then.
            ValueError: if the model cannot be saved: it holds what Python computes, or is beyond what `load` reads.
        """
        self._built().save(os.fsencode(_checks.path("save", path)))

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters and states by name, as PyTorch names them in an `nn.Sequential` of the same layers.

        Raises:
            RuntimeError: if another thread is training the model.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(2), bp.ReLU(), bp.Dense(1), input_shape=3, seed=0)
            >>> best = model.state_dict()
            >>> model.flat_parameters[:] = 0
            >>> model.load_weights(best)
            >>> bool((model.parameters()["2.weight"] == best["2.weight"]).all())
            True
        """
        return self._built().state_dict()

    def load_weights(self, source: str | bytes | os.PathLike[str] | Mapping[str, ArrayLike]) -> None:
        """Loads parameters and states from a file or from arrays, by name: all of them, or none with an error.

        Numbers of another real type are cast to the model's.

        Args:
            source: the path of a safetensors file, of this library or of others; or arrays by name, such as
                `state_dict()` of a PyTorch model on the CPU. Shapes are those of `parameters()`.

        Raises:
            OSError: if the file cannot be read.
            TypeError: if an entry is not an array of real numbers.
            ValueError: if a name is missing or unknown, a shape does not fit, a number is too large for the
                model's dtype, or the file is damaged.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
            >>> model.load_weights({"0.weight": [[1, 2]], "0.bias": [3]})
            >>> model.predict([[10.0, 100.0]]).tolist()
            [[213.0]]
        """
        load_weights(self._built(), source)
        self._trained = True

    def __copy__(self) -> Self:
        twin = self.__class__.__new__(self.__class__)
        self._may_be_changed()  # a copy shares the weights
        twin.__dict__.update(self.__dict__, _last_trainer=None, _called=None)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__copy__()
        twin._native = None if self._native is None else self._native.clone()
        memo[id(self)] = twin
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_last_trainer": None,
            "_called": None,
            "_last_loss": self._last_loss if _can_be_pickled(self._last_loss) else None,
            "_native": None if self._native is None else _state_of(self._native),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _native=None if state["_native"] is None else _from_state(state["_native"]))

    def __repr__(self) -> str:
        graph = self._built().graph
        shapes: list[Shape] = [tensor.shape for tensor in (*graph.inputs, *graph.outputs)]
        return f"{type(self).__name__}({' -> '.join(str(shape) for shape in shapes)})"


def _of_a_graph(x: Any) -> bool:
    """Whether a tensor of a graph that is being built is among the inputs."""
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else (x,)
    return any(isinstance(part, _core.Tensor) and not part.is_eager for part in parts)


def _patterns(where: str, given: tuple[str | Model, ...]) -> tuple[list[str], list[_core.Network]]:
    """Patterns of names, and models; everything where nothing is given."""
    parts = [part._built() for part in given if isinstance(part, Model)]
    texts = [_checks.text(where, "pattern", text) for text in given or ("*",) if not isinstance(text, Model)]
    return texts, parts


def _state_of(native: _core.Network) -> dict[str, Any]:
    """Everything, also what a file does not tell: random counters, and what is frozen."""
    return {"model": native.serialize(), "frozen": native.frozen, "random_counters": native.random_counters}


def _from_state(state: dict[str, Any]) -> _core.Network:
    native = _core.Network.deserialize(state["model"])
    native.random_counters = state["random_counters"]
    if state["frozen"]:
        native.freeze(state["frozen"])
    return native


def _can_be_pickled(loss: Any) -> bool:
    """Not where it holds a function without a name to import it by; weights shall be kept all the same."""
    try:
        pickle.dumps(loss)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True
