"""Three real tasks with less precision: products of bfloat16 parts, and activations kept as bfloat16."""

import pytest

import backpass as bp

pytestmark = pytest.mark.row("P2")

NAMES = ["digits", "breast_cancer", "diabetes"]


def task(name):
    """x, y, the number of outputs, the loss, epochs."""
    if name == "digits":
        x, y = bp.datasets.load_digits()
        return x, y, 10, bp.CrossEntropy(), 15
    sklearn = pytest.importorskip("sklearn.datasets")
    found = getattr(sklearn, f"load_{name}")()
    x = (found.data - found.data.mean(0)) / found.data.std(0)
    if name == "diabetes":
        return x, (found.target - found.target.mean()) / found.target.std(), 1, bp.MSE(), 40
    return x, found.target, 2, bp.CrossEntropy(), 40


def trained(name, hidden, precision="highest", **options):
    """The loss over all training rows, after a schedule that comes to rest, and the plan of a step."""
    x, y, outputs, loss, epochs = task(name)
    model = bp.Sequential(*hidden(), bp.Dense(outputs), seed=0, precision=precision)
    steps = epochs * -(-len(x) // 64)
    optimizer = bp.AdamW(3e-3, weight_decay=1e-2, schedule=bp.CosineAnnealing(steps))
    model.fit(x, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=64, seed=0, progress=False, **options)
    return model.evaluate(x, y)["loss"], model._last_trainer.plan(64).calls


def wide():
    return [bp.Dense(512, activation="tanh"), bp.Dense(512, activation="tanh")]


def deep():
    return [bp.Dense(32, activation="tanh"), *(bp.Residual(bp.Dense(32, activation="tanh")) for _ in range(6))]


@pytest.mark.skipif("amx" not in bp.available_isas(), reason="this machine has no AMX")
@pytest.mark.parametrize("name", NAMES)
def test_products_at_medium_end_at_the_same_loss(name):
    if bp._core.reduced_precision_gap():
        pytest.skip("this process may not use AMX")
    (expected, plain), (loss, calls) = trained(name, wide), trained(name, wide, "medium")
    assert not any("amx x1" in call.detail for call in plain)
    assert sum("amx x1" in call.detail for call in calls) >= 3
    assert loss == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_activations_kept_as_bfloat16_end_at_the_same_loss(name):
    (expected, plain), (loss, calls) = trained(name, deep), trained(name, deep, activation_dtype="bfloat16")
    assert not any(call.name == "narrow" for call in plain)
    assert sum(call.name == "narrow" for call in calls) > 10
    assert loss == pytest.approx(expected, rel=0.01)
