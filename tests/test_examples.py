"""The scripts in docs/examples: each runs, learns, and shows what it says."""

import sys

import numpy as np
import pytest

import backpass as bp
from example_runs import FOLDER, NAMES, module, result_of, run

if not NAMES:
    pytest.skip("the examples are not here", allow_module_level=True)

# Models that are there to show that they do not learn: deep and plain, or at a rate that is too high or too low.
SHOWN_TO_FAIL = {"batch_norm": {0}, "highway": {0}, "learning_rate": {0, 1}, "residual": {0}}
ACTS = {"cart_pole"}  # the loss of those that choose their own data does not say how well they do


@pytest.mark.row("D5")
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_falls(name):
    loss = result_of(name)["loss"]
    assert loss[-1] < 0.9 * loss[0]
    if name in ACTS:
        return
    learns = {i: losses[-1] < 0.9 * losses[0] for i, losses in enumerate(run(name).losses)}
    assert {i for i, falls in learns.items() if not falls} == SHOWN_TO_FAIL.get(name, set())


@pytest.mark.parametrize("name", NAMES)
def test_it_prints_what_it_found_and_leaves_nothing(name):
    assert 1 <= len(run(name).printed) <= 15
    assert not run(name).left


def test_the_guide_lists_every_example():
    guide = (FOLDER.parent / "training.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"](examples/{name}.py)" not in guide] == []


# The simple ones.


@pytest.mark.row("C4")
@pytest.mark.parametrize("name", ["xor", "line", "neuron"])
def test_simple_examples_take_no_time(name):
    assert run(name).seconds < 5


@pytest.mark.row("C4")
def test_xor_is_learned():
    result = result_of("xor")
    np.testing.assert_allclose(result["probability"], result["truth"], rtol=0, atol=0.05)


@pytest.mark.row("C4")
def test_the_line_is_that_of_least_squares():
    result = result_of("line")
    np.testing.assert_allclose(result["found"], result["exact"], rtol=0, atol=1e-6)


@pytest.mark.row("C4")
def test_one_neuron_steps_as_by_hand():
    result = result_of("neuron")
    np.testing.assert_allclose(result["stepped"], result["by_hand"], rtol=1e-14)
    assert result["loss"][-1] < 1e-3


@pytest.mark.row("O9")
def test_five_steps_reach_the_minimum():
    path = result_of("descent")["five"]
    assert len(path) == 6
    assert path[-1] == pytest.approx(3, abs=1e-3)
    np.testing.assert_allclose(path, 3 + 7 * 0.1 ** np.arange(6), rtol=0, atol=1e-12)


@pytest.mark.row("O11")
def test_step_sizes_diverge_converge_and_crawl():
    distances = {eta: np.abs(np.array(path) - 3) for eta, path in result_of("descent")["paths"].items()}
    assert (np.diff(distances[1.1]) > 0).all()
    assert distances[1.1][-1] > 1000 * distances[1.1][0]
    assert distances[0.3][-1] < 1e-6
    assert (np.diff(distances[0.001]) < 0).all()
    assert distances[0.001][-1] > 0.9 * distances[0.001][0]


# Deep networks.


@pytest.mark.row("G14")
def test_the_gradient_at_the_split_is_the_sum_over_the_branches():
    result = result_of("residual")
    np.testing.assert_allclose(result["whole"], result["by_branch"] + result["by_skip"], rtol=0, atol=1e-15)
    assert np.abs(result["by_branch"]).max() > 0.01


@pytest.mark.row("G14")
def test_fifty_layers_train_with_skip_connections_only():
    plain, residual = (result_of("residual")[name] for name in ("plain", "residual"))
    assert plain["passed"] < 1e-20
    assert 0.1 < residual["passed"] < 10
    assert plain["accuracy"] < 0.15
    assert residual["accuracy"] > 0.8


@pytest.mark.row("G15")
def test_highway_layers_are_right_and_fifty_of_them_train():
    result = result_of("highway")
    assert result["gradcheck"] < 1e-7
    assert result["plain"] < 0.15
    assert result["highway"] > 0.9


@pytest.mark.row("G15")
def test_a_highway_layer_is_gated_as_written(rng):
    highway = module("highway").Highway(4)
    model = bp.Sequential(highway, input_shape=4, seed=0, dtype="float64")
    x, w = rng.standard_normal((3, 4)), model.parameters()
    sigmoid = [1 / (1 + np.exp(-(x @ w[f"{p}.weight"].T + w[f"{p}.bias"]))) for p in ("0.transform", "0.gate")]
    np.testing.assert_allclose(model.predict(x), sigmoid[1] * sigmoid[0] + (1 - sigmoid[1]) * x, rtol=0, atol=1e-14)
    assert (w["0.gate.bias"] == -3).all()


@pytest.mark.row("G16")
def test_densely_connected_layers_are_right_and_learn():
    result = result_of("dense_connections")
    assert result["gradcheck"] < 1e-7
    assert result["accuracy"] > 0.93


