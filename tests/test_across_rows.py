"""Losses that compare the rows of a batch with each other: contrastive ones, with any batch size."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES

FIT = {"progress": False, "seed": 3}
TEMPERATURE = 0.5


def towers(dtype="float64", width=4):
    """Two views, embedded by the same layers."""
    first, second = bp.Input(3, dtype=dtype, name="first"), bp.Input(3, dtype=dtype, name="second")
    encode = bp.Sequential(bp.Dense(5, activation="tanh"), bp.Dense(width), input_shape=3, dtype=dtype, seed=1)
    return bp.Network([first, second], [encode(first), encode(second)], seed=0)


def views(rng, rows=10):
    return [rng.standard_normal((rows, 3)), rng.standard_normal((rows, 3))]


@bp.JointLoss
def info_nce(z):
    logits = z[0] @ z[1].T / TEMPERATURE
    return bp.log_sum_exp(logits) - bp.diagonal(logits)


@bp.JointLoss
def both_ways(z):
    """CLIP (Radford et al. 2021): rows find columns, and columns rows."""
    logits = bp.matmul(z[0], bp.swapaxes(z[1], 0, 1)) / TEMPERATURE
    same = bp.sum(z[0] * z[1], 1) / TEMPERATURE
    return 0.5 * (bp.log_sum_exp(logits, axis=1) + bp.logsumexp(logits, axis=0)) - same


@bp.JointLoss
def nt_xent(z):
    """SimCLR (Chen et al. 2020): the other view among all rows of both but oneself."""
    sides, self = [], bp.where(bp.eye(None, dtype=z[0].dtype), -1e9, 0.0)
    for one, other in (z, z[::-1]):
        across, within = one @ other.T / TEMPERATURE, one @ one.T / TEMPERATURE + self
        both = bp.logaddexp(bp.log_sum_exp(across), bp.log_sum_exp(within))
        sides.append(both - bp.diagonal(across))
    return 0.5 * (sides[0] + sides[1])


@bp.JointLoss
def supervised(z, y):
    """Khosla et al. 2020: all rows of one class are alike."""
    labels = y["class"]
    alike = labels[:, None] == labels[None, :]
    return -bp.sum(alike * bp.log_softmax(z[0] @ z[1].T), 1) / bp.sum(alike, 1)


@bp.JointLoss
def hardest_triplet(z, y):
    """Hermans et al. 2017: the farthest row of one's class, the nearest of another."""
    labels = y["class"]
    alike = bp.equal(bp.expand_dims(labels, 1), bp.expand_dims(labels, 0))
    apart = bp.sum(bp.square(bp.expand_dims(z[0], 1) - bp.expand_dims(z[1], 0)), 2)
    near, far = bp.min(apart + 1e6 * alike, axis=1), bp.max(apart * alike, axis=1)
    return bp.softplus(far - near)


def torch_info_nce(torch, z):
    logits = z[0] @ z[1].T / TEMPERATURE
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)))


def torch_both_ways(torch, z):
    logits, rows = z[0] @ z[1].T / TEMPERATURE, torch.arange(len(z[0]))
    loss = torch.nn.functional.cross_entropy
    return 0.5 * (loss(logits, rows) + loss(logits.T, rows))


def torch_nt_xent(torch, z):
    both = torch.cat(list(z))
    logits = both @ both.T / TEMPERATURE
    logits = logits.masked_fill(torch.eye(len(both), dtype=torch.bool), -1e9)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(both)).roll(len(z[0])))


