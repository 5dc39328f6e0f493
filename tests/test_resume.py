"""Going on: what cannot be of this fit is refused before anything changes; an epoch under way ends as it would have."""

import json

import numpy as np
import pytest

import backpass as bp
from test_checkpoint import chunks, network, rows


class Interrupt(bp.Callback):
    """Ends the fit by an error after so many batches, or at the end of an epoch that was stopped."""

    def __init__(self, at=None, stop=False):
        self.at, self.stop, self.seen = at, stop, 0

    def on_batch_end(self, trainer, logs):
        self.seen += 1
        if self.seen == self.at and not self.stop:
            raise KeyboardInterrupt

    def on_epoch_end(self, trainer, logs):
        if self.stop:
            raise KeyboardInterrupt


def go_on(path, *callbacks, data=None, model=None, optimizer=None, **options):
    """A fit that writes every batch and goes on where the file is."""
    model, optimizer = model or network(), optimizer or bp.Adam(0.05)
    settings = {"epochs": 4, "batch_size": 8, "metrics": ["accuracy", "auc"], "progress": False, **options}
    history = model.fit(*(data or rows()), loss=bp.CrossEntropy(), optimizer=optimizer, resume=path,
                        callbacks=[*callbacks, bp.Checkpoint(path, every_batches=1)], **settings)  # fmt: skip
    return model, optimizer, history


def interrupted(path, *callbacks, **options):
    with pytest.raises(KeyboardInterrupt):
        go_on(path, *callbacks, **options)


def rewrite(path, change):
    """The same file after change(header, state, bytes of the tensors)."""
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header, tensors = json.loads(whole[8 : 8 + size]), bytearray(whole[8 + size :])
    state = json.loads(header["__metadata__"]["state"])
    change(header, state, tensors)
    header["__metadata__"]["state"] = json.dumps(state)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + tensors)


def reshape(name, shape):
    return lambda header, state, tensors: header[name].update(shape=list(shape))


def within_fit(**values):
    return lambda header, state, tensors: state["fit"].update(values)


def without_predictions(header, state, tensors):
    header["notes/0/x"] = header.pop("gathered/1")


def impossible_label(header, state, tensors):
    begin = header["gathered/2"]["data_offsets"][0]
    tensors[begin : begin + 4] = (1 << 30).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("arrays", reshape("gathered/0", (3, 3)), "damaged: the tallies"),
        ("arrays", reshape("gathered/1", (1, 159)), "damaged: the predictions"),
        ("arrays", reshape("gathered/1", (159, 1)), "damaged: the predictions"),
        ("arrays", without_predictions, "damaged: the predictions"),
        ("arrays", within_fit(loss_sums=[1.0] * 50), "damaged: its sums"),
        ("arrays", within_fit(batch=0), "damaged: its sums"),
        ("arrays", within_fit(rows=1000), "fewer rows"),
        ("stream", reshape("gathered/0", (9, 1)), "damaged: the tallies"),
        ("stream", reshape("gathered/1", (3, 32)), "damaged: the predictions"),
        ("stream", reshape("gathered/2", (16, 2)), "damaged: "),
        ("stream", impossible_label, "damaged: .*labels"),
        ("stream", within_fit(rows=31), "damaged: the predictions"),
    ],
    ids=range(12),
)
def test_what_cannot_be_of_this_fit_is_refused_before_anything_changes(kind, change, message, tmp_path):
    path = tmp_path / "fit.safetensors"
    data = (bp.Stream(chunks, buffer=2),) if kind == "stream" else rows()
    interrupted(path, Interrupt(5), data=data)
    rewrite(path, change)
    model, optimizer = network(), bp.Adam(0.05)
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=rf"^\[resume\] .*{message}"):
        go_on(path, Interrupt(), data=data, model=model, optimizer=optimizer)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert optimizer.steps == 0


def test_the_options_of_the_optimizer_and_what_is_frozen_belong_to_a_fit(tmp_path):
    path = tmp_path / "fit.safetensors"
    options = {"clip_norm": 1.0, "clip_value": 0.5, "groups": [bp.Group("*.bias", weight_decay=0.1)],
               "decay": "matrices", "schedule": bp.CosineAnnealing(20)}  # fmt: skip
    others = {"clip_norm": None, "clip_value": 0.25, "groups": [], "decay": "all", "schedule": bp.CosineAnnealing(21)}

    def frozen():
        model = network()
        model.freeze("0.*")
        return model

    interrupted(path, Interrupt(5), model=frozen(), optimizer=bp.Adam(0.05, **options))
    for name, other in others.items():
        with pytest.raises(ValueError, match=rf"^\[resume\] {name} of the optimizer was "):
            go_on(path, Interrupt(), model=frozen(), optimizer=bp.Adam(0.05, **{**options, name: other}))
    with pytest.raises(ValueError, match=r"^\[resume\] what is frozen was 0.weight, 0.bias .* now it is none"):
        go_on(path, Interrupt(), optimizer=bp.Adam(0.05, **options))
    parts = go_on(path, Interrupt(), model=frozen(), optimizer=bp.Adam(0.05, **options))
    whole = go_on(tmp_path / "whole", Interrupt(), model=frozen(), optimizer=bp.Adam(0.05, **options))
    np.testing.assert_array_equal(parts[0].flat_parameters, whole[0].flat_parameters)


@pytest.mark.row("H7")
def test_a_bold_driver_goes_on_within_an_epoch(tmp_path):
    def run(path, at):
        return go_on(path, Interrupt(at), bp.BoldDriver(), optimizer=bp.SGD(3.0, momentum=0.9), epochs=8)

    for at in (10, 12):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", at)
    parts, whole = run(tmp_path / "parts", None), run(tmp_path / "whole", None)
    np.testing.assert_array_equal(parts[0].flat_parameters, whole[0].flat_parameters)
    assert parts[2] == whole[2]
    assert parts[1].learning_rate == whole[1].learning_rate < 3.0  # it did take something back


def test_a_fit_stopped_within_an_epoch_and_killed_ends_as_it_would_have(tmp_path):
    class Stop(bp.Callback):
        def on_batch_end(self, trainer, logs):
            if trainer.optimizer.steps == 10:
                trainer.stop()

    interrupted(tmp_path / "parts", Interrupt(stop=True), Stop(), epochs=1, batch_size=5)
    parts = go_on(tmp_path / "parts", Interrupt(), Stop(), epochs=1, batch_size=5)
    whole = go_on(tmp_path / "whole", Interrupt(), Stop(), epochs=1, batch_size=5)
    assert parts[2] == whole[2]
    assert parts[2].epochs == 1
    np.testing.assert_array_equal(parts[0].flat_parameters, whole[0].flat_parameters)
