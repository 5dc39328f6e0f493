"""Mistakes that beginners make: the message names the cure."""

import pickle
import zipfile

import numpy as np
import pytest

import backpass as bp

IMAGES = np.zeros((6, 8, 8), np.float32)
LABELS = np.arange(6) % 3


def built(shape=4):
    return bp.Sequential(bp.Dense(3), input_shape=shape, seed=0)


FIT = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam()}

CASES = {
    "images into Dense": (
        lambda: bp.Sequential(bp.Dense(3)).fit(IMAGES, LABELS, **FIT),
        r"\[y\] expected shape \(6, 8, 3\), got \(6,\).*the model needs Flatten\(\) as its first layer",
    ),
    "images into a flat model": (
        lambda: built(64).predict(IMAGES),
        r"\[x\] expected .*batch, 64\), got \(6, 8, 8\), .*; Flatten\(\) as first layer, or shape \(6, 64\)",
    ),
    "one feature as a vector": (
        lambda: built(1).predict([1.0, 2.0]),
        r"\[x\] expected shape \(batch, 1\), got \(2,\), for Dense 0; one number for each row has shape \(2, 1\)",
    ),
    "a vector into a new model": (
        lambda: bp.Sequential(bp.Dense(3)).fit([1.0, 2.0], [0, 1], **FIT),
        r"\[fit\] x must be rows of features.* x.reshape\(-1, 1\) where .* x\[None\]",
    ),
    "one row": (
        lambda: built().predict([1.0, 2.0, 3.0, 4.0]),
        r"\[x\] expected shape \(batch, 4\), got \(4,\), for Dense 0; one row alone has shape \(1, 4\)",
    ),
    "one image": (lambda: built((8, 8)).predict(IMAGES[0]), r"got \(8, 8\), .*; one row alone has shape \(1, 8, 8\)"),
    "sizes of input and output": (
        lambda: bp.Dense(64, 16),
        r"\[Dense\] activation must be a name or a function, got 16: how many inputs a row has is inferred",
    ),
    "a class as activation": (lambda: bp.Dense(3, activation=bp.ReLU), r"got a class: write ReLU\(\)"),
    "an unknown activation": (
        lambda: bp.Dense(3, activation="rellu"),
        r"no activation is named 'rellu'; did you mean 'relu'\?",
    ),
    "an unknown initializer": (lambda: bp.Dense(3, weight_init="he_norm"), r"did you mean 'he_normal'\?"),
    "a class as layer": (lambda: bp.Sequential(bp.ReLU), r"layer 0 must be a layer, got .*: write ReLU\(\)"),
    "an operation as layer": (lambda: bp.Sequential(bp.relu), r"layer 0 must be a layer, got .*: write ReLU\(\)"),
    "an unknown layer": (lambda: bp.Sequential("rellu"), r"no layer is named 'rellu'; did you mean 'ReLU'\?"),
    "a layer that needs settings": (lambda: bp.Sequential("dense"), r"needs units: write Dense\(units=...\)"),
    "a model as layer": (
        lambda: bp.Sequential(built(), bp.Dense(1)),
        r"a model within a model is its layers, \*model.layers",
    ),
    "an unknown loss": (
        lambda: built().evaluate(np.ones((1, 4)), [0], loss="crossentropie"),
        r"\[evaluate\] no loss is named 'crossentropie'; did you mean 'CrossEntropy'\?",
    ),
    "an unknown optimizer": (
        lambda: built().fit(np.ones((1, 4)), [0], loss="cross_entropy", optimizer="adamm"),
        r"\[fit\] no optimizer is named 'adamm'; did you mean 'Adam'\?",
    ),
    "a class as optimizer": (
        lambda: built().fit(np.ones((1, 4)), [0], loss="cross_entropy", optimizer=bp.Adam),
        r"\[fit\] optimizer must be an optimizer, got a class: write Adam\(\)",
    ),
    "names of classes as targets": (
        lambda: built().fit(np.ones((2, 4)), ["cat", "dog"], **FIT),
        r"\[fit\] y must be an array of real numbers, got dtype <U3: .*numpy.unique\(names, return_inverse=True\)",
    ),
    "real numbers as indices": (
        lambda: bp.Sequential(bp.Embedding(5, 2), bp.Flatten(), input_shape=3).predict(np.ones((2, 3))),
        r"\[predict\] x must be an array of integers, got float64: .astype\(int\)",
    ),
    "a tensor as data": (lambda: built().predict(bp.Input(4)), r"\[predict\] x must be an array .* got a tensor"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_message_names_the_cure(case):
    call, message = CASES[case]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize(
    ("index", "shown"), [(2**32, "2147483647 or more"), (-(2**40), "-2147483648 or less"), (7, "7$")]
)
def test_an_index_beyond_32_bits_is_not_shown_as_another(index, shown):
    model = bp.Sequential(bp.Embedding(5, 2), bp.Flatten(), input_shape=1, seed=0)
    with pytest.raises(ValueError, match=rf"indices must be in \[0, 5\), got {shown}"):
        model.forward(np.array([[index]]))


# Keywords.


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: built().fit(np.ones((1, 4)), [0], epoch=3, **FIT), "epochs"),
        (lambda: built().fit(np.ones((1, 4)), [0], verbose=0, **FIT), "progress"),
        (lambda: built().partial_fit(np.ones((1, 4)), [0], batchsize=3, **FIT), "batch_size"),
        (lambda: built().evaluate(np.ones((1, 4)), [0], metric="accuracy"), "metrics"),
        (lambda: bp.Trainer(built(), "mse", "adam", thread=2), "threads"),
        (lambda: bp.Trainer(built(), "mse", "adam").fit([[1.0]], [1.0], validation=2), "validation_data"),
        (lambda: bp.Dense(unit=3), "units"),
        (lambda: bp.Sequential(bp.Dense(1), random_state=0), "seed"),
        (lambda: bp.Dropout(p=0.5), "rate"),
        (lambda: bp.CrossEntropy(label_smooting=0.1), "label_smoothing"),
        (lambda: bp.EarlyStopping(patients=3), "patience"),
        (lambda: bp.CosineAnnealing(10, warm_up=3), "warmup"),
        (lambda: bp.Adam(lr=0.1), "learning_rate"),
        (lambda: bp.SGD(0.1, momentun=0.9), "momentum"),
        (lambda: bp.find_learning_rate(built(), IMAGES, LABELS, max=1.0, **FIT), "maximum"),
    ],
)
def test_a_misspelt_keyword_names_the_nearest(call, meant):
    with pytest.raises(TypeError, match=rf"; did you mean '{meant}'\?"):
        call()


