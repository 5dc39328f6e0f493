"""The mathematics of backpass, in NumPy alone.

Everything that the library computes in C++ is stated here once more, plainly and slowly, so that it can be read,
checked by hand and compared with. Rows are samples: x is (batch, in), a weight is (out, in), as PyTorch stores it.

The letters are those of the textbooks. A network of L dense layers computes, from a_0 = x,

    z_l = a_{l-1} W_l^T + b_l        a_l = sigma_l(z_l)

and, with delta_l = dLoss / dz_l, the four equations of backpropagation (Rumelhart, Hinton and Williams 1986) are

    (1)  delta_L = dLoss/da_L * sigma_L'(z_L)
    (2)  delta_l = (delta_{l+1} W_{l+1}) * sigma_l'(z_l)
    (3)  dLoss/db_l = sum over rows of delta_l
    (4)  dLoss/dW_l = delta_l^T a_{l-1}
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

# ---------------------------------------------------------------------------------------------------------------------
# Activations. Each is a pair: the function of z, and its derivative at z. At a kink the derivative is a documented
# subgradient: 0 at 0 for relu, the slope for leaky_relu, alpha for elu, 0 at the bounds of hardtanh and relu6.

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(z):
    """1 / (1 + exp(-z)), from the side on which exp cannot overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_derivative(z):
    """a (1 - a): never above 1/4, which it reaches at 0."""
    return sigmoid(z) * sigmoid(-z)


def tanh_derivative(z):
    """1 - a^2: never above 1, which it reaches at 0."""
    return 1 - np.tanh(z) ** 2


def relu(z):
    return np.where(z > 0, z, 0 * z)


def relu_derivative(z):
    return np.where(z > 0, 1.0, 0.0)


def leaky_relu(z, slope=0.01):
    return np.where(z > 0, z, slope * z)


def leaky_relu_derivative(z, slope=0.01):
    return np.where(z > 0, 1.0, slope)


def normal_cdf(z):
    return 0.5 * (1 + erf(z / math.sqrt(2)))


def normal_pdf(z):
    return np.exp(-0.5 * np.square(z)) / math.sqrt(2 * math.pi)


def gelu(z):
    """z Phi(z), with Phi the distribution function of the normal (Hendrycks and Gimpel 2016)."""
    return z * normal_cdf(z)


def gelu_derivative(z):
    return normal_cdf(z) + z * normal_pdf(z)


def gelu_tanh(z):
    """An approximation of gelu: z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2."""
    return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def gelu_tanh_derivative(z):
    t = np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z**2)


def elu(z, alpha=1.0):
    """z where z > 0, alpha (exp(z) - 1) elsewhere (Clevert et al. 2016)."""
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def elu_derivative(z, alpha=1.0):
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0)))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def selu(z):
    """elu with the scales that keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return SELU_SCALE * elu(z, SELU_ALPHA)


def selu_derivative(z):
    return SELU_SCALE * elu_derivative(z, SELU_ALPHA)


def silu(z):
    """z sigmoid(z) (Elfwing et al. 2018)."""
    return z * sigmoid(z)


def silu_derivative(z):
    return sigmoid(z) * (1 + z * sigmoid(-z))


def mish(z):
    """z tanh(softplus(z)) (Misra 2020)."""
    return z * np.tanh(softplus(z))


def mish_derivative(z):
    t = np.tanh(softplus(z))
    return t + z * (1 - t**2) * sigmoid(z)


def hardtanh(z, low=-1.0, high=1.0):
    return np.clip(z, low, high)


def hardtanh_derivative(z, low=-1.0, high=1.0):
    return np.where((z > low) & (z < high), 1.0, 0.0)


def relu6(z):
    return np.clip(z, 0, 6)


def relu6_derivative(z):
    return hardtanh_derivative(z, 0, 6)


def softplus(z):
    """log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|)), which is right for every z."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softsign(z):
    """z / (1 + |z|) (Bergstra et al. 2009)."""
    return z / (1 + np.abs(z))


def softsign_derivative(z):
    return (1 / (1 + np.abs(z))) ** 2


def log_sigmoid(z):
    """log(sigmoid(z))."""
    return -softplus(-z)


def identity(z):
    return z


