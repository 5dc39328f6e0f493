"""Functions of tensors, as the core has them; their signatures stand in the stub beside this file."""

from backpass import _core

__all__ = _core.functions()

globals().update((name, getattr(_core, name)) for name in __all__)
