"""Blocks of transformers: for sequences (batch, time, features)."""

from __future__ import annotations

from backpass import _names
from backpass.layers._attention import _Attending
from backpass.layers._dense import ACTIVATIONS
from backpass.layers._fixed import ACTIVATION_ALIASES

__all__ = ["TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer"]


class _TransformerLayer(_Attending):
    num_heads: int
    dim_feedforward: int
    dropout: float
    activation: str
    norm_first: bool
    causal: bool
    rotary: bool
    layer_norm_eps: float

    def _keep(self, **settings: object) -> None:
        kind, known = self._kind(), {name: name for name in ACTIVATIONS}
        if not isinstance(settings["activation"], str):
            raise TypeError(f"[{kind}] activation must be a name, got {settings['activation']!r}")
        own = _names.lookup(kind, "activation", settings["activation"], known, ACTIVATION_ALIASES)
        super()._keep(**settings | {"activation": own})


class TransformerEncoderLayer(_TransformerLayer):
    """A block of a transformer (Vaswani et al. 2017, section 3.1): attention of a sequence to itself, and two layers.

    Each part stands beside the identity, with a LayerNorm behind the sum, or before the part with `norm_first`. It is
    called on x (batch, time, features), with `lengths=` and `keep=` as of `MultiheadAttention`. Names and shapes of
    parameters are PyTorch's: `self_attn.in_proj_weight`, `linear1.weight`, `norm1.weight`...

    Args:
        num_heads: how many heads look, each by its part of the features.
        dim_feedforward: how many units the first dense layer has.
        dropout: how likely elements are dropped: of attention weights, behind the activation and behind both parts.
        activation: what is applied between the dense layers; a name as `Dense` takes it.
        norm_first: whether parts are normalized before, and not behind.
        causal: whether nothing looks ahead.
        rotary: whether queries and keys are turned by their times.
        layer_norm_eps: keeps the divisions of the norms finite.

    Raises:
        ValueError: if a setting is out of range; in a call, if `num_heads` does not divide the features.

    Example:
        >>> import backpass as bp
        >>> block = bp.TransformerEncoderLayer(2, 16, causal=True, norm_first=True)
        >>> model = bp.Sequential(bp.PositionalEncoding(), block, block, input_shape=(5, 8), seed=0)
        >>> model.output_shape, sorted(model.parameters())[-1]
        ((5, 8), '1.self_attn.out_proj.weight')
    """

    def __init__(
        self,
        num_heads: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        causal: bool = False,
        rotary: bool = False,
        layer_norm_eps: float = 1e-5,
    ) -> None:
        self._keep(
            num_heads=num_heads,
            dim_feedforward=dim_feedforward,
            dropout=dropout,
            activation=activation,
            norm_first=norm_first,
            causal=causal,
            rotary=rotary,
            layer_norm_eps=layer_norm_eps,
        )


class TransformerDecoderLayer(_TransformerLayer):
    """`TransformerEncoderLayer` with a part more: attention to a second sequence, the memory.

    It is called on x and memory, with `lengths=` and `keep=` of the memory. Parameters are PyTorch's:
    `self_attn.*`, `multihead_attn.*`, `linear1.*`, `linear2.*`, `norm1.*` to `norm3.*`.

    Args:
        num_heads: how many heads look, each by its part of the features.
        dim_feedforward: how many units the first dense layer has.
        dropout: how likely elements are dropped.
        activation: what is applied between the dense layers.
        norm_first: whether parts are normalized before, and not behind.
        causal: whether nothing looks ahead, of x in itself.
        rotary: whether queries and keys are turned by their times, of x in itself.
        layer_norm_eps: keeps the divisions of the norms finite.

    Raises:
        ValueError: if a setting is out of range; in a call, if `num_heads` does not divide the features.

    Example:
        >>> import backpass as bp
        >>> x, memory = bp.Input((3, 8)), bp.Input((5, 4))
        >>> bp.TransformerDecoderLayer(2, 16)(x, memory).shape
        (None, 3, 8)
    """

    def __init__(
        self,
        num_heads: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        causal: bool = True,
        rotary: bool = False,
        layer_norm_eps: float = 1e-5,
    ) -> None:
        self._keep(
            num_heads=num_heads,
            dim_feedforward=dim_feedforward,
            dropout=dropout,
            activation=activation,
            norm_first=norm_first,
            causal=causal,
            rotary=rotary,
            layer_norm_eps=layer_norm_eps,
        )