class Activation(NamedTuple):
    function: Callable
    derivative: Callable
    kinks: tuple = ()  # where the first or second derivative jumps: differences across it tell nothing


ACTIVATIONS = {
    "identity": Activation(identity, np.ones_like),
    "relu": Activation(relu, relu_derivative, (0,)),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative, (0,)),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "tanh": Activation(np.tanh, tanh_derivative),
    "gelu": Activation(gelu, gelu_derivative),
    "gelu_tanh": Activation(gelu_tanh, gelu_tanh_derivative),
    "softplus": Activation(softplus, sigmoid),
    "elu": Activation(elu, elu_derivative, (0,)),
    "selu": Activation(selu, selu_derivative, (0,)),
    "silu": Activation(silu, silu_derivative),
    "mish": Activation(mish, mish_derivative),
    "sin": Activation(np.sin, np.cos),
    "softsign": Activation(softsign, softsign_derivative, (0,)),
    "log_sigmoid": Activation(log_sigmoid, lambda z: sigmoid(-z)),
    "hardtanh": Activation(hardtanh, hardtanh_derivative, (-1, 1)),
    "relu6": Activation(relu6, relu6_derivative, (0, 6)),
}


def softmax(z):
    """exp(z) / sum(exp(z)) by rows; the largest z is subtracted first, which changes nothing but the overflow."""
    e = np.exp(z - z.max(axis=-1, keepdims=True)) if z.shape[-1] else z
    return e / e.sum(axis=-1, keepdims=True)


def softmax_jacobian(z):
    """(c, c) for one row: da_i/dz_j = a_i (1[i = j] - a_j)."""
    a = softmax(z)
    return np.diag(a) - np.outer(a, a)


def log_sum_exp(z):
    """log(sum(exp(z))) by rows, in the form that neither overflows nor underflows."""
    top = z.max(axis=-1)
    return top + np.log(np.exp(z - top[..., None]).sum(axis=-1))


def activate(name, z, *settings):
    """a = sigma(z)."""
    return softmax(z) if name == "softmax" else ACTIVATIONS[name].function(z, *settings)


def activation_backward(name, z, grad, *settings):
    """dLoss/dz from grad = dLoss/da. Elementwise but for softmax, whose outputs depend on every input of their row."""
    if name == "softmax":
        a = softmax(z)
        return a * (grad - (grad * a).sum(axis=-1, keepdims=True))
    return grad * ACTIVATIONS[name].derivative(z, *settings)


# ---------------------------------------------------------------------------------------------------------------------
# Dense layers.


def dense_forward(x, weight, bias):
    """z = x W^T + b."""
    return x @ weight.T + bias


def dense_backward(x, weight, delta):
    """Equations (2) without its activation, (4) and (3): dLoss/dx, dLoss/dW and dLoss/db."""
    return delta @ weight, delta.T @ x, delta.sum(axis=0)


# ---------------------------------------------------------------------------------------------------------------------
# Losses: each gives its value and its gradient with respect to the prediction. `weight` holds one number per row;
# without it every row has weight 1. Means over rows are divided by the sum of the weights.


def row_weights(n, weight):
    """w_i / sum(w): what each row contributes; nothing where all weights are 0."""
    w = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    return w / w.sum() if w.any() else w


def mse(prediction, target, weight=None):
    """Mean over all elements of (p - y)^2."""
    error = prediction - target.reshape(prediction.shape)
    w = row_weights(len(error), weight)[:, None] / error.shape[1]
    return (w * error**2).sum(), 2 * w * error


def half_mse(prediction, target, weight=None):
    """Half the squared error summed over outputs, mean over rows. For one row the gradient is p - y."""
    error = prediction - target.reshape(prediction.shape)
    w = row_weights(len(error), weight)[:, None]
    return (0.5 * w * error**2).sum(), w * error


def mae(prediction, target, weight=None):
    """Mean over all elements of |p - y|; the gradient where they are equal is 0."""
    error = prediction - target.reshape(prediction.shape)
    w = row_weights(len(error), weight)[:, None] / error.shape[1]
    return (w * np.abs(error)).sum(), w * np.sign(error)


