"""Strategies by name, each in a process of its own: TensorFlow is configured once per process."""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kerasref.harness import strategy
from kerasref.harness.errors import KerasrefError


def run(code, **environment):
    clean = {k: v for k, v in os.environ.items() if k != "TF_CONFIG" and "SLURM" not in k}
    prelude = "import logging; from kerasref.harness import strategy as st\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        env=clean | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_one_device():
    lines = run(
        "one = st.start('one', threads=3)\n"
        "print(st.start('one') is one, st.describe(one), st.is_chief(one), st.workers(one))\n"
        "import tensorflow as tf\n"
        "print(tf.config.threading.get_intra_op_parallelism_threads())\n"
        "try: tf.random.uniform(())\n"
        "except RuntimeError as error: print('determinism' in str(error))\n"
        "try: st.start('mirrored')\n"
        "except st.KerasrefError as error: print(error)\n"
    )
    assert lines == [
        "True 1 x CPU True 1",
        "3",
        "True",
        "strategy 'mirrored': this process runs 'one'; start a new process",
    ]


def test_a_run_is_compiled_or_not_whatever_the_last_one_was():
    lines = run(
        "import tensorflow as tf\n"
        "from kerasref.harness.context import Context\n"
        "traced = tf.function(lambda: not tf.executing_eagerly())\n"
        "for compiled in (True, False, True):\n"
        "    Context(seed=0, compiled=compiled).start()\n"
        "    print(bool(traced()))\n"
    )
    assert lines == ["True", "False", "True"]


def test_mirrored_on_logical_devices_synchronises_batch_norm():
    lines = run(
        "s = st.start('mirrored:3')\n"
        "import keras\n"
        "with s.scope():\n"
        "    norm = keras.layers.BatchNormalization\n"
        "    inner = keras.Sequential([keras.Input((4,)), norm(name='inner')])\n"
        "    model = keras.Sequential([keras.Input((4,)), norm(name='outer'), inner])\n"
        "st.synchronise_batch_norm(model, s)\n"
        "print(model.get_layer('outer').synchronized, inner.get_layer('inner').synchronized)\n"
        "print(s.num_replicas_in_sync, st.describe(s), st.is_chief(s))\n"
    )
    assert lines == ["True True", "3 3 x CPU, mirrored True"]


def test_after_tensorflow_has_started():
    lines = run(
        "import tensorflow as tf; tf.constant(1) + 1\n"
        "try: st.start('mirrored:2')\n"
        "except st.KerasrefError as error: print(error)\n"
        "logging.basicConfig(format='%(message)s', stream=__import__('sys').stdout)\n"
        "print(st.describe(st.start('one')))\n"
    )
    assert lines == [
        "strategy 'mirrored:2': TensorFlow has already started in this process; "
        "call start() before the first operation",
        "TensorFlow has already started: threads=1 is not applied",
        "1 x CPU",
    ]


def test_workers_of_a_slurm_step():
    """Two tasks on one host, without Slurm: only its variables count."""
    job = {
        "SLURM_STEP_NODELIST": "127.0.0.1",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_JOB_ID": str(random.randrange(1_000_000)),
    }
    code = "s = st.start('multiworker'); print(st.describe(s), st.is_chief(s))"
    with ThreadPoolExecutor() as pool:
        tasks = [pool.submit(run, code, **job, SLURM_PROCID=str(rank)) for rank in range(2)]
    assert [task.result() for task in tasks] == [
        ["2 workers x 1 CPU True"],
        ["2 workers x 1 CPU False"],
    ]


def test_a_cluster_with_a_chief():
    """Kubernetes operators may name a chief beside the workers."""
    cluster = {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]}

    class Resolver:
        task_type, task_id = "worker", 0

        def cluster_spec(self):
            import tensorflow as tf

            return tf.train.ClusterSpec(cluster)

    class Strategy:
        cluster_resolver = Resolver()

    assert strategy.workers(Strategy) == 3
    assert not strategy.is_chief(Strategy)


def test_multiworker_without_a_cluster():
    lines = run("try: st.start('multiworker')\nexcept st.KerasrefError as error: print(error)\n")
    assert lines == [
        "strategy 'multiworker' needs TF_CONFIG or a Slurm step (srun); "
        "on one machine use `kerasref launch --workers 2 -- run ...`"
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mirored", "did you mean 'mirrored'?"), ("mirrored:0", "mirrored:N"), ("multi", "multi")],
)
def test_unknown_names(name, hint):
    with pytest.raises(KerasrefError, match=f"no strategy '{name}'") as error:
        strategy.start(name)
    assert hint in str(error.value).partition(";")[2]
