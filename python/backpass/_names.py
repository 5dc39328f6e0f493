"""What is meant by a name: losses, optimizers and layers as strings, and keywords that are nearly right."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# Words of other libraries for what is called otherwise here.
SYNONYMS = {
    "lr": "learning_rate",
    "max_iter": "epochs",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "verbose": "progress",
    "validation": "validation_data",
    "p": "rate",
    "alpha": "weight_decay",
    "random_state": "seed",
    "out_features": "units",
    "on_batch_start": "on_batch_begin",
    "on_epoch_start": "on_epoch_begin",
    "on_fit_start": "on_fit_begin",
    "on_train_begin": "on_fit_begin",
    "on_train_start": "on_fit_begin",
    "on_train_end": "on_fit_end",
    "on_train_epoch_start": "on_epoch_begin",
    "on_train_epoch_end": "on_epoch_end",
    "on_train_batch_begin": "on_batch_begin",
    "on_train_batch_start": "on_batch_begin",
    "on_train_batch_end": "on_batch_end",
}

# Methods of other libraries' models.
METHODS = {
    "add": "append puts a layer behind the last one of a Sequential, which may also be made of all at once",
    "apply": "predict computes outputs",
    "clone": "copy.deepcopy(model) is a copy",
    "compile": "fit takes loss and optimizer",
    "evaluate": "a Module has none: call it within bp.no_grad(), and the loss and metrics on what it gives",
    "fit": "a Module is trained by a loop; a Layer with the same forward, in a Sequential, has fit",
    "predict": "a Module has none: call it within bp.no_grad()",
    "cuda": "it computes on the CPU",
    "predict_classes": "predict(x).argmax(axis=1) are classes",
    "predict_proba": "predict gives logits; probabilities after model.append(bp.Softmax()), or bp.Sigmoid(), "
    "of a model that has been trained",
    "score": "evaluate(x, y, metrics=...) computes scores",
    "to": "it computes on the CPU; dtype= is an argument of the model",
    "train_on_batch": "Trainer.step makes one update",
    "trainable_variables": "parameters() gives arrays by name",
}

# Functions and classes of other libraries.
ELSEWHERE = {
    "BCELoss": "BinaryCrossEntropy takes logits",
    "BCEWithLogitsLoss": "it is BinaryCrossEntropy",
    "CrossEntropyLoss": "it is CrossEntropy",
    "DataLoader": "fit draws batches, bp.Stream takes chunks, and a loop of your own slices arrays",
    "L1Loss": "it is MAE",
    "Linear": "it is Dense(units), which takes the width of its input",
    "MSELoss": "it is MSE",
    "ModuleDict": "a Module finds layers in dicts in its attributes",
    "ModuleList": "a Module finds layers in lists in its attributes",
    "NLLLoss": "CrossEntropy takes logits",
    "ReduceLROnPlateau": "it is ReduceOnPlateau, a callback of fit",
    "array": "tensor(array) has a value, constant(array) is a part of a graph",
    "asarray": "tensor(array) has a value, constant(array) is a part of a graph",
    "cat": "it is concat",
    "clip_grad_norm_": "clip_norm=1.0 is a setting of optimizers",
    "clip_grad_value_": "clip_value=1.0 is a setting of optimizers",
    "from_numpy": "tensor(array) is a copy with a value",
    "jit": "it is compile",
    "lax": "Python's loops and where take its place",
    "nn": "layers, losses and Module are here themselves: bp.Dense, bp.CrossEntropy, bp.Module",
    "normalize": "write x / bp.norm(x, axis=1, keepdims=True)",
    "numpy": "functions with NumPy's names are here themselves: bp.sin",
    "optim": "optimizers are here themselves: bp.Adam",
    "rand": "draw with NumPy, np.random.default_rng(0).random(shape): arrays go beside tensors",
    "rand_like": "draw with NumPy, np.random.default_rng(0).random(x.shape): arrays go beside tensors",
    "randn": "draw with NumPy, np.random.default_rng(0).standard_normal(shape): arrays go beside tensors",
    "randn_like": "draw with NumPy, np.random.default_rng(0).standard_normal(x.shape): arrays go beside tensors",
    "save": "model.save(path) writes a file, bp.load(path) reads it",
    "StepLR": "StepDecay is one, given to an optimizer as schedule=",
    "MultiStepLR": "MultiStepDecay is one, given to an optimizer as schedule=",
    "ExponentialLR": "ExponentialDecay is one, given to an optimizer as schedule=",
    "CosineAnnealingLR": "CosineAnnealing is one, given to an optimizer as schedule=",
    "OneCycleLR": "OneCycle is one, given to an optimizer as schedule=",
}


def missing_name(name: str, known: Iterable[str]) -> AttributeError:
    """What to raise for a name that the package does not have."""
    if name.startswith("_"):
        cure = ""
    else:
        meant = "" if name in ELSEWHERE else nearest(name, known)
        cure = f": {ELSEWHERE[name]}" if name in ELSEWHERE else f"; did you mean {meant!r}?" if meant else ""
    return AttributeError(f"module 'backpass' has no attribute {name!r}{cure}")


def missing_attribute(owner: Any, name: str) -> AttributeError:
    """What to raise for an attribute that is not there."""
    cure = f": {METHODS[name]}" if name in METHODS else ""
    text = f"{type(owner).__name__!r} object has no attribute {name!r}{cure}"
    return AttributeError(text, name=name, obj=owner)


def plain(name: str) -> str:
    """Without case and separators: "ReLU", "relu" and "re_lu" are one name."""
    return "".join(c for c in name.lower() if c.isalnum())


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant; "" where there is none."""
    by_plain = {plain(word): word for word in known}
    meant = SYNONYMS.get(name)
    if meant in by_plain.values():
        return str(meant)
    from difflib import get_close_matches  # for messages alone

    found = get_close_matches(plain(name), by_plain, n=1)
    return by_plain[found[0]] if found else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """What was probably meant, or else what there is, to end a message."""
    words = list(known)
    meant = nearest(name, words)
    return f"; did you mean {meant!r}?" if meant else f"; there are {', '.join(words)}"