def huber(prediction, target, weight=None, delta=1.0):
    """Mean over all elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = p - y."""
    error = prediction - target.reshape(prediction.shape)
    w = row_weights(len(error), weight)[:, None] / error.shape[1]
    size = np.abs(error)
    value = np.where(size <= delta, 0.5 * error**2, delta * (size - 0.5 * delta))
    return (w * value).sum(), w * np.clip(error, -delta, delta)


def log_cosh(prediction, target, weight=None):
    """Mean over all elements of log(cosh(p - y)) = |e| + log(1 + exp(-2 |e|)) - log(2) = log(1 + 2 sinh(e / 2)^2).

    The first form does not overflow, the second does not cancel.
    """
    error = prediction - target.reshape(prediction.shape)
    w = row_weights(len(error), weight)[:, None] / error.shape[1]
    size = np.abs(error)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    value = np.where(size < 1, near, size + np.log1p(np.exp(-2 * size)) - math.log(2))
    return (w * value).sum(), w * np.tanh(error)


def quantile(prediction, target, weight=None, q=0.5):
    """Mean over all elements of max(q e, (q - 1) e), with e = y - p; the gradient at e = 0 is 0."""
    error = target.reshape(prediction.shape) - prediction
    w = row_weights(len(error), weight)[:, None] / error.shape[1]
    slope = np.where(error > 0, -q, np.where(error < 0, 1 - q, 0.0))
    return (w * np.maximum(q * error, (q - 1) * error)).sum(), w * slope


def poisson(prediction, target, weight=None, log_input=True, full=False, eps=1e-8):
    """Mean over all elements of exp(p) - y p, or of p - y log(p + eps)."""
    y = target.reshape(prediction.shape)
    w = row_weights(len(y), weight)[:, None] / y.shape[1]
    if log_input:
        value, slope = np.exp(prediction) - y * prediction, np.exp(prediction) - y
    else:
        value, slope = prediction - y * np.log(prediction + eps), 1 - y / (prediction + eps)
    if full:
        t = np.maximum(y, 1.0)
        value = value + np.where(y > 1, t * np.log(t) - t + 0.5 * np.log(2 * math.pi * t), 0.0)
    return (w * value).sum(), w * slope


def gaussian_nll(prediction, target, weight=None, eps=1e-6, full=False):
    """Mean over all targets of (log v + (y - m)^2 / v) / 2, m and v side by side, v at least eps."""
    d = prediction.shape[1] // 2
    error, variance = prediction[:, :d] - target.reshape(-1, d), np.maximum(prediction[:, d:], eps)
    w = row_weights(len(error), weight)[:, None] / d
    value = 0.5 * (np.log(variance) + error**2 / variance) + (0.5 * math.log(2 * math.pi) if full else 0.0)
    slopes = error / variance, 0.5 * (1 - error**2 / variance) / variance
    return (w * value).sum(), np.concatenate([w * slope for slope in slopes], axis=1)


def binary_cross_entropy(logits, target, weight=None, pos_weight=1.0, label_smoothing=0.0):
    """Mean over all elements of -y log sigmoid(z) - (1 - y) log(1 - sigmoid(z)); the gradient is sigmoid(z) - y."""
    y = target.reshape(logits.shape) * (1 - label_smoothing) + 0.5 * label_smoothing
    w = row_weights(len(logits), weight)[:, None] / logits.shape[1]
    value = pos_weight * y * softplus(-logits) + (1 - y) * softplus(logits)
    return (w * value).sum(), w * ((1 - y) * sigmoid(logits) - pos_weight * y * sigmoid(-logits))


def cross_entropy(logits, target, weight=None, label_smoothing=0.0):
    """-sum_c y_c log softmax(z)_c = log_sum_exp(z) - y . z, mean over rows; the gradient is softmax(z) - y.

    The target holds labels (n) or rows of probabilities (n, c).
    """
    y = probabilities(target, logits) * (1 - label_smoothing) + label_smoothing / logits.shape[1]
    w = row_weights(len(logits), weight)
    z = logits - logits.max(axis=1, keepdims=True)  # so that neither term below cancels the other
    value = (w * (y.sum(axis=1) * log_sum_exp(z) - (y * z).sum(axis=1))).sum()
    return value, w[:, None] * (softmax(z) * y.sum(axis=1, keepdims=True) - y)


