"""Task `overhead`."""

from kerasref.harness.context import Context
from kerasref.tasks import overhead


def test_the_harness_is_measured():
    config = overhead.Config.model_validate(
        {
            "model": {"builder": "LeNet5Keras"},
            "data": {
                "source": "fashion_mnist",
                "fallback": "digits",
                "train": 512,
                "test": 128,
                "image_size": 28,
            },
            "epochs": 2,
            "rounds": 2,
        }
    )
    choice = overhead.alternatives(config)[1]
    assert overhead.available(choice)
    found = overhead.run(choice, Context(seed=0))
    assert 0 < found["mlflow_share"] < 1
    for name in ("hand_written", "model_fit"):
        ratio = found["run_epoch_seconds"] / found[f"{name}_epoch_seconds"]
        assert found[f"overhead_over_{name}"] == ratio - 1
    assert 0 < found["list_seconds"] < 60
