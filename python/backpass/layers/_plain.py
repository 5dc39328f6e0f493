"""Layers without settings that apply one function, as the core lists them; the stub beside this file names them."""

from __future__ import annotations

from backpass import _core
from backpass.layers._fixed import Fixed

_DOC = """{doc}

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.{layer}(), input_shape=3, dtype="float64").predict([[-1.0, 0.0, 2.0]])
        array([[{example}]])
    """


def _made(layer: str, doc: str, example: str) -> type[Fixed]:
    text = _DOC.format(doc=doc, layer=layer, example=example)
    return type(layer, (Fixed,), {"__doc__": text, "__module__": "backpass.layers._activations"})


__all__ = [layer for _, layer, _, _ in _core.plain_activations()]

globals().update((layer, _made(layer, doc, example)) for _, layer, doc, example in _core.plain_activations())
