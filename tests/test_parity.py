"""Trained alike, on real data, backpass and PyTorch reach the same scores: a small part of bench/parity."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "bench" / "parity").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.append(str(ROOT))

from bench.parity.contenders import Ours, Theirs, score, scores  # noqa: E402
from bench.parity.recipes import RECIPES, Recipe, dense  # noqa: E402
from bench.parity.run import Comparison, compare  # noqa: E402
from bench.parity.tasks import TASKS  # noqa: E402

pytestmark = pytest.mark.row("C3")


def needs(name):
    task = TASKS[name]
    if task.missing:
        pytest.skip(f"the data of {name} is not beside the repository")
    return task


@pytest.fixture(autouse=True)
def one_thread():
    """With two, PyTorch takes several times as long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


CHOSEN = [next(recipe for recipe in RECIPES if recipe.task == name) for name in ("digits", "diabetes")]


@pytest.mark.parametrize("recipe", CHOSEN, ids=lambda recipe: recipe.task)
def test_scores_are_those_of_pytorch(recipe):
    """Of 359 digits one is 0.28 points: rounding may decide one that lies between two classes."""
    differences = compare(replace(recipe, epochs=6), seeds=range(2)).differences
    assert np.abs(differences).max() < (0.3 if recipe.task == "digits" else 0.1)


def tolerance(recipe):
    """What the changes of the predictions may be apart, as a part of themselves.

    A bias before batch normalisation has a gradient of rounding alone. Adam and RMSprop make whole steps of it, which
    the normalisation takes back in training, but running means follow with delay.
    """
    if recipe.by_chance:  # each library draws masks of its own
        return 1
    return 0.1 if ("batch_norm",) in recipe.hidden and recipe.optimizer != "SGD" else 1e-4


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.task} {recipe.model} {recipe.optimizer}")
def test_an_epoch_of_every_recipe_gives_almost_the_same_predictions(recipe):
    """Rounding grows with the steps; one epoch leaves it small."""
    task = needs(recipe.task)
    split = task.split(1)
    ours = Ours(recipe, split, task.outputs, seed=1)
    theirs = Theirs(recipe, split, task.outputs, seed=1, ours=ours)
    orders = [np.random.default_rng(1).permutation(len(split.x_train))[:512]]
    before = ours.predict()
    for one in (ours, theirs):
        one.train(orders)
    moved = np.linalg.norm(theirs.predict() - before)
    assert moved > 0
    assert np.linalg.norm(ours.predict() - theirs.predict()) < tolerance(recipe) * moved


def test_a_difference_is_seen():
    """PyTorch with half the learning rate does not reach the same error, and the comparison says so."""
    task, seeds = TASKS["diabetes"], range(3)
    fast, slow = (Recipe(task.name, dense(8), "SGD", {"learning_rate": rate}, epochs=3) for rate in (0.01, 0.005))
    pairs = [(scores(fast, task.split(s), 1, s)[0], scores(slow, task.split(s), 1, s)[1]) for s in seeds]
    assert not Comparison(fast, task, *np.array(pairs).T).holds


def test_scores_by_hand():
    assert score(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])) == 0.5
    assert score(np.array([[1.0], [5.0]]), np.array([[1.0], [2.0]])) == pytest.approx(np.sqrt(4.5))


def test_the_interval_is_that_of_student():
    """Differences 1, 2 and 3 points: 2 -+ 4.3027 * 1 / sqrt(3), from the table of t with two degrees of freedom."""
    result = Comparison(RECIPES[0], TASKS["digits"], np.array([0.91, 0.92, 0.93]), np.full(3, 0.9))
    np.testing.assert_allclose(result.interval, (2 - 2.4841, 2 + 2.4841), rtol=0, atol=1e-4)
