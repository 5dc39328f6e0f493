"""Valid arguments for public functions, by the names of their parameters."""

import inspect

import numpy as np

import backpass as bp

ROWS = 6


def model():
    return bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(3), input_shape=4, seed=1)


def x():
    return np.linspace(-1, 1, ROWS * 4, dtype=np.float32).reshape(ROWS, 4)


def y():
    return np.arange(ROWS) % 3


def tensor():
    return bp.input((ROWS, 4))


# By the names of parameters.
VALID = {
    "a": tensor, "arg0": tensor, "axes": lambda: (1, 0), "axis": lambda: 0, "b": tensor, "batch_size": lambda: 2,
    "begin": lambda: 0, "chunks": lambda: lambda: [(x(), y())], "classes": lambda: 3, "deviation": lambda: 0.1,
    "embedding_dim": lambda: 2, "end": lambda: 1, "every": lambda: 2, "factor": lambda: 2.0, "gamma": lambda: 0.5,
    "grad_output": lambda: np.ones((ROWS, 3), np.float32), "grid": lambda: {"units": [2]}, "input_shape": lambda: 4,
    "inputs": tensor, "labels": y, "layers": lambda: bp.Dense(3), "learning_rate": lambda: 0.1,
    "learning_rates": lambda: [0.1, 0.2], "loss": bp.CrossEntropy, "losses": lambda: [1.0, 2.0], "max_shift": lambda: 1,
    "make_model": lambda: lambda **settings: model(), "maximum": lambda: 1.0, "milestones": lambda: [1, 2],
    "model": model, "momentum": lambda: 0.5, "network": model, "num_embeddings": lambda: 5, "optimizer": bp.Adam,
    "otherwise": tensor, "path": lambda: "file", "pattern": lambda: "*", "patterns": lambda: "*", "progress": bool,
    "rate": lambda: 0.5, "seed": lambda: 0, "shape": lambda: (ROWS, 4), "source": lambda: model().state_dict(),
    "stacklevel": int, "steps": lambda: 3, "threads": lambda: 1, "threshold": lambda: 0.5, "training": tensor,
    "units": lambda: 3, "value": lambda: 1.0, "vector": lambda: np.ones(model().n_parameters), "warmup": int,
    "x": x, "xs": lambda: [tensor()], "y": y,
}  # fmt: skip

GIVEN = {"progress", "y", "loss", "optimizer"}  # where they have a default, too

# Where the name of a parameter alone does not say what fits, or arguments belong together.
ARGUMENTS = {
    "Network": lambda: dict(zip(("inputs", "outputs"), pair(), strict=True)),
    "Graph": lambda: {"inputs": [t := tensor()], "outputs": [bp.relu(t)]},
    "Optimizer": lambda: {"kind": "SGD", "settings": {"learning_rate": 0.1}},
    "GradientError": lambda: {"error": 0.5, "where": "x"},
    "SearchResult": lambda: {"rows": [{"loss": 0.5}], "monitor": "loss"},
    "matmul": lambda: {"a": tensor(), "b": bp.input((4, 3))},
    "gradients": lambda: {"y": bp.sum(t := tensor()), "xs": [t]},
    "take": lambda: {"table": bp.input((5, 2)), "indices": bp.input((ROWS,), dtype="int32")},
    "take_label": lambda: {"x": tensor(), "labels": bp.input((ROWS,), dtype="int32")},
    "track": lambda: {"y": tensor(), "state": bp.input((4,)), "value": bp.input((4,)), "momentum": 0.5},
    "set_isa": lambda: {"name": bp.isa()},
    "Graph.__call__": lambda: {"arrays": x()},
    "Tensor.__getitem__": lambda: {"arg0": 0},
    "Tensor.__pow__": lambda: {"arg0": 2},
    "augment.mixup": lambda: {"alpha": 0.4, "classes": 3},
}


def pair():
    t = bp.Input(4)
    return t, bp.Dense(3)(t)


def is_tensor_function(function):
    """Whether its x is a tensor, not an array."""
    return (function.__doc__ or "").startswith(f"{getattr(function, '__name__', '')}(x: backpass._core.Tensor")


EVERY = "*"  # in place of the name of a parameter


def arguments(target, parameters, hostile_name=None, hostile=None):
    """Positional and keyword arguments; `hostile` is that of `hostile_name`, and of what nothing valid is known for."""
    given = ARGUMENTS.get(target, dict)()
    native = is_tensor_function(getattr(bp, target, None))
    positional, named = [], {}
    for name, kind, required in parameters:
        if hostile_name in (name, EVERY):
            value = hostile
        elif name in given:
            value = given[name]
        elif name in VALID and (required or name in GIVEN):
            value = tensor() if name in ("x", "xs") and native else VALID[name]()
        elif required:
            value = hostile
        else:
            continue
        if kind == inspect.Parameter.VAR_KEYWORD:
            named["hostile"] = value
        elif kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
            positional.append(value)
        else:
            named[name] = value
    return positional, named