def focal(logits, target, weight=None, gamma=2.0, alpha=1.0):
    """-alpha sum_c y_c (1 - p_c)^gamma log p_c with p = softmax(z), mean over rows."""
    y, p, log_p = probabilities(target, logits), softmax(logits), logits - log_sum_exp(logits)[:, None]
    w = alpha * row_weights(len(logits), weight)[:, None]
    rest = -np.expm1(log_p)
    by_log_p = -y * (rest**gamma - (gamma * rest ** (gamma - 1) * p * log_p if gamma else 0.0))
    return -(w * y * rest**gamma * log_p).sum(), w * (by_log_p - p * by_log_p.sum(axis=1, keepdims=True))


def probabilities(target, logits):
    """Labels as rows of probabilities; rows as they are."""
    return one_hot(target, logits.shape[1]) if target.ndim == 1 else target


def one_hot(labels, classes):
    return np.eye(classes)[np.asarray(labels, dtype=np.intp)]


# ---------------------------------------------------------------------------------------------------------------------
# Normalization. With x^ = (x - mean) / sqrt(var + eps), y = x^ weight + bias and d = dLoss/dx^, over the axis of the
# means: dLoss/dx = (d - mean(d) - x^ mean(d x^)) / sqrt(var + eps) (Ioffe and Szegedy 2015; Ba et al. 2016).
# Without the mean (Zhang and Sennrich 2019) the middle term is not there.


def standardize(x, axis, eps, centred=True):
    """x^ and 1 / sqrt(var + eps), with the biased variance; about zero where not centred."""
    offset = x - x.mean(axis, keepdims=True) if centred else x
    inverse = 1 / np.sqrt(np.square(offset).mean(axis, keepdims=True) + eps)
    return offset * inverse, inverse


def standardize_backward(x, grad, axis, eps, centred=True):
    """dLoss/dx from the gradient by x^."""
    hat, inverse = standardize(x, axis, eps, centred)
    mean = grad.mean(axis, keepdims=True) if centred else 0.0
    return (grad - mean - hat * (grad * hat).mean(axis, keepdims=True)) * inverse


def running_step(running, batch, momentum):
    """What a training step makes of a running value."""
    return (1 - momentum) * running + momentum * batch


# ---------------------------------------------------------------------------------------------------------------------
# Random numbers that depend on where they are used and on nothing else: Philox 4x32-10 (Salmon et al. 2011, "Parallel
# random numbers: as easy as 1, 2, 3"). Ten rounds of two 32 x 32 -> 64 bit products, a key that grows by two constants.

PHILOX_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
PHILOX_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio, and the square root of 3 less 1
LOW_WORD = np.uint64(0xFFFFFFFF)


