"""What is made once: its public attributes cannot be set, so that nothing that is set is ignored in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

_FREEZE = "model.freeze() keeps parameters as they are in training"

# What one may have meant by setting these.
CURES = {
    "flat_gradients": "write into it, model.flat_gradients[:] = values",
    "flat_parameters": "write into it, model.flat_parameters[:] = values",
    "frozen": "model.freeze() and model.unfreeze() change it",
    "layers": "append and pop change them",
    "lr": "learning_rate can be set",
    "requires_grad": _FREEZE,
    "trainable": _FREEZE,
    "training": "nothing is to be switched: fit trains, and predict drops nothing",
}


def refusal(owner: object, name: str, instead: str) -> AttributeError:
    """What to raise where an attribute of one of our objects is set; `instead` says what to do in general."""
    cure = CURES.get(name, instead)
    return AttributeError(f"[{type(owner).__name__}] {name} cannot be set: {cure}", name=name, obj=owner)


class Sealed:
    """Objects of our classes: constructors alone give them public attributes. Classes of users have what they like."""

    _instead = ""  # what to do, for messages

    def _keep(self, **attributes: Any) -> None:
        """Sets public attributes; for our own methods."""
        vars(self).update(attributes)

    if not TYPE_CHECKING:  # it would let type checkers take any name

        def __setattr__(self, name: str, value: Any) -> None:
            if not name.startswith("_"):
                cls = type(self)
                may_be_set = getattr(getattr(cls, name, None), "fset", None) is not None
                if cls.__module__.startswith("backpass.") and not may_be_set:
                    raise refusal(self, name, self._instead)
            super().__setattr__(name, value)
