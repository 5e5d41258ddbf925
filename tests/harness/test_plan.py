"""From a file to runs: layers of settings, seeds, hashes, fallbacks."""

import dataclasses
import json

import pytest
import yaml

from kerasref import data
from kerasref.harness import plan
from kerasref.harness.errors import ConfigError
from kerasref.harness.library import Library
from kerasref.harness.plan import Options

CLASSIFY = """\
base:
  model: {builder: LeNet5Keras}
  data: {source: digits, train: 64}
  train:
    epochs: 2
    optimizer: {name: SGD, learning_rate: 0.1}
  seeds: 2
variants: {a: {}, b: {model.activation: relu}}
"""


@pytest.fixture
def runs(project):
    """Plans an experiment: `runs(body, task="classify", **options)`."""

    def runs(body=CLASSIFY, task="classify", **options):
        id = project.add("trial", body, task)
        return plan.choose_available(Library(project.root).experiment(id), Options(**options))

    return runs


def hashes(runs):
    return [run.hash for run in runs]


def test_later_layers_win(runs):
    body = """\
    base: {value: 1, epochs: 1, gate: base}
    variants: {a: {epochs: 2, gate: variant}}
    profiles: {smoke: {epochs: 3}}
    """
    (laptop,) = runs(body, "toy")
    assert (laptop.settings.value, laptop.settings.epochs, laptop.settings.gate) == (
        1,
        2,
        "variant",
    )
    (smoke,) = runs(body, "toy", profile="smoke")
    assert (smoke.settings.epochs, smoke.settings.gate) == (3, "variant")
    (typed,) = runs(body, "toy", profile="smoke", overrides=("epochs=4", "value=1e-3"))
    assert (typed.settings.epochs, typed.settings.value) == (4, 1e-3)


def test_dotted_keys_and_mappings_mean_the_same(runs):
    dotted = """\
    base:
      model.builder: LeNet5Keras
      data: {source: digits}
      train: {epochs: 1, optimizer.name: SGD}
      train.optimizer.momentum: 0.9
    variants: {a: {train: {optimizer.momentum: 0.5}}}
    """
    (run,) = runs(dotted)
    assert run.config["train"] == {"epochs": 1, "optimizer": {"name": "SGD", "momentum": 0.5}}
    assert run.config["model"] == {"builder": "LeNet5Keras"}


def test_mappings_merge_and_layers_do_not_leak(runs):
    first, _, other, _ = runs(overrides=("train.optimizer={momentum: 0.9}",))
    assert first.settings.train.optimizer.arguments == {"learning_rate": 0.1, "momentum": 0.9}
    assert "activation" not in first.config["model"]
    assert other.config["model"]["activation"] == "relu"


def test_seeds(runs):
    assert [(run.variant, run.seed) for run in runs()] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert [run.seed for run in runs(seeds=1)] == [0, 0]
    assert [run.seed for run in runs(overrides=("seeds=[7, 3]",))] == [7, 3, 7, 3]
    assert runs(CLASSIFY.replace("  seeds: 2\n", ""))[0].seed == 0


@pytest.mark.parametrize(
    "seeds", ["0", "-1", "1.5", "true", "two", "[]", "[1, 1]", "[-1]", "", "{}"]
)
def test_wrong_seeds(runs, seeds):
    with pytest.raises(ConfigError, match=r"trial.yaml:12: seeds: a number of seeds"):
        runs(CLASSIFY.replace("seeds: 2", f"seeds: {seeds}"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "epochs: 2",
            "epoch: 2",
            "trial.yaml:10: train.epoch: unknown key 'epoch'; did you mean '",
        ),
        (
            "epochs: 2",
            "epochs: two",
            "trial.yaml:10: train.epochs: should be a whole number (got 't",
        ),
        (
            "epochs: 2",
            "epochs:",
            "trial.yaml:10: train.epochs: should be a whole number (got None)",
        ),
        ("epochs: 2", "epochs: '2'", "trial.yaml:10: train.epochs: should be a whole number"),
        ("epochs: 2", "epochs: true", "trial.yaml:10: train.epochs: should be a whole number"),
        (
            "{name: SGD, ",
            "{nme: SGD, ",
            "trial.yaml:11: train.optimizer.name: the key 'name' is mis",
        ),
        (
            "source: digits",
            "source: digit",
            "trial.yaml:8: data.source: no data source 'digit'; did",
        ),
        (
            "train: 64",
            "train: 64, fallback: cifar",
            "data.fallback: no data source 'cifar'; did you",
        ),
        (
            "train: 64",
            "train: 0",
            "trial.yaml:8: data.train: should be greater than or equal to 1 (g",
        ),
        (
            "b: {model.",
            "b: {modle.",
            "trial.yaml:13: modle: unknown key 'modle'; did you mean 'mode",
        ),
        ("b: {model.", "b: {data.", "trial.yaml:13: data.activation: unknown key 'activation'"),
        (
            "b: {",
            "b: {train.epochs.x: 1, ",
            "trial.yaml:13: train.epochs.x: train.epochs is not a ",
        ),
        ("  model: {builder: LeNet5Keras}\n", "", "model: the key 'model' is missing"),
        (
            "a: {}, b: {model.activation: relu}",
            "a: {}, b: null",
            "variants.b: has the same settings as v",
        ),
    ],
)
def test_wrong_settings_name_their_line(runs, old, new, message):
    assert CLASSIFY.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        runs(CLASSIFY.replace(old, new))
    assert message in str(caught.value)
    assert str(caught.value).startswith("experiments/manual/1.1/trial.yaml:")


