"""What is trained on which data: layers, optimizer, batches, epochs; in words that both libraries understand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Layer = tuple[Any, ...]  # a kind and its setting: ("dense", 32), ("dropout", 0.2), ("relu",)


@dataclass(frozen=True)
class Recipe:
    """One line of the comparison."""

    task: str
    hidden: tuple[Layer, ...]  # what comes before the last dense layer
    optimizer: str
    settings: dict[str, Any] = field(default_factory=dict)  # as backpass spells them
    epochs: int = 20
    batch: int = 32
    schedule: str | None = None  # "cosine" or "one cycle", over all steps

    def steps(self, rows: int) -> int:
        """Updates in the whole training."""
        return self.epochs * -(-rows // self.batch)

    @property
    def by_chance(self) -> bool:
        """Whether masks are drawn while it trains; then both libraries draw their own."""
        return any(kind == "dropout" for kind, *_ in self.hidden)

    @property
    def model(self) -> str:
        """`64 batch_norm relu, 32 relu`."""
        text = " ".join(str(part) for layer in self.hidden for part in layer)
        return text.replace(" dense ", ", ").removeprefix("dense ")

    @property
    def rule(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.optimizer}({settings}){f', {self.schedule}' if self.schedule else ''}"


def dense(*units: int, norm: str | None = None, activation: str = "relu", dropout: float = 0.0) -> tuple[Layer, ...]:
    """Hidden layers, each with the same company."""
    layers: list[Layer] = []
    for n in units:
        layers += [("dense", n), *([(norm,)] if norm else []), (activation,)]
        layers += [("dropout", dropout)] if dropout else []
    return tuple(layers)


RECIPES = (
    Recipe("digits", dense(64), "Adam", {"learning_rate": 2e-3}),
    Recipe("digits", dense(64, 32, norm="batch_norm"), "SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    Recipe(
        "digits",
        dense(64, norm="layer_norm"),
        "AdamW",
        {"learning_rate": 5e-3, "weight_decay": 0.05, "decay": "matrices"},
        schedule="cosine",
    ),
    Recipe("breast-cancer", dense(16), "SGD", {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True}),
    Recipe("breast-cancer", dense(16, norm="batch_norm"), "RMSprop", {"learning_rate": 1e-3}),
    Recipe("wine", dense(16, norm="layer_norm"), "Adam", {"learning_rate": 5e-3, "weight_decay": 1e-3}),
    Recipe("diabetes", dense(16, activation="tanh"), "RMSprop", {"learning_rate": 1e-3, "weight_decay": 1e-2}),
    Recipe("diabetes", dense(16, 8), "SGD", {"learning_rate": 0.05, "clip_norm": 0.5}),
    Recipe("power-plant", dense(32, 32), "Adam", {"learning_rate": 5e-3}, 8, 64, "cosine"),
    Recipe("power-plant", dense(32, 32, norm="batch_norm"), "AdamW", {"learning_rate": 2e-3}, 8, 64),
    Recipe("protein", dense(64, 64, norm="layer_norm"), "AdamW", {"learning_rate": 2e-3}, 8, 64),
    Recipe("protein", dense(64, dropout=0.1), "Adam", {"learning_rate": 2e-3}, 8, 64),
    Recipe("mnist-10k", dense(64, dropout=0.2), "Adam", {"learning_rate": 1e-3}, 6, 64),
    Recipe(
        "mnist-10k",
        dense(64, 64, norm="batch_norm"),
        "SGD",
        {"learning_rate": 0.1, "momentum": 0.9},
        5,
        64,
        "one cycle",
    ),
)
