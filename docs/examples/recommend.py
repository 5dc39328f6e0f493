"""Recommendation: embeddings of users and films, trained to rank (Rendle et al. 2009).

A made-up set in the manner of MovieLens: films have tastes that they meet and a popularity, users have tastes, and each
user has seen a few films. For each pair of a film that the user saw and one that is drawn at random, the network learns
to score the first higher. One film of each user is held out: how often is it among the ten that are recommended?
"""

import numpy as np

import backpass as bp

USERS, FILMS, TASTES, SEEN, DIM, TOP = 300, 150, 4, 20, 8, 10
LOSS = bp.BinaryCrossEntropy()  # of logits, against 1: -log sigmoid(score(seen) - score(other))


def made_up(rng):
    """Films that each user has seen, (USERS, SEEN); the last one is to be found."""
    users, films = rng.standard_normal((USERS, TASTES)), rng.standard_normal((FILMS, TASTES))
    popularity = rng.standard_normal(FILMS)
    liking = 2 * users @ films.T + popularity + rng.gumbel(size=(USERS, FILMS))
    seen = np.argsort(-liking, axis=1)[:, :SEEN]
    return rng.permuted(seen, axis=1)


def ranking_network(sparse):
    """(user, film seen, other film) -> how much higher the first is scored; both go through the same embeddings."""
    user, seen, other = (bp.Input(1, dtype="int32", name=name) for name in ("user", "seen", "other"))
    of_users = bp.Embedding(USERS, DIM, sparse=sparse, weight_init=small)
    of_films = bp.Embedding(FILMS, DIM, sparse=sparse, weight_init=small)
    offset = bp.Embedding(FILMS, 1, sparse=sparse, weight_init="zeros")

    def score(film):
        return bp.sum(of_users(user) * of_films(film), axis=-1) + offset(film)[:, :, 0]

    return bp.Network([user, seen, other], score(seen) - score(other), seed=0)


def small(shape, rng):
    """Embeddings near zero."""
    return rng.normal(0, 0.1, shape)


def hit_rate(scores, history, held_out):
    """How often the held-out film is among the TOP of those that the user has not seen."""
    scores = scores.copy()
    np.put_along_axis(scores, history, -np.inf, axis=1)
    best = np.argsort(-scores, axis=1)[:, :TOP]
    return (best == held_out[:, None]).any(axis=1).mean()


def train(model, history, rng, epochs=30):
    """One random film for each that was seen, anew in every epoch."""
    users = np.repeat(np.arange(USERS, dtype=np.int32), history.shape[1])[:, None]
    seen = history.reshape(-1, 1).astype(np.int32)
    ones, optimizer, losses = np.ones(len(seen), np.float32), bp.Adam(1e-2), []
    for _ in range(epochs):
        other = rng.integers(0, FILMS, seen.shape, dtype=np.int32)
        fit = model.fit([users, seen, other], ones, loss=LOSS, optimizer=optimizer, batch_size=256)
        losses += fit["loss"]
    return losses


def main(sparse=True):
    """Compares with recommending to everybody what most have seen."""
    rng = np.random.default_rng(0)
    films = made_up(rng)
    history, held_out = films[:, :-1], films[:, -1]
    model = ranking_network(sparse)
    losses = train(model, history, rng)
    users, items, offset = model.parameters().values()
    ranked = hit_rate(users @ items.T + offset[:, 0], history, held_out)
    counts = np.bincount(history.ravel(), minlength=FILMS)
    popular = hit_rate(np.tile(counts.astype(float), (USERS, 1)), history, held_out)
    print(f"hit rate at {TOP}: {ranked:.1%} by embeddings, {popular:.1%} by popularity, {TOP / FILMS:.1%} by chance")
    return {"loss": losses, "ranked": ranked, "popular": popular}


if __name__ == "__main__":
    main()
