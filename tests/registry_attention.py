"""Attention and positions: what `registry.OPS` takes from here, and what they compute in NumPy."""

import numpy as np

import backpass as bp
from op_case import OpCase


def attention(q, k, v, causal=False, scale=None):
    scores = q @ np.swapaxes(k, -1, -2) * (scale or 1 / np.sqrt(q.shape[-1]))
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:]), scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True, initial=-1e30))
    return e / e.sum(-1, keepdims=True) @ v


def rotary(x, base=10000.0, offset=0):
    time, features = x.shape[-2:]
    angles = (np.arange(time) + offset)[:, None] * base ** (-2 * np.arange(features // 2) / features)
    first, second = x[..., : features // 2], x[..., features // 2 :]
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


def in_torch(options):
    """By the form of PyTorch's function that differentiates twice."""
    scale, causal = options.get("scale"), options.get("causal", False)

    def call(t, q, k, v):
        with t.nn.attention.sdpa_kernel(t.nn.attention.SDPBackend.MATH):
            return t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)

    return call


def attending(title, *shapes, **options):
    return OpCase(
        f"attention, {title}",
        lambda q, k, v: bp.attention(q, k, v, **options),
        lambda q, k, v: attention(q, k, v, **options),
        shapes,
        torch=in_torch(options),
    )


ATTENTION = (
    attending("plain", (2, 3, 4), (2, 5, 4), (2, 5, 2)),
    attending("causal", (2, 3, 4, 3), (2, 3, 4, 3), (2, 3, 4, 3), causal=True),
    attending("of a scale", (2, 1, 3), (2, 4, 3), (2, 4, 1), scale=0.3),
    OpCase("rotary", bp.rotary, rotary, ((2, 5, 6),), torch=lambda t, x: rotary_in_torch(t, x)),
)


def rotary_in_torch(t, x):
    """By complex numbers."""
    time, features = x.shape[-2:]
    rates = 10000.0 ** (-2 * t.arange(features // 2, dtype=x.dtype) / features)
    angles = t.outer(t.arange(time, dtype=x.dtype), rates)
    first, second = x.chunk(2, -1)
    turned = t.complex(first, second) * t.complex(angles.cos(), angles.sin())
    return t.cat([turned.real, turned.imag], -1)
