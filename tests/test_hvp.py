"""Products with the Hessian: against differences of the gradient, in symmetry, in cost."""

import pytest

import backpass as bp
import reference
from mlps import FEATURES, OUTPUTS, gradients_of, mlp
from registry import ACTIVATIONS, ISAS, LOSSES, by_name, generator, kinks_of, using_isa

pytestmark = pytest.mark.row("N2")


def hessian_vector_by_differences(gradient, w, v):
    """d/dt grad(w + t v), extrapolated."""

    def difference(h):
        return (gradient(w + h * v) - gradient(w - h * v)) / (2 * h)

    h = 1e-3
    d1, d2, d4 = difference(h), difference(h / 2), difference(h / 4)
    return (16 * (4 * d4 - d2) / 3 - (4 * d2 - d1) / 3) / 15


SECOND = [name for name in ACTIVATIONS if not kinks_of(name)]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activation", SECOND)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_hvp_equals_differences_of_the_gradient(case, activation, isa):
    rng = generator(case.name, activation, "hvp")
    with using_isa(isa):
        model, loss = mlp(activation, 3), case.make()
        x, y = rng.standard_normal((5, FEATURES)), case.target(rng, 5, OUTPUTS)
        v, w = rng.standard_normal(model.n_parameters), model.flat_parameters.copy()

        def gradient(values):
            model.flat_parameters[:] = values
            return gradients_of(model, loss, x, y)[2]

        expected = hessian_vector_by_differences(gradient, w, v)
        model.flat_parameters[:] = w
        product = bp.hvp(model, loss, x, y, v)
    assert product.shape == (model.n_parameters,)
    assert reference.relative_error(product, expected) < 1e-7


def test_the_hessian_is_symmetric():
    rng = generator("symmetric")
    model = mlp("gelu", 3)
    x, y = rng.standard_normal((5, FEATURES)), rng.integers(0, OUTPUTS, 5)
    u, v = rng.standard_normal((2, model.n_parameters))
    left = u @ bp.hvp(model, bp.CrossEntropy(), x, y, v)
    assert left == pytest.approx(v @ bp.hvp(model, bp.CrossEntropy(), x, y, u), rel=1e-11)


@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_hvp_through_dropout_with_fixed_masks(case):
    rng = generator(case.name, "dropout")
    model = bp.Sequential(
        bp.Dense(6), bp.Tanh(), bp.Dropout(0.4), bp.Dense(6), bp.GELU(), bp.Dropout(0.2), bp.Dense(OUTPUTS),
        input_shape=(FEATURES,), seed=3, dtype="float64",
    )  # fmt: skip
    loss, x, y = case.make(), rng.standard_normal((5, FEATURES)), case.target(rng, 5, OUTPUTS)
    v, w = rng.standard_normal(model.n_parameters), model.flat_parameters.copy()

    def gradient(values):
        model.flat_parameters[:] = values
        _, grad = loss.value_and_grad(model.forward(x, random_step=7), y)
        model.zero_grad()
        model.backward(grad)
        return model.flat_gradients.copy()

    expected = hessian_vector_by_differences(gradient, w, v)
    model.flat_parameters[:] = w
    assert reference.relative_error(bp.hvp(model, loss, x, y, v, random_step=7), expected) < 1e-7


@pytest.mark.parametrize("depth", [1, 2, 8])
def test_a_product_costs_at_most_four_gradients(depth):
    """Counted in matrix products, all of one size, of the graphs that both are."""
    x, *parameters = (bp.input((16, 16), "float64", name) for name in ("x", *map(str, range(depth))))
    directions = [bp.input((16, 16), "float64", f"v{at}") for at in range(depth)]
    a = x
    for weight in parameters:
        a = bp.tanh(a @ weight)
    grads = bp.gradients(bp.sum(bp.square(a)), parameters)
    along = sum((bp.sum(grad * v) for grad, v in zip(grads, directions, strict=True)), bp.constant(0.0, (), "float64"))
    products = bp.gradients(along, parameters)

    def count(outputs, inputs):
        return sum(op.kind == "matmul" for op in bp.Graph(inputs, outputs).ops)

    gradient = count(grads, [x, *parameters])
    assert gradient == 3 * depth - 1  # one forward and two backward, none for x
    assert count(products, [x, *parameters, *directions]) <= 4 * gradient
