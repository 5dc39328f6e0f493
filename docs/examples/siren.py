"""A network of sines holds an image (SIREN; Sitzmann et al. 2020).

It learns grey values of a flower by place, all pixels being its data. Each layer is sin(30 (W x + b)), drawn so that at
first the arguments of sines have standard deviation 1, and the sines sqrt(1/2), however many layers there are. ReLUs
of the same size see a blur. The network is smooth, so the image has a gradient everywhere: it is exact for the network,
and follows the differences of neighbouring pixels.

It has fewer numbers than the image has pixels. With many more it can hold all pixels and run wild between them: then
the error at the pixels says nothing, but the gradient tells.
"""

import numpy as np

import backpass as bp

SIDE, UNITS, OMEGA = 128, 64, 30.0


def uniform(bound):
    """An initializer: between -bound and bound."""
    return lambda shape, rng: rng.uniform(-bound, bound, shape)


def dense(inputs, units, first=False):
    """Drawn as in the paper; biases as in its program."""
    bound = 1 / inputs if first else np.sqrt(6 / inputs) / OMEGA
    return bp.Dense(units, weight_init=uniform(bound), bias_init=uniform(1 / np.sqrt(inputs)))


class Sine(bp.Layer):
    """A dense layer, times omega, within a sine."""

    def __init__(self, inputs, units, first=False):
        """Whether places come in, or sines."""
        self.dense = dense(inputs, units, first)

    def forward(self, x):
        """As written."""
        return bp.sin(OMEGA * self.dense(x))


def flower():
    """Grey values from -1 to 1, (SIDE, SIDE)."""
    try:
        from sklearn.datasets import load_sample_image

        grey = load_sample_image("flower.jpg").mean(axis=2)
    except ImportError:
        raise SystemExit("this example needs scikit-learn and Pillow: pip install scikit-learn pillow") from None
    size = len(grey) // SIDE
    blocks = grey[: size * SIDE, 100 : 100 + size * SIDE].reshape(SIDE, size, SIDE, size)
    return blocks.mean(axis=(1, 3)) / 127.5 - 1


def decibels(error):
    """The ratio of peak signal to noise; grey values are 2 apart at most."""
    return 10 * np.log10(4 / np.mean(np.square(error)))


def slopes(model, places):
    """The network's derivatives by place, in float64."""
    f, parameters = model.functional()
    parameters = bp.tree.map(np.float64, parameters)
    value, each = bp.vmap(lambda p, x: f(p, x)[0], (None, 0)), bp.vmap(bp.grad(lambda x, p: f(p, x)[0]), (0, None))
    exact, shift = each(places, parameters), 1e-6 * np.eye(2)
    central = [(value(parameters, places + h) - value(parameters, places - h)) / 2e-6 for h in shift]
    return exact, np.abs(np.stack(central, axis=1) - exact).max() / np.abs(exact).max()


def main(seed=0):
    """Fits sines and ReLUs, and differentiates."""
    image, axis = flower(), np.linspace(-1, 1, SIDE)
    places = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    sines = [Sine(2, UNITS, first=True), *(Sine(UNITS, UNITS) for _ in range(3)), dense(UNITS, 1)]
    relus = [*(bp.Dense(UNITS, activation="relu") for _ in range(4)), bp.Dense(1)]
    siren, blur = (bp.Sequential(*layers, input_shape=2, seed=seed) for layers in (sines, relus))
    spread = [siren[: k + 1].predict(places).std() for k in range(4)]
    print("standard deviations of fresh sines:", *(f"{s:.2f}" for s in spread))
    result = {"spread": spread, "numbers": siren.n_parameters, "pixels": image.size}
    for name, model in (("relus", blur), ("sines", siren)):
        adam = bp.Adam(2e-3, schedule=bp.CosineAnnealing(100, per="epoch"))
        fit = {"loss": "mse", "optimizer": adam, "epochs": 100, "batch_size": 1024, "seed": seed, "progress": False}
        result["loss"] = model.fit(places, image.ravel(), **fit)["loss"]
        result[name] = decibels(model.predict(places)[:, 0] - image.ravel())
        print(f"{name}: {result[name]:.1f} dB, {image.size} pixels in {model.n_parameters} numbers")
    exact, result["off"] = slopes(siren, places)
    differences = np.stack(np.gradient(image, axis[1] - axis[0]), axis=-1).reshape(-1, 2)
    result["correlation"] = np.corrcoef(exact.ravel(), differences.ravel())[0, 1]
    print(f"gradient: {result['off']:.1e} from the network's central differences")
    print(f"its correlation with the differences of pixels: {result['correlation']:.2f}")
    return result


if __name__ == "__main__":
    main()
