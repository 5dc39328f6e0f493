"""What a contender is, and which ones there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module

from .cases import Array, Problem


class Contender(ABC):
    """One way to do the product of a case, again and again, into memory of its own."""

    many: bool = False  # whether one call from Python does many products

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.out = problem.empty()

    @abstractmethod
    def run(self, times: int) -> None:
        """Does the product so many times."""

    def result(self) -> Array:
        return self.out


# name: module and class
CONTENDERS = {
    "backpass-call": ("backpass_contender", "BackpassCall"),
    "backpass-plan": ("backpass_contender", "BackpassPlan"),
    "numpy": ("numpy_contender", "NumPy"),
    "torch": ("torch_contender", "Torch"),
    "torch-reduced": ("torch_contender", "TorchReduced"),
    "torch-bf16": ("torch_contender", "TorchBf16"),
}
OURS = ("backpass-call", "backpass-plan")
REDUCED = {"torch-reduced": ("high", "medium"), "torch-bf16": ("medium",)}


def load_contender(name: str) -> type[Contender]:
    """Raises ModuleNotFoundError where the library is not installed."""
    module, class_name = CONTENDERS[name]
    return getattr(import_module(f".{module}", __package__), class_name)
