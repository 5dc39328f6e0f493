"""Which inputs matter? Those whose weights in the first layer stay large.

Ten inputs of one scale, of which two decide the target. Weight decay takes away what the loss does not ask for, so that
the norm of an input's weights tells how much the network needs it.
"""

import numpy as np

import backpass as bp

INFORMATIVE = (3, 7)


def main():
    """Trains, then ranks the inputs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 10))
    y = np.sin(2 * x[:, INFORMATIVE[0]]) + x[:, INFORMATIVE[1]] ** 2 + rng.normal(0, 0.1, 1000)
    model = bp.Sequential(bp.Dense(32, activation="tanh"), bp.Dense(1), seed=0)
    history = model.fit(x, y, loss=bp.MSE(), optimizer=bp.AdamW(1e-2, weight_decay=0.1), epochs=30)
    norms = np.linalg.norm(model.parameters()["0.weight"], axis=0)  # weight is (units, inputs)
    ranking = np.argsort(-norms)
    for i in ranking:
        print(f"input {i}: {norms[i]:.3f} {'#' * round(20 * norms[i] / norms.max())}")
    return {"loss": history["loss"], "ranking": ranking.tolist(), "norms": norms}


if __name__ == "__main__":
    main()