class TransformerEncoder(_TransformerLayer):
    """So many blocks `TransformerEncoderLayer` one after the other, all with the same `lengths=` and `keep=`.

    Names of parameters begin with `layers.0`, `layers.1`... and `norm`, as in PyTorch.

    Args:
        num_layers: how many blocks there are.
        num_heads: how many heads look, each by its part of the features.
        dim_feedforward: how many units the first dense layer has.
        dropout: how likely elements are dropped.
        activation: what is applied between the dense layers.
        norm_first: whether parts are normalized before, and not behind.
        causal: whether nothing looks ahead.
        rotary: whether queries and keys are turned by their times.
        layer_norm_eps: keeps the divisions of the norms finite.
        norm: whether a LayerNorm stands behind the last block.

    Raises:
        ValueError: if a setting is out of range; in a call, if `num_heads` does not divide the features.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.TransformerEncoder(2, 2, 16, norm=True), input_shape=(5, 8), seed=0)
        >>> list(model.parameters())[-2:]
        ['0.norm.weight', '0.norm.bias']
    """

    num_layers: int
    norm: bool

    def __init__(
        self,
        num_layers: int,
        num_heads: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        causal: bool = False,
        rotary: bool = False,
        layer_norm_eps: float = 1e-5,
        norm: bool = False,
    ) -> None:
        self._keep(
            num_layers=num_layers,
            num_heads=num_heads,
            dim_feedforward=dim_feedforward,
            dropout=dropout,
            activation=activation,
            norm_first=norm_first,
            causal=causal,
            rotary=rotary,
            layer_norm_eps=layer_norm_eps,
            norm=norm,
        )


class TransformerDecoder(_TransformerLayer):
    """So many blocks `TransformerDecoderLayer` one after the other, all with the same memory.

    Names of parameters begin with `layers.0`, `layers.1`... and `norm`, as in PyTorch.

    Args:
        num_layers: how many blocks there are.
        num_heads: how many heads look, each by its part of the features.
        dim_feedforward: how many units the first dense layer has.
        dropout: how likely elements are dropped.
        activation: what is applied between the dense layers.
        norm_first: whether parts are normalized before, and not behind.
        causal: whether nothing looks ahead, of x in itself.
        rotary: whether queries and keys are turned by their times, of x in itself.
        layer_norm_eps: keeps the divisions of the norms finite.
        norm: whether a LayerNorm stands behind the last block.

    Raises:
        ValueError: if a setting is out of range; in a call, if `num_heads` does not divide the features.

    Example:
        >>> import backpass as bp
        >>> x, memory = bp.Input((3, 8)), bp.Input((5, 4))
        >>> bp.TransformerDecoder(2, 2, 16)(x, memory).shape
        (None, 3, 8)
    """

    num_layers: int
    norm: bool

    def __init__(
        self,
        num_layers: int,
        num_heads: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        causal: bool = True,
        rotary: bool = False,
        layer_norm_eps: float = 1e-5,
        norm: bool = False,
    ) -> None:
        self._keep(
            num_layers=num_layers,
            num_heads=num_heads,
            dim_feedforward=dim_feedforward,
            dropout=dropout,
            activation=activation,
            norm_first=norm_first,
            causal=causal,
            rotary=rotary,
            layer_norm_eps=layer_norm_eps,
            norm=norm,
        )
