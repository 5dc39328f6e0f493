"""What a history shows, and the names of the package."""

import sys

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def history(model, data):
    return model.fit(*data, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), epochs=3, metrics="accuracy",
                     validation_data=data, progress=False)  # fmt: skip


COLUMNS = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]


def test_history_is_there_by_the_name_that_others_use(history):
    assert history.history == dict(history)
    assert type(history.history) is dict
    assert list(history.history) == COLUMNS


def test_a_frame_has_a_row_for_each_epoch(history):
    pytest.importorskip("pandas")
    frame = history.to_frame()
    assert list(frame.columns) == COLUMNS
    assert frame.index.tolist() == [1, 2, 3]
    assert frame.index.name == "epoch"
    assert frame["loss"].tolist() == history["loss"]
    assert len(bp.History(loss=[]).to_frame()) == 0


@pytest.mark.row("W4")
def test_curves_stand_beside_their_validation(history):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    panels = history.plot()
    assert [axes.get_title() for axes in panels] == ["loss", "accuracy", "learning_rate"]
    training, held_out = panels[0].get_lines()
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(training.get_ydata(), history["loss"])
    np.testing.assert_array_equal(held_out.get_ydata(), history["val_loss"])
    assert [axes.get_title() for axes in history.plot("val_loss", "loss")] == ["val_loss", "loss"]
    pyplot.close("all")


def test_columns_to_plot_must_be_there(history):
    with pytest.raises(ValueError, match=r"\[History\] a column to plot must be one of loss, .*, got 'auc'"):
        history.plot("auc")
    with pytest.raises(ValueError, match="no columns"):
        bp.History().plot()


@pytest.mark.parametrize(("missing", "call"), [("pandas", "to_frame"), ("matplotlib", "plot")])
def test_what_is_not_installed_is_named(history, monkeypatch, missing, call):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"\[History\] {call} needs {missing}: pip install"):
        getattr(history, call)()


def test_dir_shows_public_names_only():
    assert sorted(dir(bp)) == sorted(bp.__all__)
    assert not [name for name in dir(bp) if name.startswith("_") and name != "__version__"]
    assert all(hasattr(bp, name) for name in dir(bp))
