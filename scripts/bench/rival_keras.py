"""The works of loops.py by Keras on torch: `python rival_keras.py WORK STEPS EVALUATE_EVERY [DEVICE]` prints JSON.

The network is the loop's own, as a layer of Keras; data, training and evaluation are Keras's.
"""

import contextlib
import json
import os
import sys
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"
os.environ["KERAS_TORCH_DEVICE"] = sys.argv[4] if len(sys.argv) > 4 else "cpu"

import keras
from loops import EVALUATED, WORKS, Examples, Work


class Watch(keras.callbacks.Callback):
    """When the first step was done and the steps that count began; measures the training sample as often as dev."""

    def __init__(self, first_counted: int, seen: Examples, every: int, batch_size: int) -> None:
        super().__init__()
        self.first_counted, self.seen, self.every, self.batch_size = first_counted, seen, every, batch_size
        self.steps = 0
        self.first_step_at = self.began = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        if self.steps == 1:
            self.first_step_at = time.time()
        if self.steps == self.first_counted:
            self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch + 1) % self.every == 0:
            self.model.evaluate(*self.seen, batch_size=self.batch_size, verbose=0)


def train(work: Work, steps: int, evaluate_every: int) -> dict[str, Any]:
    (x, y), dev = work.data()
    seen = (x[: min(len(dev[1]), EVALUATED)], y[: min(len(dev[1]), EVALUATED)])
    x, y = (part[: len(x) // work.batch_size * work.batch_size] for part in (x, y))  # as if the last batch were dropped
    per_epoch = len(x) // work.batch_size
    every = max(1, round(evaluate_every / per_epoch))  # epochs, which Keras evaluates after
    keras.utils.set_random_seed(0)
    network = keras.layers.TorchModuleWrapper(work.model())
    model = keras.Sequential([keras.Input(x.shape[1:], dtype=str(x.dtype).removeprefix("torch.")), network])
    model.compile(
        keras.optimizers.Adam(work.lr, global_clipnorm=work.clip),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    watch = Watch(min(per_epoch, max(1, steps // 10)), seen, every, work.evaluation_batch)
    model.fit(
        x,
        y,
        batch_size=work.batch_size,
        epochs=max(1, round(steps / per_epoch)),
        steps_per_epoch=min(steps, per_epoch),
        validation_data=dev,
        validation_freq=every,
        validation_batch_size=work.evaluation_batch,
        callbacks=[watch],
    )
    seconds = time.perf_counter() - watch.began
    return {
        "examples_per_second": (watch.steps - watch.first_counted) * work.batch_size / seconds,
        "first_step_at": watch.first_step_at,
        "parameters": model.count_params(),
    }


def main() -> None:
    name, steps, evaluate_every = sys.argv[1:4]
    with contextlib.redirect_stdout(sys.stderr):
        found = train(WORKS[name], int(steps), int(evaluate_every))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