def philox(counter, key):
    """Four random 32-bit words for each counter. counter: (4, n) words, key: two words; returns (4, n) as uint64."""
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(10):
        product0 = c0 * np.uint64(PHILOX_MULTIPLIERS[0])
        product1 = c2 * np.uint64(PHILOX_MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            product1 & LOW_WORD,
            (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            product0 & LOW_WORD,
        )
        k0 = (k0 + PHILOX_KEY_STEPS[0]) & 0xFFFFFFFF
        k1 = (k1 + PHILOX_KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def random_words(count, seed, stream, step):
    """One 32-bit word per element: element e takes word e % 4 of block e // 4; the key is the seed."""
    block = np.arange((count + 3) // 4, dtype=np.uint64)
    ones = np.ones_like(block)
    counter = (block & LOW_WORD, block >> np.uint64(32), ones * np.uint64(stream), ones * np.uint64(step & 0xFFFFFFFF))
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32)).T.reshape(-1)[:count]


def dropout_mask(shape, rate, seed, stream, step):
    """0 where an element is dropped, 1 / (1 - rate) where it is kept: the mean is 1 (Srivastava et al. 2014)."""
    words = random_words(math.prod(shape), seed, stream, step)
    return np.where(words >= rate * 2.0**32, 1 / (1 - rate), 0.0).reshape(shape)


# ---------------------------------------------------------------------------------------------------------------------
# Initializers: the deviation of the weights of a layer with `fan_in` inputs and `fan_out` outputs. A uniform
# distribution of deviation s lies within +- sqrt(3) s. Glorot and Bengio 2010; He et al. 2015; LeCun et al. 1998; in an
# orthogonal matrix (Saxe et al. 2014) each of the longer rows or columns has length 1.

INITIALIZER_DEVIATION = {
    "glorot_uniform": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "glorot_normal": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "he_uniform": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "he_normal": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "lecun_uniform": lambda fan_in, fan_out: math.sqrt(1 / fan_in),
    "lecun_normal": lambda fan_in, fan_out: math.sqrt(1 / fan_in),
    "orthogonal": lambda fan_in, fan_out: math.sqrt(1 / max(fan_in, fan_out)),
}


def glorot_uniform(rng, fan_out, fan_in):
    bound = math.sqrt(3) * INITIALIZER_DEVIATION["glorot_uniform"](fan_in, fan_out)
    return rng.uniform(-bound, bound, (fan_out, fan_in))


# ---------------------------------------------------------------------------------------------------------------------
# A multilayer perceptron.


@dataclass
class Layer:
    """A dense layer and its activation."""

    weight: np.ndarray  # (out, in)
    bias: np.ndarray  # (out,)
    activation: str = "identity"


@dataclass
class Trace:
    """What a forward pass leaves behind for the backward pass: z and a of every layer; a[0] is the input."""

    z: list = field(default_factory=list)
    a: list = field(default_factory=list)


def forward(layers, x):
    """The output and the trace."""
    trace = Trace(a=[x])
    for layer in layers:
        trace.z.append(dense_forward(trace.a[-1], layer.weight, layer.bias))
        trace.a.append(activate(layer.activation, trace.z[-1]))
    return trace.a[-1], trace


def backward(layers, trace, grad_output):
    """delta, dW and db of every layer, and dLoss/dx."""
    deltas, weight_grads, bias_grads = [], [], []
    grad = grad_output
    for index in reversed(range(len(layers))):
        delta = activation_backward(layers[index].activation, trace.z[index], grad)
        grad, weight_grad, bias_grad = dense_backward(trace.a[index], layers[index].weight, delta)
        deltas.insert(0, delta)
        weight_grads.insert(0, weight_grad)
        bias_grads.insert(0, bias_grad)
    return deltas, weight_grads, bias_grads, grad


# ---------------------------------------------------------------------------------------------------------------------
# Optimizers: one parameter array at a time, in PyTorch's formulas. `state` begins as an empty dict. Weight decay is
# coupled, that is added to the gradient, except in AdamW and Lion.


def sgd(w, grad, state, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0, dampening=0.0):
    """w - learning_rate g. With momentum v <- momentum v + (1 - dampening) g takes the place of g; v starts as g.

    Nesterov's form looks ahead: g + momentum v.
    """
    grad = grad + weight_decay * w
    if momentum:
        velocity = momentum * state["velocity"] + (1 - dampening) * grad if "velocity" in state else grad
        state["velocity"] = velocity
        grad = grad + momentum * velocity if nesterov else velocity
    return w - learning_rate * grad


def moments(grad, state, betas):
    """Step t, and the running means of g and g^2 as they are: not yet corrected for their start at zero."""
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * grad
    v = state["v"] = betas[1] * state.get("v", 0.0) + (1 - betas[1]) * grad**2
    return t, m, v


def adam(
    w, grad, state, learning_rate=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, epsilon_hat=False
):
    """Running means of g and g^2, corrected (Kingma and Ba 2015); or the largest of the latter (Reddi et al. 2018)."""
    t, m, v = moments(grad + weight_decay * w, state, betas)
    if amsgrad:
        v = state["largest"] = np.maximum(state.get("largest", 0.0), v)
    m_corrected = m / (1 - betas[0] ** t)
    v_corrected = v / (1 - betas[1] ** t)
    if epsilon_hat:  # added before the correction: it is corrected, too
        eps = eps / np.sqrt(1 - betas[1] ** t)
    return w - learning_rate * m_corrected / (np.sqrt(v_corrected) + eps)


def adamw(w, grad, state, learning_rate=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False):
    """Adam with decoupled decay: the weights shrink by themselves first (Loshchilov and Hutter 2019)."""
    return adam((1 - learning_rate * weight_decay) * w, grad, state, learning_rate, betas, eps, amsgrad=amsgrad)


def nadam(w, grad, state, learning_rate=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3):
    """Adam that looks ahead along a momentum that grows (Dozat 2016)."""
    grad = grad + weight_decay * w
    t, m, v = moments(grad, state, betas)
    now, ahead = (betas[0] * (1 - 0.5 * 0.96 ** (step * momentum_decay)) for step in (t, t + 1))
    product = state["product"] = state.get("product", 1.0) * now
    direction = ahead * m / (1 - product * ahead) + (1 - now) * grad / (1 - product)
    return w - learning_rate * direction / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def radam(w, grad, state, learning_rate=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Adam without its second moment until that is known well enough (Liu et al. 2020, algorithm 2)."""
    t, m, v = moments(grad + weight_decay * w, state, betas)
    m_corrected, kept = m / (1 - betas[0] ** t), betas[1] ** t
    limit = 2 / (1 - betas[1]) - 1
    length = limit - 2 * t * kept / (1 - kept)
    if length <= 5:
        return w - learning_rate * m_corrected
    rectified = np.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
    return w - learning_rate * rectified * m_corrected * np.sqrt(1 - kept) / (np.sqrt(v) + eps)


def adamax(w, grad, state, learning_rate=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """The mean gradient by the decayed maximum of its size (Kingma and Ba 2015, algorithm 2)."""
    grad = grad + weight_decay * w
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * grad
    u = state["u"] = np.maximum(betas[1] * state.get("u", 0.0), np.abs(grad) + eps)
    return w - learning_rate / (1 - betas[0] ** t) * m / u


def rmsprop(w, grad, state, learning_rate=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, weight_decay=0.0, centered=False):
    """The gradient divided by the root of a running mean of its squares (Tieleman and Hinton 2012).

    Centered: of its variance, the mean of the squares less the square of the mean (Graves 2013).
    """
    grad = grad + weight_decay * w
    v = state["v"] = alpha * state.get("v", 0.0) + (1 - alpha) * grad**2
    if centered:
        mean = state["mean"] = alpha * state.get("mean", 0.0) + (1 - alpha) * grad
        v = v - mean**2
    velocity = state["velocity"] = momentum * state.get("velocity", 0.0) + grad / (np.sqrt(v) + eps)
    return w - learning_rate * velocity


def adagrad(
    w, grad, state, learning_rate=1e-2, learning_rate_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0,
    eps=1e-10,
):  # fmt: skip
    """The gradient divided by the root of the sum of all its squares (Duchi et al. 2011)."""
    grad = grad + weight_decay * w
    t = state["t"] = state.get("t", 0) + 1
    total = state["sum"] = state.get("sum", initial_accumulator_value) + grad**2
    return w - learning_rate / (1 + (t - 1) * learning_rate_decay) * grad / (np.sqrt(total) + eps)


def adadelta(w, grad, state, learning_rate=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    """The gradient by a ratio of roots of running means: of squared steps and squared gradients (Zeiler 2012)."""
    grad = grad + weight_decay * w
    v = state["v"] = rho * state.get("v", 0.0) + (1 - rho) * grad**2
    step = np.sqrt(state.get("steps", 0.0) + eps) / np.sqrt(v + eps) * grad
    state["steps"] = rho * state.get("steps", 0.0) + (1 - rho) * step**2
    return w - learning_rate * step


def lion(w, grad, state, learning_rate=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
    """The signs of a momentum, with decoupled decay (Chen et al. 2023, algorithm 2)."""
    m = state.get("m", 0.0)
    state["m"] = betas[1] * m + (1 - betas[1]) * grad
    return (1 - learning_rate * weight_decay) * w - learning_rate * np.sign(betas[0] * m + (1 - betas[0]) * grad)


def orthogonalized(x, steps=5):
    """Singular values brought near 1 by the quintic of Newton and Schulz (Jordan et al. 2024)."""
    size = np.abs(x).mean()
    x = x / size if size > 0 else x  # first, so that no square overflows or vanishes
    x = x / np.linalg.norm(x) if size > 0 else x
    for _ in range(steps):
        gram = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
        factor = -4.7750 * gram + 2.0315 * gram @ gram
        x = 3.4445 * x + (factor @ x if x.shape[0] <= x.shape[1] else x @ factor)
    return x


def muon(w, grad, state, learning_rate=1e-3, momentum=0.95, nesterov=True, weight_decay=0.1, steps=5,
         adjust="original"):  # fmt: skip
    """A matrix along the orthogonal factor of its momentum; what is no matrix takes AdamW."""
    if w.ndim != 2:
        return adamw(w, grad, state, learning_rate, weight_decay=weight_decay)
    b = state["b"] = momentum * state.get("b", 0.0) + (1 - momentum) * grad
    along = (1 - momentum) * grad + momentum * b if nesterov else b
    rows, columns = w.shape
    scale = max(1, rows / columns) ** 0.5 if adjust == "original" else 0.2 * max(rows, columns) ** 0.5
    return (1 - learning_rate * weight_decay) * w - learning_rate * scale * orthogonalized(along, steps)


OPTIMIZERS = {
    "SGD": sgd, "Adam": adam, "AdamW": adamw, "NAdam": nadam, "RAdam": radam, "Adamax": adamax,
    "RMSprop": rmsprop, "Adagrad": adagrad, "Adadelta": adadelta, "Lion": lion,
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# Training.


def train_step(layers, states, x, y, loss, update):
    """Forward, backward and update of a whole network; returns the loss before the update.

    `states` holds one pair of dicts per layer; `update(w, grad, state)` is an optimizer with its settings.
    """
    output, trace = forward(layers, x)
    value, grad = loss(output, y)
    _, weight_grads, bias_grads, _ = backward(layers, trace, grad)
    for layer, (weight_state, bias_state), weight_grad, bias_grad in zip(
        layers, states, weight_grads, bias_grads, strict=True
    ):
        layer.weight = update(layer.weight, weight_grad, weight_state)
        layer.bias = update(layer.bias, bias_grad, bias_state)
    return value


XOR_INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_TARGETS = np.array([[0.0], [1.0], [1.0], [0.0]])


def train_xor(seed, epochs=3000, learning_rate=4.0):
    """2-4-1, sigmoid twice, full batch, half squared error: the mean of the squared errors at the end."""
    rng = np.random.default_rng(seed)
    layers = [
        Layer(glorot_uniform(rng, 4, 2), np.zeros(4), "sigmoid"),
        Layer(glorot_uniform(rng, 1, 4), np.zeros(1), "sigmoid"),
    ]
    states = [({}, {}) for _ in layers]
    for _ in range(epochs):
        train_step(layers, states, XOR_INPUTS, XOR_TARGETS, half_mse, lambda w, g, s: sgd(w, g, s, learning_rate))
    return mse(forward(layers, XOR_INPUTS)[0], XOR_TARGETS)[0]


# ---------------------------------------------------------------------------------------------------------------------
# Derivatives by differences, to check derivatives by rule.


def numerical_gradient(f, x, step=1e-3):
    """The gradient of a scalar function by central differences, extrapolated twice after Richardson.

    D(h) = (f(x + h) - f(x - h)) / 2h is wrong by c h^2 + d h^4 + ...: (4 D(h/2) - D(h)) / 3 has no h^2 left, and the
    same once more removes h^4.
    """
    x = np.array(x, dtype=np.float64)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        gradient[index] = _extrapolated_difference(f, x, index, step)
    return gradient


def _central_difference(f, x, index, step):
    saved = x[index]
    x[index] = saved + step
    above = f(x)
    x[index] = saved - step
    below = f(x)
    x[index] = saved
    return (above - below) / (2 * step)


def _extrapolated_difference(f, x, index, step):
    d1, d2, d4 = (_central_difference(f, x, index, step / k) for k in (1, 2, 4))
    once, twice = (4 * d2 - d1) / 3, (4 * d4 - d2) / 3
    return (16 * twice - once) / 15


def relative_error(a, b, floor=0.0):
    """The norm of the difference over the larger norm of the two: small gradients count as much as large ones.

    Below `floor` they do not: for what may vanish, and is all rounding then.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    scale = max(np.linalg.norm(a), np.linalg.norm(b), floor)
    return float(np.linalg.norm(a - b) / scale) if scale > 0 else 0.0
