"""What a contender is, and which ones there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import ClassVar

from .cases import Array, Problem


class Contender(ABC):
    """One way to do the training steps of a case: computes the loss in every step, reads it back only if asked."""

    loss_is_mean: ClassVar[bool] = False  # loss() is the mean over the last call, not the loss of its last step
    eps_hat: ClassVar[bool] = False  # Adam in the paper's second form, whose epsilon is not corrected for bias

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.case = problem.case
        self.steps_per_call = 1  # the natural size of one train()

    @abstractmethod
    def reset(self, learning_rate: float) -> None:
        """Goes back to the first parameters and a fresh optimizer."""

    @abstractmethod
    def train(self, steps: int) -> None:
        """Does the steps, and returns when they are done."""

    @abstractmethod
    def loss(self) -> float:
        """The loss of the last step, before its update."""

    @abstractmethod
    def parameters(self) -> list[Array]:
        """Copies, in the order and the shapes of Problem.parameters."""


# name: module and class; those of REDUCED in precisions below the highest only
CONTENDERS = {
    "backpass-step": ("backpass_contender", "BackpassStep"),
    "backpass-fit": ("backpass_contender", "BackpassFit"),
    "backpass-eager": ("backpass_contender", "BackpassEager"),
    "numpy": ("numpy_contender", "NumPy"),
    "torch-eager": ("torch_contender", "TorchEager"),
    "torch-eager-reduced": ("torch_contender", "TorchEagerReduced"),
    "torch-eager-bf16": ("torch_contender", "TorchEagerBf16"),
    "torch-by-hand": ("torch_by_hand_contender", "TorchByHand"),
    "torch-by-hand-reduced": ("torch_by_hand_contender", "TorchByHandReduced"),
    "torch-compile": ("torch_compile_contender", "TorchCompile"),
    "torch-compile-reduced": ("torch_compile_contender", "TorchCompileReduced"),
    "torch-compile-bf16": ("torch_compile_contender", "TorchCompileBf16"),
    "jax-jit": ("jax_contender", "JaxJit"),
    "jax-scan": ("jax_contender", "JaxScan"),
    "sklearn": ("sklearn_contender", "ScikitLearn"),
}
OURS = ("backpass-step", "backpass-fit", "backpass-eager")
REDUCED = {
    name: ("medium",) if name.endswith("bf16") else ("high", "medium")
    for name in CONTENDERS
    if name.endswith(("-reduced", "-bf16"))
}


def load_contender(name: str) -> type[Contender]:
    """Raises ModuleNotFoundError where the library is not installed."""
    module, class_name = CONTENDERS[name]
    return getattr(import_module(f".{module}", __package__), class_name)
