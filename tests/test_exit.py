"""The process ends in order while a daemon thread is inside the core, whatever it does there."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading, time, itertools, tempfile, os, copy, pickle
import numpy as np
import backpass as bp

rng = np.random.default_rng(0)
x = rng.standard_normal((2000, 32)).astype(np.float32)
y = x[:, :4].copy()

class Numpy(bp.Layer):
    def forward(self, x):
        return x * 2
    def backward(self, grad, x):
        return grad * 2

class Sleepy(bp.Callback):
    def on_batch_end(self, trainer, logs):
        time.sleep(0.001)

def own_loss(prediction, target):
    return bp.mean(bp.square(prediction - target))

def metric(y_true, y_pred):
    return float(np.square(y_true - y_pred).mean())

def turned(x, y, rng):
    return x + np.float32(1), y

def long_turned(x, y, rng):
    time.sleep(30)
    return x, y

def chunks():
    for _ in itertools.repeat(None, 50):
        yield x, y

def slow_chunks():
    for _ in itertools.repeat(None, 50):
        time.sleep(0.01)
        yield x, y

model = bp.Sequential(bp.Dense(64, activation="relu"), bp.Dense(4), input_shape=32, seed=0)
by_numpy = bp.Sequential(Numpy(), bp.Dense(4), input_shape=32, seed=0)
trainer = bp.Trainer(model, bp.MSE(), bp.Adam())
folder = tempfile.mkdtemp()
path = os.path.join(folder, "model")
model.save(path)
fit = dict(loss=bp.MSE(), optimizer=bp.Adam(), epochs=1000, progress=False)

calls = {
    "predict": lambda: model.predict(x),
    "predict_small": lambda: model.predict(x[:1]),
    "evaluate": lambda: model.evaluate(x, y, loss=bp.MSE()),
    "evaluate_metric": lambda: model.evaluate(x, y, loss=bp.MSE(), metrics=[metric]),
    "evaluate_stream": lambda: model.evaluate(bp.Stream(chunks), loss=bp.MSE()),
    "step": lambda: trainer.step(x, y),
    "by_hand": lambda: model.backward(model.forward(x)),
    "optimizer": lambda: trainer.optimizer.step(model),
    "fit": lambda: model.fit(x, y, **fit),
    "fit_callback": lambda: model.fit(x, y, callbacks=Sleepy(), **fit),
    "fit_metric": lambda: model.fit(x, y, metrics=[metric], **fit),
    "fit_validation": lambda: model.fit(x, y, validation_data=(x, y), **fit),
    "fit_stream": lambda: model.fit(bp.Stream(chunks), **fit),
    "fit_slow_stream": lambda: model.fit(bp.Stream(slow_chunks), **fit),
    "fit_own_loss": lambda: model.fit(x, y, **{**fit, "loss": own_loss, "epochs": 1}),
    "augment": lambda: model.fit(x, y, augment=turned, **fit),
    "long_augment": lambda: model.fit(x, y, augment=long_turned, **fit),
    "numpy_layer": lambda: by_numpy.fit(x, y, **fit),
    "save": lambda: model.save(path),
    "load": lambda: bp.load(path),
    "load_weights": lambda: model.load_weights(path),
    "copies": lambda: (copy.deepcopy(model), pickle.dumps(model), model.state_dict()),
    "profile": lambda: model.profile(200, repeats=3),
    "hvp": lambda: bp.hvp(model, bp.MSE(), x, y, np.ones(model.n_parameters, np.float32)),
    "build": lambda: bp.Sequential(bp.Dense(300), input_shape=300, seed=0),
}
call = calls[sys.argv[1]]
inside = threading.Event()

def loop():
    inside.set()
    while True:
        call()

threading.Thread(target=loop, daemon=True).start()
inside.wait()
time.sleep(0.2)
"""
KINDS = [line.split('"')[1] for line in SCRIPT.splitlines() if line.startswith('    "')]


@pytest.mark.parametrize("kind", KINDS)
def test_the_process_ends_while_a_daemon_thread_is_inside(kind):
    done = subprocess.run([sys.executable, "-c", SCRIPT, kind], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
