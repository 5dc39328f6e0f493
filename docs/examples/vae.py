"""A variational autoencoder learns to write digits (Kingma and Welling 2014).

An encoder gives mean and scale of a code, a decoder the digit that belongs to a code. The code is drawn as
mean + scale * noise, so gradients pass through the drawing. A pixel of these digits counts which of 16 points are
black, so it is binomial, and the evidence lower bound (ELBO) bounds the log-probability of a digit, in nats: it is that
of the digit given its code, less the divergence of the code from the prior. The divergence has a closed form, with
which samples agree.

To beat: histograms, which know how often each pixel has which value, but not how pixels hang together.
"""

import numpy as np

import backpass as bp

PIXELS, POINTS = 64, 16


def autoencoder(pixels, code, units, seed):
    """The whole, and its decoder, which is a model too."""
    x = bp.Input(pixels)
    hidden = bp.Dense(units, activation="relu")(x)
    mean, log_scale = bp.Dense(code)(hidden), bp.Dense(code)(hidden)
    decoder = bp.Sequential(bp.Dense(units, activation="relu"), bp.Dense(pixels), input_shape=code, seed=seed)
    z = bp.random_normal(mean.shape, mean, bp.exp(log_scale))
    return bp.Network(x, [decoder(z), mean, log_scale], seed=seed), decoder


def divergence(mean, log_scale):
    """Of N(mean, scale^2) from N(0, 1), by row."""
    return bp.sum((bp.square(mean) + bp.exp(2 * log_scale) - 1) / 2 - log_scale, axis=1)


def sampled_divergence(mean, log_scale):
    """Logarithms of how much likelier a thousand codes are than under the prior, (1000, rows)."""
    z = bp.random_normal((1000, *mean.shape), mean, bp.exp(log_scale))
    noise = (z - mean) * bp.exp(-log_scale)
    return bp.sum((bp.square(z) - bp.square(noise)) / 2 - log_scale, axis=2)


@bp.JointLoss
def negative_elbo(outputs, x):
    """x is the digit, pixels between 0 and 1."""
    logits, mean, log_scale = outputs
    black, white = POINTS * x, POINTS * (1 - x)
    ways = bp.lgamma(black + white + 1) - bp.lgamma(black + 1) - bp.lgamma(white + 1)
    given_code = bp.sum(ways + black * logits - POINTS * bp.softplus(logits), axis=1)
    return divergence(mean, log_scale) - given_code


def histograms(train, test):
    """Negative log-likelihood by pixel and value; each value has been seen once more than it was."""
    seen, asked = (np.rint(POINTS * x).astype(int) for x in (train, test))
    counts = 1 + np.array([np.bincount(pixel, minlength=POINTS + 1) for pixel in seen.T])
    log_probability = np.log(counts / counts.sum(axis=1, keepdims=True))
    return -log_probability[np.arange(PIXELS), asked].sum(axis=1).mean()


def side_by_side(*digits):
    """Eight lines of text."""
    rows = np.concatenate([digit.reshape(8, 8) for digit in digits], axis=1)
    return ["".join(" .:-=+*#%"[int(8 * value + 0.5)] * 2 for value in row) for row in rows]


def main(seed=0):
    """Checks the gradient, trains, and looks at held-out digits."""
    x, labels = bp.datasets.load_digits()
    train, test = (x[rows] for rows in bp.datasets.stratified_split(labels, seed=0))
    worst = bp.gradcheck(autoencoder(6, 2, 5, seed)[0], negative_elbo, x[:4, 20:26], x[:4, 20:26])
    model, decoder = autoencoder(PIXELS, 16, 128, seed)
    adam = bp.Adam(3e-3, schedule=bp.CosineAnnealing(300, per="epoch"))
    fit = {"loss": negative_elbo, "optimizer": adam, "epochs": 300, "batch_size": 64, "seed": seed, "progress": False}
    history = model.fit(train, train, **fit)
    result = {"loss": history["loss"], "gradcheck": worst, "histograms": histograms(train, test)}
    result["elbo"] = model.evaluate(test, test, loss=negative_elbo)["loss"]
    _, mean, log_scale = model.predict(test)
    exact, sampled = bp.compile(divergence)(mean, log_scale), bp.compile(sampled_divergence)(mean, log_scale)
    result["divergence"] = exact.mean(), sampled.mean(), sampled.std() / np.sqrt(sampled.size)
    again = 1 / (1 + np.exp(-decoder.predict(mean)))
    result["error"], result["of the mean"] = (np.abs(y - test).mean() for y in (again, train.mean(axis=0)))
    print(f"gradient of the ELBO: {worst:.1e} from finite differences")
    print(f"a held-out digit costs {result['elbo']:.1f} nats, {result['histograms']:.1f} by histograms of pixels")
    print("of these, its code {:.3f}; by samples {:.3f} +- {:.3f}".format(*result["divergence"]))
    print(f"pixels are off by {result['error']:.3f}, those of the mean digit by {result['of the mean']:.3f}")
    print(*side_by_side(test[0], again[0], test[1], again[1], test[2], again[2]), sep="\n")
    return result


if __name__ == "__main__":
    main()
