"""Task `design_space` on scikit-learn's digits."""

import itertools

import pytest
import tensorflow as tf

from kerasref import data, models
from kerasref.analysis import counts
from kerasref.harness import plan
from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.harness.library import Library
from kerasref.tasks import design_space

LIBRARY = Library()
SPACES = [id for id in LIBRARY.paths if LIBRARY.experiment(id).task == "design_space"]


def config(name="MLP", **changes):
    space = {"name": name, "stages": 3, "max_width": 64, "budget": [10_000, 30_000]}
    settings = {
        "space": {**space, **changes.pop("space", {})},
        "data": {"source": "digits", "train": 512, "test": 128, "image_size": 14},
        "train": {"epochs": 2, "optimizer": {"name": "SGD", "learning_rate": 0.1}},
        **changes,
    }
    return design_space.Config.model_validate(settings)


def test_a_run_is_one_net_of_its_seed():
    epochs = {}
    metrics = design_space.run(config(), Context(seed=3, log_epoch=epochs.__setitem__))
    (net,) = design_space.draw(config(), 3)
    assert sorted(epochs) == [1, 2]
    for row in (*epochs.values(), metrics):
        assert row["test_error"] == pytest.approx(1 - row["test_accuracy"])
    assert metrics["test_error"] == epochs[2]["test_error"]
    assert (metrics["depth"], metrics["width"], metrics["macs"]) == (net.depth, net.width, net.macs)
    units = net.arguments["units"]
    sizes = [196, *units, 10]
    assert metrics["params"] == sum((a + 1) * b for a, b in itertools.pairwise(sizes))
    assert design_space.draw(config(), 4) != [net]


def test_an_anynet_is_trained():
    drawn = config(
        "AnyNet_E",
        space={"max_depth": 1, "group_widths": [8], "stem_channels": 8, "budget": [10_000, 90_000]},
    )
    metrics = design_space.run(drawn, Context(seed=0))
    assert metrics["depth"] == 3
    assert 0 <= metrics["test_error"] <= 1


def test_several_nets_are_ranked_early_and_late():
    epochs = {}
    done = []
    context = Context(
        seed=1,
        log_epoch=epochs.__setitem__,
        progress=lambda now, total, unit: done.append(now / total),
    )
    several = config(nets=3)
    metrics = design_space.run(several, context)
    assert sorted(epochs) == [1, 2]
    assert -1 <= metrics["rank_correlation"] <= 1
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)
    seeds = [design_space.draw(config(), seed)[0] for seed in (3, 4, 5)]
    assert design_space.draw(several, 1) == seeds
    assert metrics["depth"] == pytest.approx(sum(net.depth for net in seeds) / 3)
    alone = [design_space.run(config(), Context(seed=1)) for _ in range(2)]
    assert alone[0]["test_loss"] == alone[1]["test_loss"]
    last = design_space.run(several.model_copy(update={"early": 2}), Context(seed=1))
    assert last["rank_correlation"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "AnyNet_F"}, "no design space 'AnyNet_F'; did you mean 'AnyNet_"),
        ({"space": {"budget": [1]}}, "budget"),
        ({"space": {"stagse": 2}}, "stagse"),
    ],
)
def test_wrong_spaces_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_preflight_finds_budgets_that_nothing_meets(monkeypatch):
    monkeypatch.setattr("kerasref.search.design_space._DRAWS", 100)
    with pytest.raises(ConfigError, match=r"space\.budget: .*no net of MLP has 1 to 2 MACs"):
        design_space.preflight(config(space={"budget": [1, 2]}))
    design_space.preflight(config())


def test_a_fallback_takes_the_place_of_the_data():
    wanted = config(data={"source": "fashion_mnist", "fallback": "digits", "train": 5000})
    first, second = design_space.alternatives(wanted)
    assert (first.data.source, second.data.source, second.data.train) == (
        "fashion_mnist",
        "digits",
        1437,
    )
    assert design_space.available(second)
    assert design_space.prepare(second) == ""


@pytest.mark.parametrize("id", SPACES)
def test_full_scale_spaces_resolve_and_their_nets_build(id):
    runs = plan.alternatives(LIBRARY.experiment(id), plan.Options("paper", seeds=1))[0]
    assert runs
    for run in runs:
        settings = run.settings
        design_space.preflight(settings)
        net = design_space.draw(settings, seed=0)[0]
        source = data.SOURCES[settings.data.source]
        shape = (settings.data.image_size,) * 2 + (source.shape[2],)
        with tf.Graph().as_default():  # allocates no weights
            model = getattr(models, net.builder)(
                input_shape=shape, classes=source.classes, **net.arguments
            )
            assert counts.count(model).macs == net.macs
