"""tf.distribute strategies by name, and the TensorFlow settings a deterministic run needs.

`one`, `mirrored`, `mirrored:N` and `multiworker` differ only in where the global batch is computed;
the training loop and a config's numbers are the same for all of them.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

from kerasref.harness.errors import KerasrefError, did_you_mean

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

NAMES = ("one", "mirrored", "mirrored:N", "multiworker")

log = logging.getLogger(__name__)
_started: tuple[str, tf.distribute.Strategy] | None = None


def start(name: str = "one", threads: int = 1) -> tf.distribute.Strategy:
    """Configure TensorFlow for this process and return the strategy called `name`.

    To be called before the first TensorFlow operation. Models, optimizers and metrics are made
    under its `.scope()`. A second call with the same name returns the same object.

    Args:
        name: `"one"` (a GPU where there is one, else the CPU), `"mirrored"` (all GPUs, or two
            logical CPU devices where there is none), `"mirrored:N"` (N GPUs, or N logical CPU
            devices where there are fewer GPUs), `"multiworker"` (the workers that TF_CONFIG or
            Slurm's variables name).
        threads: intra-op and inter-op threads. The default, 1, makes results independent of
            the number of cores and lets several runs share a machine.

    Raises:
        KerasrefError: unknown name; another strategy runs in this process; TensorFlow has already
            started (for `"one"` a warning: only `threads` is lost); no cluster is described.
    """
    global _started
    kind, replicas = parse(name)
    if kind == "multiworker":
        _check_cluster()
    if _started is not None:
        if _started[0] != name:
            raise KerasrefError(
                f"strategy {name!r}: this process runs {_started[0]!r}; start a new process"
            )
        return _started[1]
    import tensorflow as tf

    devices = None
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        if kind == "mirrored":
            devices = _mirrored_devices(replicas)
    except RuntimeError:
        if kind != "one":
            raise KerasrefError(
                f"strategy {name!r}: TensorFlow has already started in this process; "
                "call start() before the first operation"
            ) from None
        log.warning("TensorFlow has already started: threads=%d is not applied", threads)
    tf.config.experimental.enable_op_determinism()
    # Each run of a warm process compiles functions of its own; TensorFlow takes it for a mistake.
    tf.get_logger().addFilter(lambda record: "tf.function retracing" not in record.getMessage())
    if kind == "one":
        strategy = tf.distribute.get_strategy()
    elif kind == "mirrored":
        strategy = tf.distribute.MirroredStrategy(devices)
    else:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=_cluster())
    _started = (name, strategy)
    return strategy


def parse(name: str) -> tuple[str, int | None]:
    """Split a strategy's name into kind and number of replicas (None where it is not given).

    Raises:
        KerasrefError: unknown name, with the nearest right spelling.
    """
    kind, colon, count = name.partition(":")
    if not colon and kind in NAMES:
        return kind, None
    if kind == "mirrored" and count.isdecimal() and int(count) > 0:
        return kind, int(count)
    raise KerasrefError(f"no strategy {name!r}{did_you_mean(name, NAMES)}")


def workers(strategy: tf.distribute.Strategy) -> int:
    """Number of processes that train together."""
    jobs = _jobs(strategy)
    return sum(len(jobs.get(job, ())) for job in ("chief", "worker")) or 1


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes files and records: the first worker, or the only process."""
    jobs = _jobs(strategy)
    if not jobs:
        return True
    task = strategy.cluster_resolver
    return (task.task_type, task.task_id) == ("chief" if "chief" in jobs else "worker", 0)


def describe(strategy: tf.distribute.Strategy) -> str:
    """Devices in words: `1 x CPU`, `2 x GPU, mirrored`, `2 workers x 1 CPU`."""
    import tensorflow as tf

    if strategy.num_replicas_in_sync == 1:
        return "1 x GPU" if tf.config.list_logical_devices("GPU") else "1 x CPU"
    devices = strategy.extended.worker_devices
    kind = "GPU" if "GPU" in devices[0].upper() else "CPU"
    if workers(strategy) > 1:
        return f"{workers(strategy)} workers x {len(devices)} {kind}"
    return f"{len(devices)} x {kind}, mirrored"


def synchronise_batch_norm(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Make batch normalisation use the global batch's statistics, not each replica's own.

    Sets `synchronized` on every BatchNormalization layer, those of nested models included; Keras
    reads it when the layer is called, so this comes before training. One replica needs no change.
    """
    import keras

    if strategy.num_replicas_in_sync > 1:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True


def total(strategy: tf.distribute.Strategy, value: int) -> int:
    """Sum over all replicas of what each one's process gives; every process must call it."""
    import tensorflow as tf

    @tf.function
    def reduced():
        mine = strategy.run(lambda: tf.constant(value))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, mine, axis=None)

    return int(reduced())


def _mirrored_devices(replicas: int | None) -> list[str]:
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus >= (replicas or 1):
        return [f"/gpu:{index}" for index in range(replicas or gpus)]
    replicas = replicas or 2
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
    tf.config.set_logical_device_configuration(cpu, logical)
    return [f"/cpu:{index}" for index in range(replicas)]


def _jobs(strategy: tf.distribute.Strategy) -> dict[str, list[str]]:
    resolver = strategy.cluster_resolver
    return resolver.cluster_spec().as_dict() if resolver else {}


def _check_cluster() -> None:
    if "TF_CONFIG" not in os.environ and "SLURM_STEP_NODELIST" not in os.environ:
        raise KerasrefError(
            "strategy 'multiworker' needs TF_CONFIG or a Slurm step (srun); "
            "on one machine use `kerasref launch --workers 2 -- run ...`"
        )


def _cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    import tensorflow as tf

    if "TF_CONFIG" not in os.environ:
        os.environ["TF_CONFIG"] = json.dumps(_slurm_tasks())
    return tf.distribute.cluster_resolver.TFConfigClusterResolver()


def _slurm_tasks() -> dict:
    """TF_CONFIG of this task of a Slurm step.

    `SlurmClusterResolver` expands the host list but cannot do without NVIDIA's tools, and assigns
    GPUs that Slurm has bound already: each task uses the GPUs it sees (`srun --gpus-per-task`).
    """
    import tensorflow as tf

    tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
    port = 10_000 + int(os.environ.get("SLURM_JOB_ID", 0)) % 20_000  # jobs may share a host
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
    )
    return {
        "cluster": resolver.cluster_spec().as_dict(),
        "task": {"type": resolver.task_type, "index": resolver.task_id},
    }
