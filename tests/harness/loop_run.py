"""Trains small models on digits as one process of a test; see `test_loop_processes.py`.

    python loop_run.py '{"strategy": "one", "runs": ["plain"], "output": "DIR", "kill": {}}'

For each run, DIR/<run>.json gets its history and a digest of all variables, as worker 0 saw them.
`kill` maps a run to the training step after which worker `kill_worker` kills itself.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

from kerasref.harness import launch
from kerasref.harness import strategy as strategies

EPOCHS = 5
BATCH = 64


def digits():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, y = bunch.images[..., None].astype("uint8"), bunch.target.astype("int32")
    return (x[:1024], y[:1024]), (x[1024:], y[1024:])


def build(run):
    """Model, optimizer and callbacks of a run."""
    import keras
    from keras import layers

    rate = 0.05
    head, body, callbacks = [], [], []
    if run in ("batch_norm", "plateau"):
        body.append(layers.BatchNormalization())
    if run in ("plateau", "schedule"):
        body.append(layers.Dropout(0.3))
    if run == "plateau":
        callbacks = [
            keras.callbacks.ReduceLROnPlateau(min_delta=10.0, patience=2, factor=0.5),
            keras.callbacks.EarlyStopping(min_delta=10.0, patience=50, restore_best_weights=True),
        ]
    if run == "schedule":
        head.append(layers.RandomTranslation(0.1, 0.1))
        rate = keras.optimizers.schedules.CosineDecay(0.05, 100)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 16),
            *head,
            layers.Conv2D(8, 3, activation="tanh"),
            *body,
            layers.Flatten(),
            layers.Dense(10, activation="softmax", kernel_regularizer="l2"),
        ]
    )
    clip = 0.3 if run == "clip" else None
    return model, keras.optimizers.SGD(rate, momentum=0.9, global_clipnorm=clip), callbacks


def main(strategy, runs, output, kill=(), kill_worker=0):
    strategy = strategies.start(strategy)

    import keras

    from kerasref.data.pipeline import ArrayPipeline
    from kerasref.harness import loop

    task = strategy.cluster_resolver.task_id if strategy.cluster_resolver else 0
    train, test = digits()
    for run in runs:
        keras.utils.clear_session()
        keras.utils.set_random_seed(7)
        with strategy.scope():
            model, optimizer, callbacks = build(run)
        strategies.synchronise_batch_norm(model, strategy)

        def die(step, _, run=run):
            if run in kill and step >= kill[run] and task == kill_worker:
                os.kill(os.getpid(), signal.SIGKILL)

        history = loop.fit(
            model,
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            train=ArrayPipeline(*train, BATCH, seed=7, shuffle=True, scale="raw"),
            validation=ArrayPipeline(*test, BATCH, shuffle=False, scale="raw"),
            epochs=EPOCHS,
            strategy=strategy,
            callbacks=callbacks,
            checkpoint=Path(output) / f"{run}.checkpoint",
            on_step=die,
            steps_per_call=5,
        )
        state = b"".join(v.numpy().tobytes() for v in [*model.variables, *optimizer.variables])
        if strategies.is_chief(strategy):
            result = {
                "history": history,
                "rate": float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
                "state": hashlib.sha256(state).hexdigest(),
                "devices": strategies.describe(strategy),
            }
            (Path(output) / f"{run}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    launch.watch_parent()
    main(**json.loads(sys.argv[1]))
