"""Going on with another loss, penalty or augmentation is refused by name; with another learning rate, it is taken."""

import numpy as np
import pytest

import backpass as bp
from test_checkpoint import rows
from test_resume import rewrite


def network():
    return bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=0)


def fit(path, epochs=2, model=None, optimizer=None, data=None, callbacks=(), **options):
    model = model or network()
    settings = {"loss": bp.CrossEntropy(), "seed": 0, "progress": False, **options}
    optimizer = optimizer or bp.Adam(0.05)
    history = model.fit(*(data or rows()), optimizer=optimizer, epochs=epochs, resume=path,
                        callbacks=[*callbacks, bp.Checkpoint(path)], **settings)  # fmt: skip
    return model, optimizer, history


class Scaled(bp.Loss):
    def __init__(self, scale, weights=(1.0, 1.0)):
        self.scale, self.weights, self.function = scale, weights, np.exp

    def forward(self, prediction, target):
        return bp.square(prediction - target) * self.scale


class Numbers(bp.Loss):
    def __init__(self, scale):
        self.scale = scale

    def value_and_grad(self, prediction, target, sample_weight=None):
        return self.scale * prediction.sum(), np.full(prediction.shape, self.scale)


def square(prediction, target):
    return bp.square(prediction - target)


def cube(prediction, target):
    return bp.abs(prediction - target) ** 3


def ones(parameter):
    return bp.sum(bp.square(parameter - 1.0))


def twos(parameter):
    return bp.sum(bp.square(parameter - 2.0))


def noise(x, y, rng):
    return x + rng.normal(0, 0.1, x.shape).astype(x.dtype), y


def values():
    return rows()[0], np.tile(rows()[0][:, :1], 3)


OTHERS = [
    ("loss", {"loss": bp.CrossEntropy()}, {"loss": bp.Focal()}, "CrossEntropy .* now it is Focal gamma=2"),
    ("loss", {"loss": bp.Focal(gamma=2)}, {"loss": bp.Focal(gamma=5)}, "Focal gamma=2 .* now it is Focal gamma=5"),
    ("loss", {"loss": "cross_entropy"}, {"loss": bp.CrossEntropy(label_smoothing=0.1)}, "CrossEntropy .*=0.1"),
    ("loss", {"loss": bp.CrossEntropy()}, {"loss": bp.CrossEntropy(class_weight=[1, 2, 3])}, "class_weight=1,2,3"),
    ("loss", {"loss": square}, {"loss": cube}, "square .* now it is cube"),
    ("loss", {"loss": "mse"}, {"loss": square}, "MSE .* now it is square"),
    ("loss", {"loss": Scaled(1.0)}, {"loss": Scaled(2.0)}, "Scaled scale=1 .* now it is Scaled scale=2"),
    ("loss", {"loss": Scaled(1.0)}, {"loss": Scaled(1.0, [1.0, 2.0])}, "weights=1,2"),
    ("loss", {"loss": Numbers(1)}, {"loss": Numbers(2)}, "Numbers scale=1 .* now it is Numbers scale=2"),
    ("augment", {}, {"augment": noise}, "none .* now it is given"),
    ("augment", {"augment": noise}, {}, "given .* now it is none"),
    ("activation_dtype", {}, {"activation_dtype": "bfloat16"}, "none .* now it is bfloat16"),
    ("activation_dtype", {"activation_dtype": "bfloat16"}, {"activation_dtype": "int8"}, "now it is int8"),
    ("weight_penalty", {"weight_penalty": bp.L2(1e-3)}, {"weight_penalty": bp.L2(1e-2)}, "#"),
    ("weight_penalty", {"weight_penalty": bp.L2(1e-3)}, {"weight_penalty": bp.L1(1e-3)}, "#"),
    ("weight_penalty", {"weight_penalty": ones}, {"weight_penalty": twos}, "#"),
    ("weight_penalty", {"weight_penalty": bp.L2(1e-3)}, {"weight_penalty": bp.L2(1e-3, "0.*")}, "now it is 0"),
    ("weight_penalty", {"weight_penalty": bp.L2(1e-3)}, {}, "now it is none"),
]