LOSSES = {
    "InfoNCE": (info_nce, torch_info_nce),
    "both ways": (both_ways, torch_both_ways),
    "NT-Xent": (nt_xent, torch_nt_xent),
}


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("size", [1, 4, 10])
def test_training_is_pytorchs(rng, kind, size):
    """Batches of 4, 4 and a last one of 2; of one row there are no others."""
    torch = pytest.importorskip("torch")
    ours, theirs = LOSSES[kind]
    model, x = towers(), views(rng)
    start = [torch.tensor(value, requires_grad=True) for value in model.state_dict().values()]
    optimizer = torch.optim.SGD(start, 0.1)
    losses = []
    for begin in range(0, 10, size):
        inner, bias, outer, last = start
        z = [torch.tanh(torch.tensor(v[begin : begin + size]) @ inner.T + bias) @ outer.T + last for v in x]
        loss = theirs(torch, z)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append((loss.item(), len(z[0])))
    history = model.fit(x, (), loss=ours, optimizer=bp.SGD(0.1), batch_size=size, shuffle=False, **FIT)
    mean = sum(loss * rows for loss, rows in losses) / 10
    assert history["loss"] == pytest.approx([mean], rel=1e-12, abs=1e-12)
    for value, expected in zip(model.state_dict().values(), start, strict=True):
        np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", [info_nce, both_ways, nt_xent])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_gradients_are_right(rng, loss, rows):
    assert bp.gradcheck(towers(), loss, views(rng, rows), None) < 1e-6


@pytest.mark.parametrize("loss", [supervised, hardest_triplet])
def test_gradients_by_labels_are_right(rng, loss):
    assert bp.gradcheck(towers(), loss, views(rng, 8), {"class": np.arange(8) % 3}) < 1e-6


def test_hessians_times_vectors_are_right(rng):
    model, x = towers(), views(rng, 6)
    objective = model.objective(x, None, info_nce)
    vector, step = rng.standard_normal(model.n_parameters), 1e-5
    up, down = (objective.jac(objective.x0 + sign * step * vector) for sign in (1, -1))
    np.testing.assert_allclose(objective.hessp(objective.x0, vector), (up - down) / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [info_nce, nt_xent])
def test_large_batches_have_the_same_bits_for_any_number_of_threads(rng, dtype, loss):
    """Ranges of rows walk on their own there; what reads all rows waits for them."""
    x, results = views(rng, 700), []
    for threads, recompute in ((1, False), (2, False), (3, False), (2, True)):
        model = towers(dtype, width=16)
        model.fit(
            x, (), loss=loss, optimizer=bp.Adam(0.01), batch_size=300, threads=threads, recompute=recompute, **FIT
        )
        results.append(np.concatenate([value.ravel() for value in model.state_dict().values()]))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    small = [view[:300] for view in x]
    model = towers(dtype, width=16)
    value, _ = model.value_and_grad(small, (), loss)
    embedded = model.predict(small)
    z = [np.asarray(part, np.float64) for part in embedded]
    if loss is info_nce:
        logits = z[0] @ z[1].T / TEMPERATURE
        expected = np.mean(np.log(np.exp(logits).sum(1)) - np.diag(logits))
        assert value == pytest.approx(expected, rel=1e-4 if dtype == "float32" else 1e-12)


def test_one_view_beside_itself(rng):
    """Both operands of the product are one value."""

    def spread(z):
        return bp.log_sum_exp(-bp.square(z @ z.T))

    model = bp.Sequential(bp.Dense(4), input_shape=3, dtype="float64", seed=0)
    assert bp.gradcheck(model, spread, rng.standard_normal((5, 3)), None) < 1e-6
    x, results = rng.standard_normal((512, 3)), []
    for threads in (1, 3):
        copy = bp.Sequential(bp.Dense(4), input_shape=3, dtype="float64", seed=0)
        copy.fit(x, (), loss=spread, optimizer=bp.SGD(0.1), batch_size=512, threads=threads, **FIT)
        results.append(copy.flat_parameters.copy())
    np.testing.assert_array_equal(results[0], results[1])
    _, gradients = model.value_and_grad(x, (), spread)
    z = x @ model.parameters()["0.weight"].T + model.parameters()["0.bias"]
    s = z @ z.T
    weights = np.exp(-(s**2) - np.log(np.exp(-(s**2)).sum(1, keepdims=True)))
    g = -2 * s * weights / len(x)
    np.testing.assert_allclose(gradients["0.weight"], ((g + g.T) @ z).T @ x, rtol=1e-9, atol=1e-12)