def test_a_wrong_profile_names_its_line(runs):
    body = CLASSIFY + "profiles:\n  smoke:\n    train.epoch: 1\n"
    with pytest.raises(ConfigError, match=r"trial.yaml:16: train.epoch: unknown key 'epoch'"):
        runs(body, profile="smoke")
    assert runs(body)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=1", "train.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("train.epochs=x", "train.epochs: should be a whole number (got 'x')"),
        ("train.epochs=", "train.epochs: should be a whole number (got None)"),
        ("train={epochs: x}", "train.epochs: should be a whole number (got 'x')"),
        ("zero.one=2", "zero: unknown key 'zero'"),
        ("data.train.x=2", "data.train.x: data.train is not a mapping"),
        ("data=[1", "not valid YAML"),
        ("data={1: 2}", "a key is text"),
        ("model.activation=tanh", "variants.b: has the same settings as variant 'a'"),
    ],
)
def test_wrong_overrides(runs, override, message):
    with pytest.raises(ConfigError) as caught:
        runs(overrides=(override,))
    assert message in str(caught.value)
    assert f"--set {override}" in str(caught.value) or "same settings" in message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["train.epochs", "=3", " =3", ""])
def test_overrides_are_key_and_value(runs, text):
    with pytest.raises(ConfigError, match=r"--set wants key=value, such as train\.epochs=20"):
        runs(overrides=(text,))


@pytest.mark.parametrize("task", ["clasify", "_config", "_objects", "__init__", "a.b", ""])
def test_unknown_task(runs, task):
    with pytest.raises(ConfigError, match=r"trial.yaml:5: task: (no task|should be text)"):
        runs(task=task)


def test_the_hash_is_of_content(runs):
    base = hashes(runs())
    assert len(set(base)) == 4
    assert hashes(runs()) == base
    for text in (
        CLASSIFY.replace("train: 64}", "train: 64, scale: unit, batch_size: 128}"),
        CLASSIFY.replace("  model:", "  probes: {}\n  model:"),
        CLASSIFY.replace("{name: SGD, learning_rate: 0.1}", "{learning_rate: 1e-1, name: SGD}"),
        CLASSIFY.replace("train: 64", "train: 64, fallback: [mnist]"),
        CLASSIFY.replace("a: {}", "a: null"),
        CLASSIFY + "figures: [{kind: bars, metric: params}]\n",
    ):
        assert hashes(runs(text)) == base
    assert hashes(runs(seeds=1)) == [base[0], base[2]]
    assert hashes(runs(profile="paper")) == base


@pytest.mark.parametrize(
    "change",
    [
        {"overrides": ("train.epochs=3",)},
        {"overrides": ("data.scale=raw",)},
        {"overrides": ("model.dropout=0.5",)},
        {"overrides": ("probes.examples=999",)},
        {"overrides": ("seeds=[5, 6]",)},
        {"strategy": "mirrored"},
    ],
)
def test_another_configuration_seed_or_strategy_is_another_run(runs, change):
    assert not set(hashes(runs())) & set(hashes(runs(**change)))


def test_a_new_version_of_the_task_is_another_run(runs, monkeypatch):
    before = hashes(runs())
    monkeypatch.setattr(plan.task_module("classify"), "RESULTS_VERSION", 1000)
    assert not set(before) & set(hashes(runs()))


