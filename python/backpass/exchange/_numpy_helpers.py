"""Functions that a written file takes along where it calls them, as text."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "_each": '''
def _each(function, x):
    """A function of numbers, for each element."""
    return np.array([function(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)
''',
    "_softmax": """
def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    "_log_sum_exp": """
def _log_sum_exp(x):
    greatest = x.max(-1)
    return greatest + np.log(np.exp(x - greatest[..., None]).sum(-1))
""",
    "_take": '''
def _take(table, index, ignore=None):
    """Rows of a table; zeros for the index that is left out."""
    gone = np.zeros(index.shape, bool) if ignore is None else index == ignore
    index = np.where(gone, 0, index)
    if index.size and not (0 <= index.min() and index.max() < len(table)):
        raise ValueError(f"indices must be in [0, {len(table)}), got {index.min()} to {index.max()}")
    rows = table[index]
    rows[gone] = 0
    return rows
''',
    "_put_label": '''
def _put_label(value, label, columns, ignore=None):
    """A row of zeros, but for the value at the label."""
    here = (np.arange(columns) == label[..., None]) & (label != ignore)[..., None]
    return np.where(here, value[..., None], 0).astype(value.dtype)
''',
    "_recurrent": '''
def _recurrent(cell, backwards, part, x, weight, bias, h, *more):
    """A recurrent layer over all steps of x (rows, steps, gates): its states, or what else they are made of."""
    c = more[0] if cell == "lstm" else None
    lengths = more[-1] if len(more) > (cell == "lstm") else None
    steps, states, others = x.shape[1], np.empty((*x.shape[:2], h.shape[1]), x.dtype), None
    others = np.empty_like(states)
    for t in range(steps - 1, -1, -1) if backwards else range(steps):
        q = h @ weight.T + bias
        if cell in ("tanh", "relu"):
            z = x[:, t] + q
            new, other = np.tanh(z) if cell == "tanh" else np.maximum(z, 0), 0
        elif cell == "lstm":
            i, f, g, o = np.split(x[:, t] + q, 4, -1)
            other = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            new = _sigmoid(o) * np.tanh(other)
        else:
            (xr, xz, xn), (qr, qz, other) = np.split(x[:, t], 3, -1), np.split(q, 3, -1)
            r, z = _sigmoid(xr + qr), _sigmoid(xz + qz)
            if cell == "gru_before":
                other = (r * h) @ np.split(weight, 3)[2].T + np.split(bias, 3)[2]
            n = np.tanh(xn + (other if cell == "gru_before" else r * other))
            new = (1 - z) * n + z * h
        inside = np.True_ if lengths is None else (t < lengths)[:, None]
        h = np.where(inside, new, h)
        if cell == "lstm":
            c = other = np.where(inside, other, c)
        states[:, t], others[:, t] = h, other
    return others if part else states
''',
    "_sigmoid": """
def _sigmoid(x):
    return 0.5 * (np.tanh(0.5 * x) + 1)
""",
    "_conv": '''
def _conv(x, w, stride, dilation, before, after):
    """Convolution, channels last; filters (O, KH, KW, I / groups)."""
    x = np.pad(x, ((0, 0), (before[0], after[0]), (before[1], after[1]), (0, 0)))
    filters, kernel_h, kernel_w, channels = w.shape
    groups = x.shape[3] // channels
    h, v = ((x.shape[1 + i] - dilation[i] * (w.shape[1 + i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
    y = np.zeros((len(x), h, v, groups, filters // groups), x.dtype)
    for i in range(kernel_h):
        for j in range(kernel_w):
            a, b = i * dilation[0], j * dilation[1]
            part = x[:, a : a + (h - 1) * stride[0] + 1 : stride[0], b : b + (v - 1) * stride[1] + 1 : stride[1]]
            part = part.reshape(len(x), h, v, groups, channels)
            y += np.einsum("nhvgc,goc->nhvgo", part, w[:, i, j].reshape(groups, -1, channels))
    return y.reshape(len(x), h, v, filters)
''',
    "_conv_transpose": '''
def _conv_transpose(y, w, shape, stride, dilation, before, after):
    """What convolution does to gradients: from its outputs to inputs of a shape (H, W, C)."""
    n, h, v, filters = y.shape
    channels, groups = w.shape[3], shape[2] // w.shape[3]
    x = np.zeros((n, shape[0] + before[0] + after[0], shape[1] + before[1] + after[1], shape[2]), y.dtype)
    for i in range(w.shape[1]):
        for j in range(w.shape[2]):
            a, b = i * dilation[0], j * dilation[1]
            given, tap = y.reshape(n, h, v, groups, filters // groups), w[:, i, j].reshape(groups, -1, channels)
            part = np.einsum("nhvgo,goc->nhvgc", given, tap)
            to = x[:, a : a + (h - 1) * stride[0] + 1 : stride[0], b : b + (v - 1) * stride[1] + 1 : stride[1]]
            to += part.reshape(n, h, v, shape[2])
    return x[:, before[0] : before[0] + shape[0], before[1] : before[1] + shape[1]]
''',
    "_pool": '''
def _pool(x, reduce, empty, shape, axes):
    """A reduction over windows; each axis has size (0: nearly equal parts), stride, pad and dilation."""
    y = np.full((len(x), *shape, x.shape[3]), empty, x.dtype)
    windows = []
    for (size, stride, pad, dilation), inside, outside in zip(axes, x.shape[1:3], shape):
        parts = [
            np.arange(o * inside // outside, -(-(o + 1) * inside // outside))
            if size == 0
            else o * stride - pad + dilation * np.arange(size)
            for o in range(outside)
        ]
        windows.append([part[(part >= 0) & (part < inside)] for part in parts])
    for i, rows in enumerate(windows[0]):
        for j, columns in enumerate(windows[1]):
            if len(rows) and len(columns):
                y[:, i, j] = reduce(x[:, rows][:, :, columns], axis=(1, 2))
    return y
''',
}