def test_errors_within_keep_their_message():
    class Own(bp.Callback):
        def on_fit_begin(self, trainer, logs):
            (lambda epochs: epochs)(epoch=3)

    with pytest.raises(TypeError, match=r"unexpected keyword argument 'epoch'$"):
        built().fit(np.ones((1, 4)), [0], callbacks=[Own()], **FIT)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: built().fit(np.ones((1, 4)), [0], loss="mse"), r"^Sequential.fit\(\) missing .*: 'optimizer'$"),
        (lambda: built().backprop(np.ones((1, 4))), r"^Sequential.backprop\(\) missing .*: 'y' and 'loss'$"),
        (lambda: built().value_and_grad(), r"^Sequential.value_and_grad\(\) missing 3"),
        (lambda: built().objective(), r"^Sequential.objective\(\) missing 3"),
        (lambda: bp.Trainer(built(), "mse", "adam").fit(), r"^Trainer.fit\(\) missing 1"),
        (lambda: bp.Dense(), r"^Dense.__init__\(\) missing 1 required positional argument: 'units'$"),
    ],
)
def test_an_argument_that_is_missing_names_the_class_that_was_used(call, message):
    with pytest.raises(TypeError, match=message):
        call()


# Tensors are not arrays.


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (lambda x: np.exp(x), "write bp.exp"),
        (lambda x: np.mean(x), "write bp.mean"),
        (lambda x: np.sum(x), "write bp.sum"),
        (lambda x: np.concatenate([x, x]), "write bp.concat"),
        (lambda x: np.maximum(x, 0.0), "write bp.maximum"),
        (lambda x: np.where(x, x, x), "write bp.where"),
        (lambda x: np.median(x), "what predict or a Graph returns"),
        (lambda x: np.argmax(x), "write bp.argmax; a choice has no gradient"),
        (lambda x: np.asarray(x), "computes them"),
        (lambda x: 0 if x > x else x, "bp.where, bp.maximum and bp.minimum"),
    ],
)
def test_functions_of_numpy_name_ours(call, cure):
    with pytest.raises(TypeError, match=rf"\[Tensor\] .*{cure}"):
        call(bp.Input(3))