def lookup(where: str, what: str, name: str, known: Mapping[str, T], aliases: Mapping[str, str]) -> T:
    """What `name` stands for among `known`, whatever its case; ValueError names the nearest otherwise."""
    by_plain = {plain(word): value for word, value in known.items()}
    key = plain(name)
    key = plain(aliases.get(key, key))
    if key in by_plain:
        return by_plain[key]
    raise ValueError(f"[{where}] no {what} is named {name!r}{suggestion(name, known)}")


def made(where: str, what: str, cls: Callable[[], T]) -> T:
    """An instance of a class with its defaults; ValueError where a setting has none."""
    needed = [
        parameter.name
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if needed:
        written = ", ".join(f"{name}=..." for name in needed)
        raise ValueError(f"[{where}] {what} needs {', '.join(needed)}: write {cls.__name__}({written})")
    return cls()


def suggesting(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose refusal of its arguments names the class that was used, and the keyword that was meant."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # from within the function
            known = [name for name in inspect.signature(function).parameters if name != "self"]
            unknown = [name for name in kwargs if name not in known]
            meant = suggestion(unknown[0], known) if unknown and "unexpected keyword" in str(error) else ""
            raise TypeError(f"{_as_called(str(error), function, args)}{meant}") from None

    return call


def _as_called(message: str, function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """The message about a method with the name of the class that it was called on, which may inherit it."""
    owner, _, name = function.__qualname__.rpartition(".")
    if not owner or not args or name == "__init__":
        return message
    return message.replace(f"{owner}.{name}()", f"{type(args[0]).__name__}.{name}()", 1)


def suggest_keywords(classes: Iterable[Any]) -> None:
    """Gives the constructors of these classes such refusals."""
    for cls in classes:
        if inspect.isclass(cls) and inspect.isfunction(vars(cls).get("__init__")):
            cls.__init__ = suggesting(cls.__init__)  # type: ignore[method-assign]
