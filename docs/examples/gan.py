"""A generator learns eight Gaussians on a ring from a critic alone (Goodfellow et al. 2014).

Two networks train in turns. The critic tells real points from generated ones; its slope at real points is penalised, so
that it stays smooth (Mescheder et al. 2018). In `gan` it stands still, and the generator learns to be taken for real.
A mode is covered if at least 1 % of the points lie within three standard deviations of it.
"""

import numpy as np

import backpass as bp

RADIUS, SPREAD, NOISE, BATCH, STEPS, PENALTY = 2.0, 0.1, 8, 128, 3000, 0.1
ANGLES = np.arange(8) * np.pi / 4
CENTRES = RADIUS * np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])


def tell_apart(logit, is_real, x):
    """Binary cross-entropy, and the squared gradient by real points."""
    (slope,) = bp.gradients(bp.sum(logit), [x])
    penalty = PENALTY / 2 * bp.sum(bp.square(slope), axis=1, keepdims=True)
    return bp.softplus(logit) - is_real * logit + is_real * penalty


def mlp(inputs, outputs, seed):
    """Two hidden layers."""
    hidden = [bp.Dense(64, activation="leaky_relu") for _ in range(2)]
    return bp.Sequential(*hidden, bp.Dense(outputs), input_shape=inputs, seed=seed)


def train(seed):
    """A generator."""
    rng = np.random.default_rng(seed)
    generator, critic = mlp(NOISE, 2, seed), mlp(2, 1, seed + 100)
    z = bp.Input(NOISE)
    gan = bp.Network(z, critic(generator(z)), seed=seed)
    gan.freeze(critic)
    critic_trainer = bp.Trainer(critic, tell_apart, bp.Adam(1e-3, betas=(0.5, 0.999)))
    generator_trainer = bp.Trainer(gan, bp.BinaryCrossEntropy(), bp.Adam(1e-3, betas=(0.5, 0.999)))
    is_real, taken_for_real = np.repeat([1.0, 0.0], BATCH), np.ones(BATCH)
    for _ in range(STEPS):
        generator_trainer.step(rng.standard_normal((BATCH, NOISE)), taken_for_real)
        real = CENTRES[rng.integers(0, 8, BATCH)] + SPREAD * rng.standard_normal((BATCH, 2))
        fake = generator.predict(rng.standard_normal((BATCH, NOISE)))
        critic_trainer.step(np.concatenate([real, fake]), is_real)
    return generator


def covered(generator):
    """How many modes, how many of the points lie near one, and how far a point is from the nearest, in the mean."""
    points = generator.forward(np.random.default_rng(1).standard_normal((2000, NOISE)), training=False)
    distances = np.linalg.norm(points[:, None] - CENTRES, axis=2)
    near = distances < 3 * SPREAD
    return int((near.mean(axis=0) >= 0.01).sum()), near.any(axis=1).mean(), distances.min(axis=1).mean()


def main(seeds=range(5)):
    """Prints what each seed covers."""
    before = covered(mlp(NOISE, 2, 0))[2]
    modes, after = [], []
    for seed in seeds:
        count, share, distance = covered(train(seed))
        print(f"seed {seed}: {count} of 8 modes, {share:.0%} of the points near one")
        modes.append(count)
        after.append(distance)
    return {"loss": [before, np.mean(after)], "modes": modes}


if __name__ == "__main__":
    main()
