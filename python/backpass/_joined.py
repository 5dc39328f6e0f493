"""Parameters of modules, models, layers and leaves, wherever they live, as those of one network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from backpass import _core
from backpass._views import Views

if TYPE_CHECKING:
    from typing import Self


class Parameters:
    """What `parameters()` of a module or a layer gives: an iterable of its eager tensors, found when it is used.

    So an optimizer may get it before the first call has given layers their sizes.
    """

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def __iter__(self) -> Iterator[_core.Tensor]:
        return iter([leaf for _, leaf in all_called(joined_of(self.owner)).leaves])

    def __len__(self) -> int:
        return len(all_called(joined_of(self.owner)).leaves)


class Joined:
    """The parameters and states in some values, under their names there, as one network that optimizers step.

    Args:
        where: who asks, for messages.
        roots: modules, models, layers, leaves, and containers of them, by their names; read at first use.
    """

    _trained = True

    def __init__(self, where: str, roots: Iterable[tuple[str, Any]]) -> None:
        self.where = where
        self.roots = roots
        self.leaves: list[tuple[str, _core.Tensor]] = []
        self.waiting: list[tuple[str, Any]] = []  # layers and models that have no shapes yet
        self._network: _core.Network | None = None
        self._held: list[tuple[str, int]] = []  # what the network is of
        self._trains: list[bool] = []  # by leaf

    def found(self) -> Self:
        """With what there is by now."""
        if self._network is None or any(part._residents() is not None for _, part in self.waiting):
            self.find()
        return self

    def find(self) -> None:
        """Looks at all roots anew."""
        self.roots = list(self.roots)
        self.leaves, self.waiting = [], []
        kept: list[tuple[str, _core.Tensor]] = []
        seen: set[int] = set()
        for name, part in parts(self.where, self.roots):
            residents = [("", part, part)] if isinstance(part, _core.Tensor) else part._residents()
            if residents is None:
                self.waiting.append((name, part))
            for own, tensor, leaf in residents or ():
                if (identity := _core.identity(tensor)) in seen:
                    continue
                seen.add(identity)
                full = ".".join(filter(None, (name, own)))
                kept.append((full, tensor))
                if leaf is not None:
                    self.leaves.append((full, leaf))
        held = [(name, _core.identity(tensor)) for name, tensor in kept]
        if held != self._held:
            self._held, self._network, self._trains = held, _core.joined(kept) if kept else None, []

    def add(self, tensors: Iterable[_core.Tensor]) -> None:
        """More leaves, where they are not there yet."""
        known = {_core.identity(leaf) for _, leaf in self.found().leaves}
        roots = list(self.roots)
        more = [t for t in tensors if _core.identity(t) not in known]
        if more:
            self.roots = [*roots, *((str(len(roots) + i), t) for i, t in enumerate(more))]
            self.find()

    @property
    def network(self) -> _core.Network | None:
        """None where there are neither parameters nor states; what is frozen elsewhere is frozen here."""
        network = self.found()._network
        trains = [leaf.requires_grad for _, leaf in self.leaves]
        if network is not None and trains != self._trains:
            if network.frozen:
                network.unfreeze(network.frozen)
            if frozen := [name for (name, _), on in zip(self.leaves, trains, strict=True) if not on]:
                network.freeze(frozen)
            self._trains = trains
        return network

    def _built(self) -> _core.Network:
        network = self.network
        if network is None and self.waiting:
            raise not_called(self)
        if network is None:
            raise ValueError(f"[{self.where}] has no parameters")
        return network

    def zero_grad(self) -> None:
        """Sets the gradients to zero that there are by now; an iterator is left for the first step."""
        if not isinstance(self.roots, Iterator) and (network := self.network) is not None:
            network.zero_grad()


def joined_of(owner: Any) -> Joined:
    """What a module keeps for this; of a layer, a fresh one."""
    return owner._joined() if hasattr(owner, "_joined") else Joined(type(owner).__name__, [("", owner)])


def all_called(joined: Joined) -> Joined:
    """With all parameters there: RuntimeError where a layer has none yet because it has not been called."""
    if any(part._may_hold for _, part in joined.found().waiting):
        raise not_called(joined)
    return joined


def not_called(joined: Joined) -> RuntimeError:
    names = ", ".join(name or type(part).__name__ for name, part in joined.waiting if part._may_hold)
    return RuntimeError(
        f"[{joined.where}] has parts without shapes, and so without parameters: {names}. Call it once first, with rows "
        "such as it will get; an optimizer may be made before that, of the module itself or of its parameters()"
    )


def parts(where: str, roots: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Leaves, layers and models, with their names; of a module its own leaves first, as in PyTorch."""
    found: list[tuple[str, Any]] = []
    seen: set[int] = set()
    for name, value in roots:
        _gather(where, name, value, found, seen, given=True)
    return found


def _gather(where: str, name: str, value: Any, found: list[tuple[str, Any]], seen: set[int], given: bool) -> None:
    """`given`: by a user who means it, and not an attribute that may be anything."""
    if isinstance(value, (str, bytes, int, float, type(None))) and not given:
        return
    if isinstance(value, Parameters):
        value = value.owner
    elif isinstance(value, Views) and value.model is not None:
        value = value.model
    if id(value) in seen:
        return
    if hasattr(value, "_residents") or (isinstance(value, _core.Tensor) and (given or is_leaf(value))):
        seen.add(id(value))
        found.append((name, value))
    elif (inside := _inside(value)) is not None:
        seen.add(id(value))
        for key, each in inside:
            _gather(where, f"{name}.{key}" if name else key, each, found, seen, given and not is_module(value))
    elif given:
        raise TypeError(f"[{where}] parameters must be tensors, layers, models or modules, got {value!r}{_hint(value)}")


def _inside(value: Any) -> list[tuple[str, Any]] | None:
    """What a module or a container holds, by name."""
    if is_module(value):
        held = value._attributes()
        return sorted(held, key=lambda pair: not isinstance(pair[1], _core.Tensor))
    if isinstance(value, dict) and "params" not in value:
        return [(str(key), each) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [(str(i), each) for i, each in enumerate(value)]
    return None


def is_module(value: Any) -> bool:
    return hasattr(value, "_attributes")


def is_leaf(value: _core.Tensor) -> bool:
    """Whether it is a parameter: a leaf that requires a gradient, or has done so and is frozen now."""
    return bool(value.is_eager and value.is_leaf and (value.requires_grad or _core.is_parameter(value)))


def _hint(value: Any) -> str:
    if isinstance(value, str):
        return (
            ": a model's parameters() is a dict, which gives names; give the models themselves, [a, b], or "
            "a.weights + b.weights"
        )
    if isinstance(value, dict):
        return ': groups are an option, groups=[Group("encoder.*", learning_rate=1e-4)]'
    return ""


def modules(value: Any) -> list[Any]:
    """The modules in a value, each once."""
    found: dict[int, Any] = {}
    open_ = [value]
    while open_:
        each = open_.pop()
        if id(each) in found or (inside := _inside(each)) is None:
            continue
        found[id(each)] = each
        open_ += [held for _, held in reversed(inside)]
    return [each for each in found.values() if is_module(each)]
