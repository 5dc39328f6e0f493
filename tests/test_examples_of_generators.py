"""Examples that learn to make data: what they make is like what they have seen."""

import numpy as np
import pytest

from example_runs import NAMES, module, result_of

if not NAMES:
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.mark.row("G18")
@pytest.mark.row("L5")
def test_a_generator_covers_the_modes():
    """On four of five seeds at least."""
    assert sum(modes >= 6 for modes in result_of("gan")["modes"]) >= 4


@pytest.mark.row("G19")
@pytest.mark.parametrize("width", ["ratio", "closer"])
def test_a_diffusion_model_samples_from_where_its_data_come(width):
    """On four of five seeds at least, seen at the median distance and at a fifth of it."""
    ratios = result_of("diffusion")[width]
    assert len(ratios) == 5
    assert sum(ratio <= 1.5 for ratio in ratios) >= 4


def likeness(a, b, width):
    """The kernel in the mean over all pairs."""
    return np.exp(-((a[:, None] - b) ** 2).sum(axis=2) / (2 * width**2)).mean()


@pytest.mark.row("G19")
def test_the_discrepancy_is_that_of_its_definition(rng):
    """The sums over kernels are written out; points that are elsewhere are far."""
    samples, held_out = rng.standard_normal((7, 2)), rng.standard_normal((10, 2))
    discrepancies = module("diffusion").discrepancies
    squares = ((held_out[:, None] - held_out) ** 2).sum(axis=2)
    width, splits, expected = np.sqrt(np.median(squares)) / 5, np.random.default_rng(3), []
    for _ in range(10):
        order = splits.permutation(10)
        first, second = held_out[order[:5]], held_out[order[5:]]
        for a, b in ((samples, first), (first, second)):
            expected.append(np.sqrt(likeness(a, a, width) + likeness(b, b, width) - 2 * likeness(a, b, width)))
    found = discrepancies(samples, held_out, np.random.default_rng(3), closer=5)
    np.testing.assert_allclose(found, np.reshape(expected, (10, 2)).mean(axis=0), rtol=1e-10)
    ours, theirs = discrepancies(samples + 2, held_out, rng)
    assert ours > 1.5 * theirs


def test_the_gradient_of_the_evidence_lower_bound_passes_through_the_noise():
    assert result_of("vae")["gradcheck"] < 1e-7


def test_sampled_divergences_agree_with_the_closed_form():
    exact, sampled, error = result_of("vae")["divergence"]
    assert exact > 10
    assert abs(sampled - exact) < 3 * error < 0.05


def test_an_autoencoder_explains_held_out_digits_better_than_histograms():
    result = result_of("vae")
    assert result["histograms"] < 110
    assert result["elbo"] < result["histograms"] - 10
    assert result["error"] < 0.3 * result["of the mean"]