def test_products_with_rows_on_both_sides(rng):
    """(batch, batch) weights of rows, and a parameter's product with all rows."""
    keys = bp.parameter((2, 4), name="keys", initializer="glorot_uniform", dtype="float64")

    def mixes(z):
        weights = bp.softmax(z @ z.T)
        return bp.sum(bp.square(weights @ z), 1) + bp.mean(bp.square(bp.tril(keys_of(z))), 1)

    def keys_of(z):
        return bp.softmax(bp.square(z) @ bp.square(z).T, axis=0)

    model = bp.Sequential(bp.Dense(4), input_shape=3, dtype="float64", seed=0)
    assert bp.gradcheck(model, mixes, rng.standard_normal((5, 3)), None) < 1e-6
    x = bp.Input(4, dtype="float64")
    scores = bp.Network(x, bp.transpose(bp.softmax(keys @ x.T, axis=1)), seed=0)
    rows = rng.standard_normal((6, 4))
    logits = scores.parameters()["keys"] @ rows.T
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(scores.predict(rows), expected.T, rtol=1e-12)
    assert bp.gradcheck(scores, "mse", rows, rng.standard_normal((6, 2))) < 1e-6


MASKS = {
    "eye": (lambda s: bp.eye(None, dtype="float64") * s, lambda s: np.eye(len(s)) * s),
    "eye above": (lambda s: bp.eye(None, k=1, dtype="float64") * s, lambda s: np.eye(len(s), k=1) * s),
    "tril": (lambda s: bp.tril(s, -1), lambda s: np.tril(s, -1)),
    "triu": (lambda s: bp.triu(s), np.triu),
    "diagonal": (lambda s: bp.diagonal(s)[:, None], lambda s: np.diag(s)[:, None]),
    "einsum": (lambda s: bp.einsum("ij,kj->ik", s, s), lambda s: s @ s.T),
    "new axis": (lambda s: bp.sum(s[:, None, :] * s[:, :, None], 2), lambda s: (s[:, None] * s[:, :, None]).sum(2)),
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("rows", [1, 3, 5])
def test_operations_on_batch_by_batch(rng, kind, rows):
    ours, expected = MASKS[kind]
    x = bp.input((None, 3), "float64", "x")
    a = rng.standard_normal((rows, 3))
    (value,) = bp.Graph([x], [ours(x @ x.T)])(a)
    np.testing.assert_allclose(value, expected(a @ a.T), rtol=1e-12, atol=1e-13)


def test_evaluation_and_accumulation_see_the_rows_of_a_batch(rng):
    x = views(rng, 12)
    history = towers().fit(x, (), loss=info_nce, optimizer=bp.SGD(0.0), batch_size=12, validation_data=(x, ()), **FIT)
    assert history["loss"] == pytest.approx(history["val_loss"], rel=1e-12)
    thirds = towers().fit(x, (), loss=info_nce, optimizer=bp.SGD(0.0), batch_size=4, accumulate=3, shuffle=False, **FIT)
    parts = [towers().evaluate([v[i : i + 4] for v in x], (), loss=info_nce)["loss"] for i in (0, 4, 8)]
    assert thirds["loss"] == pytest.approx([np.mean(parts)], rel=1e-12)


REFUSED = {
    "an output": (
        lambda x: bp.Network(x, x @ x.T),
        "must have the batch as first dimension alone.*belongs into a loss",
    ),
    "concat": (lambda x: bp.concat([x @ x.T, x @ x.T], axis=1), "the batch dimension cannot be cut or joined"),
    "reshape": (lambda x: bp.reshape(x @ x.T, (-1,)), r"\[reshape\] shape \(batch, batch\) cannot become"),
    "sort by mean": (lambda x: bp.topk(x @ x.T, 2), "topk.*does not choose from the batch"),
    "offset": (lambda x: bp.diagonal(x @ x.T, 1), "of a batch takes"),
    "inner": (lambda x: (x @ x.T) @ bp.constant(np.ones((3, 3), np.float32)), "inner dimensions differ"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_defined_says_so(kind):
    call, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message):
        call(bp.Input(3))
