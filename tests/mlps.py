"""Dense networks for tests of gradients: made, followed by the reference, with rows that keep off kinks."""

import numpy as np

import backpass as bp
import reference
from registry import ACTIVATIONS, distance_to, generator, kinks_of

FEATURES, OUTPUTS = 4, 3


class PositiveHalf(bp.Layer):
    """Makes the right half of its columns positive: variances, as GaussianNLL wants them."""

    def forward(self, x):
        half = x.shape[-1] // 2
        return bp.concat([x[:, :half], bp.softplus(x[:, half:]) + 0.1], 1)


def mlp(activation, depth, dtype="float64", width=5, seed=1, columns=1):
    """`depth` dense layers, the activation between them; `columns` for each output, as LossCase has them."""
    layers = []
    for _ in range(depth - 1):
        layers += [bp.Dense(width), ACTIVATIONS[activation]()]
    layers += [bp.Dense(columns * OUTPUTS, weight_init="glorot_uniform"), *([PositiveHalf()] if columns == 2 else [])]
    model = bp.Sequential(*layers, input_shape=(FEATURES,), seed=seed, dtype=dtype)
    rng = generator(activation, depth, seed)
    for name, value in model.parameters().items():
        if name.endswith("bias"):
            value[:] = rng.uniform(-0.3, 0.3, value.shape)
    return model


def as_reference(model, activation):
    """The same network for the reference, in float64."""
    weights = [value.astype(np.float64) for value in model.parameters().values()]
    layers = [reference.Layer(w, b, activation) for w, b in zip(weights[::2], weights[1::2], strict=True)]
    layers[-1].activation = "identity"
    return layers


def off_kinks(layers, rng, batch, distance=0.02):
    """Rows for which no pre-activation is close to a kink."""
    x = rng.uniform(-2, 2, (64 * batch + 200, FEATURES))
    trace = reference.forward(layers, x)[1]
    distances = [distance_to(kinks_of(layer.activation), z) for layer, z in zip(layers, trace.z, strict=True)]
    kept = x[np.min(distances, axis=0) > distance][:batch]
    assert len(kept) == batch
    return kept


def gradients_of(model, loss, x, y):
    """Value, gradient to the input, gradient to all parameters."""
    value, grad = loss.value_and_grad(model.forward(x), y)
    model.zero_grad()
    dx = model.backward(grad)
    return value, dx, model.flat_gradients.copy()
