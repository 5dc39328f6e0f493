"""The public surface: every function, class, method and property of backpass, with its parameters.

A new public name is found by itself. Where nothing valid is known for a required parameter of it, that gets the hostile
value too.
"""

import inspect
import re
from dataclasses import dataclass

import backpass as bp
from backpass import augment, datasets
from hostile.arguments import EVERY, arguments, model, tensor, x, y
from hostile.values import VALUES


@dataclass(frozen=True)
class Target:
    """Something to call: `make` gives it, with an instance of its own where it is a method."""

    name: str
    make: object
    parameters: tuple  # (name, kind, whether it is required)


def from_doc(function):
    """The parameters of a native function, by the first line of its text; operators take one argument."""
    found = re.search(rf"{function.__name__}\((self[^,)]*,? ?)?(.*?)\) ->", function.__doc__ or "")
    parts = re.split(r", (?=\w+: )", found[2]) if found and found[2] else []
    result = []
    for part in parts:
        name = part.split(":")[0].split("=")[0].strip()
        if name.startswith("*"):
            continue
        positional = re.fullmatch(r"arg\d", name) is not None
        kind = inspect.Parameter.POSITIONAL_ONLY if positional else inspect.Parameter.POSITIONAL_OR_KEYWORD
        result.append((name, kind, "=" not in part))
    return tuple(result)


def parameters(function):
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return from_doc(function)
    given = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    if [p.kind for p in given] == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
        return from_doc(function)
    return tuple((p.name, p.kind, p.default is p.empty and p.kind != p.VAR_KEYWORD) for p in given)


def instance(cls):
    """Of a class, with valid arguments."""
    ready = {"Tensor": tensor, "Sequential": model, "Plan": lambda: model().plan(2), "History": history}
    if cls.__name__ in ready:
        return ready[cls.__name__]()
    positional, named = arguments(cls.__name__, parameters(cls))
    return cls(*positional, **named)


def history():
    return model().fit(x(), y(), loss=bp.CrossEntropy(), optimizer=bp.Adam(), epochs=1, progress=False)


OPERATORS = ("call", "getitem", "setitem", "delitem", "contains", "add", "radd", "sub", "rsub", "mul", "rmul", "neg",
             "truediv", "rtruediv", "matmul", "pow", "gt", "lt", "eq", "iter", "len", "abs", "repr", "copy",
             "array_ufunc")  # fmt: skip
# What the library calls, with what it made: methods for subclasses to define. So are callbacks' `on_...`.
INNER = ("forward", "backward", "build", "output_shape")


def is_ours(cls):
    return cls.__module__.split(".")[0] == "backpass"


def methods(cls):
    """Names of public methods, properties and operators that the class or one of ours above it defines."""
    names = {}
    for base in cls.__mro__:
        if is_ours(base):
            names.update(dict.fromkeys(vars(base)))
    operators = {f"__{name}__" for name in OPERATORS}
    inner = INNER if issubclass(cls, (bp.Layer, bp.Loss)) else ()
    return sorted(
        name for name in names if name in operators or (not name.startswith(("_", "on_")) and name not in inner)
    )


def class_targets(name, cls, seen):
    """What classes share is a target of the first alone."""
    yield Target(name, lambda: cls, parameters(cls))
    yield Target(f"{name}.__new__", lambda: lambda: uninitialised(cls), ())
    for method in methods(cls):
        own = inspect.getattr_static(cls, method)
        if id(own) in seen:
            continue
        seen.add(id(own))
        if isinstance(own, (staticmethod, classmethod)) or not callable(own):
            yield Target(f"{name}.{method}", lambda method=method: lambda: getattr(instance(cls), method), ())
        else:
            yield Target(f"{name}.{method}", lambda method=method: getattr(instance(cls), method), parameters(own))


def uninitialised(cls):
    """Everything that an object which was never initialised may be asked for."""
    empty = cls.__new__(cls)
    for method in methods(cls):
        own = inspect.getattr_static(cls, method)
        try:
            value = getattr(empty, method)
            if callable(own):
                positional, named = arguments(f"{cls.__name__}.{method}", parameters(own))
                value(*positional, **named)
        except (AttributeError, TypeError, ValueError, NotImplementedError):
            pass
        except RuntimeError as error:
            if not str(error).startswith("["):
                raise


def targets():
    """By name."""
    found, seen = {}, set()
    for prefix, module in (("", bp), ("augment.", augment), ("datasets.", datasets)):
        for name in sorted(getattr(module, "__all__", vars(module))):
            value = getattr(module, name)
            if name.startswith("_") or not callable(value) or not is_ours(value):
                continue
            several = class_targets(name, value, seen) if inspect.isclass(value) else [
                Target(prefix + name, lambda value=value: value, parameters(value))
            ]  # fmt: skip
            found.update({target.name: target for target in several})
    return found


def cases():
    """(target, parameter or "", value or ""): of every target, each of its parameters and all at once, every value."""
    for target in targets().values():
        if not target.parameters:
            yield target.name, "", ""
        names = [name for name, _, _ in target.parameters]
        for name in [*names, EVERY] if len(names) > 1 else names:
            for value in VALUES:
                yield target.name, name, value