def test_runs_travel_and_print_themselves(runs):
    run = runs()[0]
    again = dataclasses.replace(run, config=json.loads(json.dumps(run.config)))
    assert (again.hash, again.settings) == (run.hash, run.settings)
    full = yaml.safe_load(run.full_yaml())
    assert full["data"]["batch_size"] == 128
    assert full["train"]["optimizer"] == {"name": "SGD", "learning_rate": 0.1}
    assert (full["variant"], full["seed"], full["profile"]) == ("a", 0, "laptop")


class TestFallback:
    BODY = CLASSIFY.replace(
        "source: digits, train: 64", "source: cifar10, fallback: [mnist, digits], train: 50000"
    )

    @pytest.fixture
    def here(self, monkeypatch):
        """Makes just these data sets available."""

        def here(*names):
            monkeypatch.setattr(data, "is_available", lambda name: name in names)

        return here

    def test_the_source_is_preferred(self, runs, here):
        here("cifar10", "mnist", "digits")
        for run in runs(self.BODY):
            assert (run.data, run.fallback_for, run.surrogate_for) == ("cifar10", "", "")

    def test_a_fallback_is_labelled_and_another_run(self, runs, here):
        here("cifar10")
        wanted = runs(self.BODY)
        here("mnist", "digits")
        used = runs(self.BODY)
        assert {(run.data, run.fallback_for, run.surrogate_for) for run in used} == {
            ("mnist", "cifar10", "cifar10")
        }
        assert not set(hashes(wanted)) & set(hashes(used))
        here("digits")
        (small, *_) = runs(self.BODY)
        assert small.data == "digits"
        assert small.settings.data.train == data.SOURCES["digits"].train  # all it has

    def test_the_books_data_set_decides_what_is_a_surrogate(self, project, here):
        id = project.add("trial", self.BODY, "classify")
        path = project.root / "experiments" / f"{id}.yaml"
        path.write_text(path.read_text().replace("ledger: [A1-1]", "ledger: [A1-1], data: mnist"))
        experiment = Library(project.root).experiment(id)
        here("cifar10", "mnist")
        assert plan.choose_available(experiment, Options())[0].surrogate_for == "mnist"
        here("mnist")
        (run, *_) = plan.choose_available(experiment, Options())
        assert (run.surrogate_for, run.fallback_for) == ("", "cifar10")

    def test_nothing_there(self, runs, here):
        here()
        with pytest.raises(ConfigError) as caught:
            runs(self.BODY)
        assert str(caught.value) == (
            "experiments/manual/1.1/trial.yaml:8: data.source: data set 'cifar10' is not prepared; "
            "run `kerasref data prepare cifar10`, or name a fallback such as `fallback: digits`"
        )
        with pytest.raises(ConfigError, match=r"^manual/1.1/trial: --set data.source=mnist: data."):
            runs(overrides=("data.source=mnist",))

    def test_each_missing_set_is_prepared_once(self, project, here, monkeypatch):
        here("digits")
        asked = []

        def prepare(name):
            asked.append(name)
            raise data.DataError(f"no {name}")

        monkeypatch.setattr(data, "prepare", prepare, raising=False)
        experiments = [
            Library(project.root).experiment(project.add(name, self.BODY, "classify"))
            for name in ("one", "two")
        ]
        shared = plan.share_out(experiments, Options())
        assert plan.prepare_data(experiments, shared) == ["no cifar10"]
        assert asked == ["cifar10"]

    def test_variants_have_the_same_number_of_fallbacks(self, runs):
        with pytest.raises(ConfigError, match=r"trial.yaml:13: data.fallback: every variant needs"):
            runs(self.BODY.replace("b: {", "b: {data.fallback: [], "))


def test_needs(runs):
    body = "needs: paper\n" + CLASSIFY
    assert runs(body) == []
    assert runs(body, profile="smoke") == []
    assert len(runs(body, profile="paper")) == 4


class TestShareOut:
    """`--set` over several experiments reaches those that have such a setting."""

    @pytest.fixture
    def experiments(self, project):
        library = Library(project.root)
        toy = project.add("toy", "variants: {a: {}}")
        train = project.add("train", CLASSIFY, "classify")
        return [library.experiment(toy), library.experiment(train)]

    def test_overrides_reach_the_experiments_that_have_the_setting(self, experiments):
        options = Options(overrides=("train.epochs=3", "seeds=2"))
        toy, train = plan.share_out(experiments, options).values()
        assert toy.overrides == ("seeds=2",)
        assert train.overrides == ("train.epochs=3", "seeds=2")

    def test_an_override_for_nobody_is_an_error(self, experiments):
        options = Options(overrides=("tran.epochs=3",))
        with pytest.raises(ConfigError, match=r"tran\.epochs=3: .* did you mean 'train'"):
            plan.share_out(experiments, options)