@pytest.mark.row("V5")
@pytest.mark.parametrize("kind", ["selu", "selu and alpha dropout"])
def test_selu_keeps_mean_and_variance(kind):
    values = np.array(result_of("selu")[kind])
    assert values.shape == (20, 2)
    assert np.abs(values - [0, 1]).max() < 0.2


@pytest.mark.row("V5")
def test_relu_with_the_same_weights_does_not():
    assert result_of("selu")["relu"][-1][1] < 1e-3


@pytest.mark.row("S6")
def test_batch_normalisation_lets_deep_sigmoids_learn():
    result = result_of("batch_norm")
    assert result["without"] < 0.3
    assert result["with"] > 0.9


# Data.


@pytest.mark.row("I6")
def test_weights_rank_the_informative_inputs_first():
    result = result_of("importance")
    assert {*result["ranking"][:2]} == {3, 7}
    second, third = sorted(result["norms"])[-2:-4:-1]
    assert second > 1.5 * third


@pytest.mark.row("R4")
def test_overfitting_shows_and_is_flagged():
    result = result_of("overfitting")
    assert result["overfits"]
    assert result["loss"][-1] < 0.3
    assert result["val_loss"][-1] > 1.1 * min(result["val_loss"])


@pytest.mark.row("R2")
def test_early_stopping_keeps_the_best_weights():
    """Until it stops, the same bits as the run to the end; then it goes back to the best of them."""
    result = result_of("overfitting")
    stopped, best = result["stopped"], result["best_epoch"]
    assert stopped == result["val_loss"][: len(stopped)]
    assert stopped[best] == min(stopped)
    assert len(stopped) == best + 1 + 8
    assert result["best"]["loss"] == stopped[best]
    assert result["best"]["accuracy"] > result["last"]["accuracy"] + 0.03


@pytest.mark.row("S10")
def test_the_rate_that_is_found_trains_and_a_schedule_goes_up_and_down():
    result = result_of("learning_rate")
    assert 0.01 < result["suggestion"] < 2
    assert result["a thousandth of it"]["loss"][-1] > 2
    assert result["constant"]["accuracy"] > 0.93
    assert result["one cycle"]["accuracy"] > 0.93
    rates = np.diff(result["one cycle"]["rates"])
    assert (rates[:2] > 0).all()
    assert (rates[3:] < 0).all()


def test_weights_by_class_find_what_is_rare():
    rows, classes = (result_of("imbalance")[name] for name in ("by rows", "by classes"))
    assert rows["accuracy"] > classes["accuracy"] > 0.8
    assert rows["found"] < 0.3
    assert classes["found"] > 0.5
    assert classes["balanced_accuracy"] > rows["balanced_accuracy"] + 0.1


@pytest.mark.row("R3")
def test_shifted_digits_are_known_where_augmentation_has_shown_some():
    plain, augmented = (result_of("augmentation")[name] for name in ("plain", "augmented"))
    assert plain["shifted"] < 0.7
    assert augmented["shifted"] > 0.85
    assert augmented["as_is"] > 0.85


def test_a_run_that_crashed_ends_with_the_bits_of_one_that_did_not():
    result = result_of("resume")
    assert result["same"]
    assert result["loss"] == result["expected"]
    assert "the power went out" in run("resume").printed[0]


def test_a_parquet_file_is_learned_chunk_by_chunk():
    assert 10 < result_of("parquet")["rmse"] < 20


@pytest.mark.parametrize(
    ("name", "left_out", "message"),
    [
        ("parquet", "pyarrow", "needs pyarrow: pip install pyarrow"),
        ("siren", "sklearn.datasets", "needs scikit-learn and Pillow: pip install scikit-learn pillow"),
    ],
)
def test_an_example_says_what_it_needs(name, left_out, message, monkeypatch):
    monkeypatch.setitem(sys.modules, left_out, None)
    with pytest.raises(SystemExit, match=message):
        module(name).main()


@pytest.mark.row("G17")
@pytest.mark.parametrize("sparse", [True, False])
def test_embeddings_rank_better_than_popularity(sparse):
    result = result_of("recommend") if sparse else module("recommend").main(sparse=False)
    assert result["ranked"] > 1.5 * result["popular"]
    assert result["popular"] > 1.5 * 10 / 150


@pytest.mark.row("S1")
def test_gradients_vanish_through_sigmoids():
    result = result_of("vanishing")
    assert result["deltas apart"] == pytest.approx(-14.18, abs=0.005)
    assert result["weights apart"] == pytest.approx(-8.83, abs=0.005)
    sigmoid, relu = result["sigmoid"], result["relu"]
    assert len(sigmoid) == len(relu) == 20
    assert sigmoid[0] / sigmoid[-1] < 1e-6
    assert relu[0] / relu[-1] > 1e-2


@pytest.mark.row("D4")
def test_wider_layers_approximate_better():
    errors = [*result_of("approximation")["errors"].values()]
    assert len(errors) == 6
    assert (np.diff(errors) < 0).all()
    assert errors[0] / errors[-1] > 100