def test_numbers_of_numpy_are_numbers():
    x = bp.input((2,), "float64")
    both = np.float64(2) * x + np.float32(1) - np.int64(3) / (x + np.array(4.0))
    np.testing.assert_array_equal(bp.Graph([x], [both])([2.0, 8.0])[0], [4.5, 16.75])


# Files of others.


def write_zip(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")


def written(path, save, **arrays):
    with path.open("wb") as file:
        save(file, **arrays)


FILES = {
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), r"is a pickle: pickle.load"),
    "torch": (lambda path: write_zip(path, "model/data.pkl", "model/version"), r"PyTorch: load_weights\(torch.load"),
    "old torch": (lambda path: path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), r"PyTorch: load_weights"),
    "hdf5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), r"is an HDF5 file.* h5py"),
    "keras": (lambda path: write_zip(path, "config.json", "model.weights.h5"), r"is a model of Keras"),
    "onnx": (lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0"), r"probably an ONNX model"),
    "npz": (lambda path: written(path, np.savez, a=np.ones(2)), r"archive of NumPy: load_weights\(dict\(numpy"),
    "npy": (lambda path: written(path, np.save, arr=np.ones(2)), r"one NumPy array"),
    "zip": (lambda path: write_zip(path, "a.txt"), r"is a zip file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_files_of_others_are_told(tmp_path, kind):
    path = tmp_path / "model"
    write, message = FILES[kind]
    write(path)
    with pytest.raises(ValueError, match=rf"\[load\] .*{message}"):
        bp.load(path)
    with pytest.raises(ValueError, match=rf"\[load_weights\] .*{message}"):
        built().load_weights(path)


def test_a_checkpoint_is_no_model(tmp_path):
    path = tmp_path / "fit.safetensors"
    built().fit(np.ones((2, 4)), [0, 1], callbacks=[bp.Checkpoint(path)], **FIT)
    with pytest.raises(ValueError, match=r"the file is a checkpoint of a fit: fit with resume= goes on from it"):
        bp.load(path)
    with pytest.raises(ValueError, match=r"\[load_weights\] the file is a checkpoint of a fit"):
        built().load_weights(path)


def test_weights_of_pytorch_say_which_names_were_found():
    weights = {"0.weight": np.ones((8, 4)), "0.bias": np.ones(8), "2.weight": np.ones((3, 8)), "2.bias": np.ones(3)}
    within = bp.Sequential(bp.Dense(8, activation="relu"), bp.Dense(3), input_shape=4, seed=0)
    with pytest.raises(
        ValueError,
        match=r'"1.weight" is missing; found 0.bias, 0.weight, 2.bias, 2.weight; an activation .* a layer here too',
    ):
        within.load_weights(weights)
    with pytest.raises(ValueError, match=r'"0.weight" is missing; found nothing'):
        within.load_weights({})
    apart = bp.Sequential(bp.Dense(8), bp.ReLU(), bp.Dense(3), input_shape=4, seed=0)
    apart.load_weights(weights)


# Methods of others.


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("clone", r"copy.deepcopy\(model\)"),
        ("compile", "fit takes loss and optimizer"),
        ("score", "evaluate"),
        ("predict_proba", r"model.append\(bp.Softmax\(\)\)"),
        ("add", "append"),
    ],
)
def test_methods_of_others_name_ours(name, cure):
    with pytest.raises(AttributeError, match=rf"'Sequential' object has no attribute '{name}': .*{cure}") as told:
        getattr(built(), name)
    assert told.value.name == name
    assert not hasattr(built(), "nothing_of_the_kind")
