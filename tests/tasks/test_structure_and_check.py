"""Tasks `structure` and `check`."""

import pytest

from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.tasks import check, structure


def test_structure_counts_without_training():
    config = structure.Config.model_validate({"model": {"builder": "AlexNet", "groups": 1}})
    metrics = structure.run(config, Context(seed=0))
    assert metrics["params"] == 62_378_344
    assert metrics["conv2.params"] == 256 * (5 * 5 * 96 + 1)
    assert metrics["pool5.outputs"] == 6 * 6 * 256
    assert metrics["conv1.macs"] == 55 * 55 * 96 * 11 * 11 * 3


def test_structure_names_a_wrong_argument():
    config = structure.Config.model_validate({"model": {"builder": "AlexNet", "group": 1}})
    with pytest.raises(ConfigError, match=r"model\.group: .*did you mean 'groups'"):
        structure.preflight(config)


def test_check_calls_the_function_with_seed_and_arguments():
    config = check.Config(
        function="gradient_flow.by_depth", arguments={"activation": "tanh", "depth": 1}
    )
    check.preflight(config)
    first, second = (check.run(config, Context(seed=seed)) for seed in (0, 1))
    assert first["gradient_ratio"] == 1.0
    assert first["first_gradient"] != second["first_gradient"]
    assert check.run(config, Context(seed=0)) == first


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("activation.ranges", {}, "no check topic 'activation'; did you mean 'activations'?"),
        ("activations.range", {}, "no function 'range'; did you mean 'ranges'?"),
        ("activations.ranges", {"limits": 1}, "no argument 'limits'; did you mean 'limit'?"),
        ("activations.derivative", {}, "no function 'derivative'"),
    ],
)
def test_check_names_the_nearest(function, arguments, message):
    with pytest.raises(ConfigError) as caught:
        check.preflight(check.Config(function=function, arguments=arguments))
    assert message in str(caught.value)
