"""Products whose rows are copied once for all of their blocks, by a call of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import DTYPES, ISAS, using_isa
from test_determinism import sharing_everything


def network(*widths, dtype="float64"):
    hidden = [bp.Dense(width, activation="relu") for width in widths[1:-1]]
    return bp.Sequential(*hidden, bp.Dense(widths[-1]), input_shape=widths[0], seed=1, dtype=dtype)


def data(rows, features, outputs):
    rng = np.random.default_rng(rows * features)
    return rng.standard_normal((rows, features)), rng.standard_normal((rows, outputs))


def packs(plan):
    return [call for call in plan.calls if call.name == "pack_a"]


@pytest.mark.skipif(bp.isa() == "amx", reason="tiles have copies of their own")
def test_each_large_product_reads_rows_that_are_packed_once():
    large = bp.Trainer(network(784, 512, 512, 10, dtype="float32"), bp.CrossEntropy(), bp.Adam()).plan(128)
    # Forward, gradient to the input and gradient to the weight, but for the first layer's input.
    assert [call.detail for call in packs(large) if call.phase == "forward"] == ["(128, 784)", "(128, 512)"]
    assert sorted(call.detail for call in packs(large) if call.phase == "backward") == [
        "(128, 512)", "(512, 128)T", "(512, 128)T",
    ]  # fmt: skip
    assert len([call for call in large.calls if "packed a" in call.detail]) == 5
    small = bp.Trainer(network(54, 128, 64, 7, dtype="float32"), bp.CrossEntropy(), bp.Adam()).plan(128)
    assert not packs(small)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(64, 700),
    features=st.integers(130, 600),
    hidden=st.integers(256, 600),
    outputs=st.sampled_from([1, 5, 257]),
)
def test_gradients_agree_with_the_reference(rows, features, hidden, outputs):
    model = network(features, hidden, outputs)
    x, y = data(rows, features, outputs)
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(1e-30))
    trainer.step(x, y)
    weight0, bias0, weight1, bias1 = (value.copy() for value in model.parameters().values())
    z = reference.dense_forward(x, weight0, bias0)
    h = reference.relu(z)
    prediction = reference.dense_forward(h, weight1, bias1)
    grad_h, grad_weight1, grad_bias1 = reference.dense_backward(h, weight1, 2 * (prediction - y) / y.size)
    _, grad_weight0, grad_bias0 = reference.dense_backward(x, weight0, grad_h * reference.relu_derivative(z))
    expected = np.concatenate([part.ravel() for part in (grad_weight0, grad_bias0, grad_weight1, grad_bias1)])
    np.testing.assert_allclose(model.flat_gradients, expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(model.predict(x), prediction, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_packed_products_have_the_same_bits_for_any_number_of_threads(isa, dtype):
    def stepped(threads, **options):
        model = network(300, 530, 530, 530, 270, 3, dtype=dtype)
        trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.01), threads=threads, **options)
        x, y = data(271, 300, 3)
        losses = [trainer.step(x, y) for _ in range(2)]
        return losses, model.flat_parameters.copy(), trainer.plan(271)

    with using_isa(isa), sharing_everything():
        losses, weights, plan = stepped(1)
        assert packs(plan) or isa == "amx"
        for threads, options in ((2, {}), (3, {}), (2, {"recompute": True})):
            others, ours, plan = stepped(threads, **options)
            made_again = [call for call in packs(plan) if call.detail.endswith("again")]
            assert bool(made_again) == ("recompute" in options) or isa == "amx"
            assert others == losses
            np.testing.assert_array_equal(ours, weights)