@pytest.mark.parametrize(("name", "first", "then", "words"), OTHERS, ids=range(len(OTHERS)))
def test_a_fit_that_is_another_is_refused_by_name(name, first, then, words, tmp_path):
    path, given = tmp_path / "fit", first.get("loss", bp.CrossEntropy())
    data = rows() if isinstance(given, (bp.CrossEntropy, bp.Focal)) or given == "cross_entropy" else values()
    fit(path, data=data, **first)
    model, optimizer = network(), bp.Adam(0.05)
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=rf"^\[resume\] {name} was .*{words}"):
        fit(path, 4, model, optimizer, data, **then)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert optimizer.steps == 0
    assert fit(path, 4, data=data, **first)[2].epochs == 4


def test_losses_by_output_and_their_weights(tmp_path):
    x, y = rows()

    def train(epochs, **options):
        inputs = bp.Input(4)
        model = bp.Network(inputs, [bp.Dense(3)(inputs), bp.Dense(1)(inputs)], seed=0)
        return fit(tmp_path / "fit", epochs, model, data=(x, [y, x[:, 0]]), **options)[2]

    losses = [bp.CrossEntropy(), bp.MSE()]
    train(1, loss=losses)
    assert train(2, loss=losses, loss_weights=[1.0, 1.0]).epochs == 2  # they are 1 where none are given
    with pytest.raises(ValueError, match=r"^\[resume\] loss_weights was 1, 1 .* now it is 1, 0.5"):
        train(3, loss=losses, loss_weights=[1.0, 0.5])
    with pytest.raises(
        ValueError, match=r"^\[resume\] loss was CrossEntropy .*; MSE when .* now it is CrossEntropy .*; MAE"
    ):
        train(3, loss=[bp.CrossEntropy(), bp.MAE()])


def test_files_that_do_not_tell_are_gone_on_from(tmp_path):
    path, new = tmp_path / "fit", ("loss", "loss_weights", "weight_penalty", "augment", "activation_dtype")

    def older(header, state, tensors):
        settings = state["fit"]["settings"]
        state["fit"]["settings"] = [pair for pair in settings if pair[0] not in new]
        assert len(settings) - len(state["fit"]["settings"]) == len(new)
        del state["fit"]["initial_learning_rate"]

    whole = fit(tmp_path / "whole", 4)[0]
    fit(path)
    rewrite(path, older)
    resumed, optimizer, _ = fit(path, 4, optimizer=bp.Adam(0.01))  # such a file knows one rate alone, its own
    assert optimizer.learning_rate == 0.05
    np.testing.assert_array_equal(resumed.flat_parameters, whole.flat_parameters)
    with pytest.raises(ValueError, match=r"^\[resume\] loss was CrossEntropy"):  # the file that is written now tells
        fit(path, 5, loss=bp.Focal())


class Halve(bp.Callback):
    def on_epoch_end(self, trainer, logs):
        trainer.optimizer.learning_rate /= 2


def test_another_learning_rate_is_taken(tmp_path):
    path = tmp_path / "fit"
    fit(path)
    resumed, optimizer, history = fit(path, 4, optimizer=bp.Adam(0.01))
    assert optimizer.learning_rate == 0.01
    assert history["learning_rate"] == [0.05, 0.05, 0.01, 0.01]
    assert fit(path, 5, optimizer=bp.Adam(0.01))[2]["learning_rate"] == [0.05, 0.05, 0.01, 0.01, 0.01]

    model, optimizer, _ = fit(tmp_path / "other")
    optimizer.learning_rate = 0.01
    fit(tmp_path / "other", 4, model, optimizer)
    np.testing.assert_array_equal(resumed.flat_parameters, model.flat_parameters)


def test_the_same_learning_rate_is_the_one_that_training_came_to(tmp_path):
    whole = fit(tmp_path / "whole", 4, callbacks=[Halve()])[0]
    fit(tmp_path / "fit", callbacks=[Halve()])
    resumed, _, history = fit(tmp_path / "fit", 4, callbacks=[Halve()])
    assert history["learning_rate"] == [0.05, 0.025, 0.0125, 0.00625]
    np.testing.assert_array_equal(resumed.flat_parameters, whole.flat_parameters)
