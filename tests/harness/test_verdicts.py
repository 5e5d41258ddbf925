import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasref.harness.errors import ConfigError
from kerasref.harness.verdicts import WORDS, judge, row_verdict

LOWER = "{id: A1-1, metric: loss, lower: b, than: a}"


@pytest.fixture
def verdict(make_experiment):
    """The verdict on one claim, for given runs."""

    def verdict(claim, runs, profile="laptop", **keys):
        (verdict,) = judge(make_experiment(claim, **keys), runs, profile)
        return verdict

    return verdict


# Exact claims


def test_equal_for_every_seed_is_a_match(verdict, make_runs):
    runs = make_runs("a", params=[60850.0] * 3)
    found = verdict("{id: M1-1, metric: params, of: a, equals: 60850, book: 60850}", runs)
    assert found.word == "match"
    assert found.statement == "`params` of `a` is 60,850"
    assert found.evidence == "measured 60,850, 3 seeds; the book prints 60,850"


@pytest.mark.parametrize("values", [[60850.0, 60851.0], [60850.0, math.nan], [math.inf]])
def test_one_seed_that_differs_is_a_mismatch(verdict, make_runs, values):
    runs = make_runs("a", params=values)
    claim = "{id: M1-1, metric: params, of: a, equals: 60850}"
    assert verdict(claim, runs).word == "mismatch"


def test_erratum_when_the_book_prints_another_number(verdict, make_runs):
    runs = make_runs("a", params=[60965224.0])
    claim = "{id: M1-2, metric: params, of: a, equals: 60965224, book: 58322314}"
    found = verdict(claim, runs)
    assert found.word == "erratum"
    assert "the book prints 58,322,314" in found.evidence


def test_a_wrong_book_does_not_excuse_a_wrong_measurement(verdict, make_runs):
    claim = "{id: M1-2, metric: params, of: a, equals: 60965224, book: 58322314}"
    assert verdict(claim, make_runs("a", params=[58322314.0])).word == "mismatch"


def test_a_rounded_book_number_is_no_erratum(verdict, make_runs):
    claim = "{id: A1-1, metric: ratio, of: a, equals: 4.15, within: 0.01, book: 4.149}"
    assert verdict(claim, make_runs("a", ratio=[4.1495])).word == "match"


@pytest.mark.parametrize(
    ("bound", "word"),
    [("at_most: 0.1", "match"), ("at_most: 0.09", "mismatch"), ("at_least: 0.06", "mismatch")],
)
def test_exact_bounds_hold_for_every_seed(verdict, make_runs, bound, word):
    runs = make_runs("a", error=[0.1, 0.05])
    assert verdict(f"{{id: A1-1, metric: error, of: a, {bound}, exact: true}}", runs).word == word


def test_nan_is_within_no_bound(verdict, make_runs):
    runs = make_runs("a", error=[0.0, math.nan, 0.0])
    exact = "{id: A1-1, metric: error, of: a, at_most: 1, exact: true}"
    assert verdict(exact, runs).word == "mismatch"
    statistical = verdict("{id: A1-1, metric: error, of: a, at_most: 1}", runs)
    assert statistical.word == "inconclusive"
    assert "not all finite" in statistical.evidence


# Statistical claims


def test_difference_is_reported_with_its_interval(verdict, make_runs):
    # Differences 0.03, 0.04, 0.05: mean 0.04, half width 4.3027 * 0.01 / sqrt(3) = 0.0248.
    runs = make_runs("a", acc=[0.5, 0.5, 0.5]) + make_runs("b", acc=[0.53, 0.54, 0.55])
    found = verdict("{id: A1-2, metric: acc, higher: b, than: a}", runs)
    assert found.word == "reproduced"
    assert found.statement == "`acc` is higher for `b` than for `a`"
    assert found.evidence == "difference +0.040 [+0.015, +0.065], 3 seeds"


@pytest.mark.parametrize(
    ("by", "word"),
    [(0.01, "reproduced"), (0.03, "inconclusive"), (0.06, "inconclusive"), (0.07, "refuted")],
)
def test_by_moves_the_bar(verdict, make_runs, by, word):
    runs = make_runs("a", acc=[0.5, 0.5, 0.5]) + make_runs("b", acc=[0.53, 0.54, 0.55])
    claim = f"{{id: A1-2, metric: acc, higher: b, than: a, by: {by}}}"
    assert verdict(claim, runs).word == word


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(verdict, make_runs, n):
    runs = make_runs("a", loss=[5.0] * n) + make_runs("b", loss=[1.0] * n)
    found = verdict(LOWER, runs)
    assert found.word == "inconclusive"
    assert "a verdict takes 3" in found.evidence
    bound = verdict("{id: A1-1, metric: loss, of: a, at_least: 1}", runs)
    assert bound.word == "inconclusive"


def test_seeds_without_a_partner_are_named_and_left_out(verdict, make_runs):
    runs = make_runs("a", loss=[5.0, 5.1, 5.2, 5.3]) + make_runs("b", loss=[1.0, 1.0, 1.0])
    found = verdict(LOWER, runs)
    assert found.word == "reproduced"
    assert "3 seeds" in found.evidence
    assert found.missing == ("no run of b with seed 3",)
    alone = "{id: A1-1, metric: loss, of: b, at_most: 2}"
    own = verdict(alone, runs, variants="{a: {seeds: 4}, b: {seeds: 3}, c: {}}")
    assert (own.word, own.missing) == ("reproduced", ())
    assert verdict(alone, runs, base="{seeds: 4}").missing == ("no run of b with seed 3",)


def test_a_difference_without_spread_still_decides(verdict, make_runs):
    runs = make_runs("a", loss=[5.0] * 3) + make_runs("b", loss=[1.0] * 3)
    assert verdict(LOWER, runs).word == "reproduced"
    assert verdict("{id: A1-1, metric: loss, lower: a, than: b}", runs).word == "refuted"
    exactly = "{id: A1-1, metric: loss, lower: b, than: a, by: 4}"
    assert verdict(exactly, runs).word == "reproduced"


def test_identical_arms_are_not_different(verdict, make_runs):
    runs = make_runs("a", loss=[1.0, 2.0, 3.0]) + make_runs("b", loss=[1.0, 2.0, 3.0])
    found = verdict(LOWER, runs)
    assert found.word == "inconclusive"
    assert found.evidence == "identical for every seed, 3 seeds"
    assert verdict("{id: A1-1, metric: loss, same: b, as: a, within: 0.1}", runs).word == (
        "reproduced"
    )


@pytest.mark.parametrize(
    ("within", "word"), [(0.07, "reproduced"), (0.05, "inconclusive"), (0.01, "refuted")]
)
def test_equivalence_needs_the_whole_interval_inside(verdict, make_runs, within, word):
    # Interval of the difference: [0.015, 0.065].
    runs = make_runs("a", acc=[0.5, 0.5, 0.5]) + make_runs("b", acc=[0.53, 0.54, 0.55])
    claim = f"{{id: A1-2, metric: acc, same: a, as: b, within: {within}}}"
    assert verdict(claim, runs).word == word


@pytest.mark.parametrize(
    ("bound", "word"),
    [
        ("at_least: 0.51", "reproduced"),
        ("at_least: 0.53", "inconclusive"),
        ("at_least: 0.57", "refuted"),
        ("at_most: 0.57", "reproduced"),
        ("at_most: 0.51", "refuted"),
    ],
)
def test_bounds_by_the_interval_of_the_mean(verdict, make_runs, bound, word):
    runs = make_runs("a", acc=[0.53, 0.54, 0.55])  # 0.54 ± 0.025
    assert verdict(f"{{id: A1-2, metric: acc, of: a, {bound}}}", runs).word == word


finite = st.floats(-100, 100).map(lambda value: round(value, 3))
arms = st.lists(st.tuples(finite, finite), min_size=3, max_size=6)
few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _runs(make_runs, sample, shift=0.0, names=("a", "b")):
    first, second = zip(*sample, strict=True)
    return make_runs(names[0], loss=[value + shift for value in first]) + make_runs(
        names[1], loss=[value + shift for value in second]
    )


@few
@given(sample=arms)
def test_swapping_the_arms_swaps_the_verdict(verdict, make_runs, sample):
    opposite = {"reproduced": "refuted", "refuted": "reproduced", "inconclusive": "inconclusive"}
    word = verdict(LOWER, _runs(make_runs, sample)).word
    swapped = verdict(LOWER, _runs(make_runs, sample, names=("b", "a"))).word
    assert swapped == opposite[word]


@few
@given(sample=arms, shift=st.integers(-1000, 1000))
def test_what_both_arms_share_changes_nothing(verdict, make_runs, sample, shift):
    # Whole numbers, so that the shift itself is exact.
    whole = [(round(a), round(b)) for a, b in sample]
    plain = verdict(LOWER, _runs(make_runs, whole))
    moved = verdict(LOWER, _runs(make_runs, whole, shift=float(shift)))
    assert (moved.word, moved.evidence) == (plain.word, plain.evidence)


# Epochs

EVERY = "{id: A1-1, metric: loss, lower: b, than: a, epochs: every}"


def _curves(make_runs, a, b):
    jitter = [0.0, 0.01, -0.01]
    return [
        run
        for name, curve in (("a", a), ("b", b))
        for run in make_runs(
            name,
            history={"loss": [[v + (j if name == "b" else 0) for v in curve] for j in jitter]},
        )
    ]


@pytest.mark.parametrize(
    ("b", "word", "worst"),
    [
        ([1.0, 0.5, 0.4], "reproduced", 3),
        ([1.0, 0.9, 0.4], "refuted", 2),
        ([1.0, 0.6, 0.5], "inconclusive", 3),
    ],
)
def test_every_epoch_is_as_good_as_the_worst(verdict, make_runs, b, word, worst):
    found = verdict(EVERY, _curves(make_runs, [2.0, 0.8, 0.5], b))
    assert found.word == word
    assert found.evidence.startswith(f"epoch {worst}, the worst of 3: ")


def test_one_epoch(verdict, make_runs):
    runs = _curves(make_runs, [2.0, 0.8], [1.0, 0.9])
    at = "{{id: A1-1, metric: loss, lower: b, than: a, epochs: {}}}".format
    assert verdict(at(1), runs).word == "reproduced"
    assert verdict(at(2), runs).word == "refuted"
    beyond = verdict(at(3), runs)
    assert (beyond.word, beyond.evidence) == ("inconclusive", "the runs have 2 epochs")


def test_a_nan_at_any_epoch_reproduces_nothing(verdict, make_runs):
    runs = _curves(make_runs, [2.0, 2.0], [1.0, math.nan])
    found = verdict(EVERY, runs)
    assert found.word == "inconclusive"
    assert found.evidence.startswith("epoch 2")


# Scale, missing runs, wrong names


def test_full_scale_claims_wait_for_full_scale_runs(verdict, make_runs):
    claim = "{id: A1-1, metric: loss, lower: b, than: a, profile: paper}"
    small = make_runs("a", loss=[5.0] * 3) + make_runs("b", loss=[1.0] * 3)
    assert verdict(claim, small).word == "needs-scale"
    large = make_runs("a", profile="paper", loss=[5.0] * 3)
    assert verdict(claim, small + large).word == "needs-scale"
    large += make_runs("b", profile="paper", loss=[9.0] * 3)
    assert verdict(claim, small + large).word == "refuted"
    assert verdict(LOWER, small + large).word == "reproduced"


def test_an_experiment_that_needs_scale_is_not_judged_by_small_runs(verdict, make_runs):
    small = make_runs("a", loss=[5.0] * 3) + make_runs("b", loss=[1.0] * 3)
    assert verdict(LOWER, small, needs="paper").word == "needs-scale"


def test_smoke_runs_do_not_decide_at_laptop(verdict, make_runs):
    smoke = make_runs("a", profile="smoke", loss=[5.0] * 3)
    smoke += make_runs("b", profile="smoke", loss=[1.0] * 3)
    assert verdict(LOWER, smoke).word == "open"
    assert verdict(LOWER, smoke, profile="smoke").word == "reproduced"


def test_open_names_the_variant_without_runs(verdict, make_runs):
    found = verdict(LOWER, make_runs("a", loss=[5.0] * 3))
    assert (found.word, found.evidence) == ("open", "no laptop runs of b")
    assert verdict(LOWER, []).word == "open"


def test_unknown_metric_names_file_line_and_nearest(verdict, make_runs):
    runs = make_runs("a", test_accuracy=[0.9]) + make_runs("b", test_accuracy=[0.9])
    with pytest.raises(ConfigError) as raised:
        verdict("{id: A1-2, metric: test_acuracy, higher: b, than: a}", runs)
    assert str(raised.value) == (
        "experiments/notes/1.1/trial.yaml:8: claims.0.metric: "
        "no run reports the metric 'test_acuracy'; did you mean 'test_accuracy'?"
    )


def test_per_epoch_metrics_are_looked_up_in_the_history(verdict, make_runs):
    runs = make_runs("a", loss=[5.0] * 3) + make_runs("b", loss=[1.0] * 3)
    with pytest.raises(ConfigError, match="no run reports the per-epoch metric 'loss'"):
        verdict(EVERY, runs)


def test_a_metric_of_other_variants_only_leaves_the_claim_open(verdict, make_runs):
    runs = make_runs("a", loss=[1.0]) + make_runs("c", params=[3.0])
    found = verdict("{id: M1-1, metric: params, of: a, equals: 3}", runs)
    assert found.word == "open"
    assert found.missing == ("a with seed 0 did not report params",)
    never = verdict(EVERY, [*runs, *make_runs("b", loss=[1.0]), *_curves(make_runs, [], [])])
    assert never.word == "inconclusive"


def test_collapsed_runs_count_and_are_mentioned(verdict, make_runs):
    runs = make_runs("a", loss=[1.0, 1.0, 1.0]) + make_runs(
        "b", loss=[2.0, 2.0, 9.0], collapsed=[0.0, 0.0, 1.0]
    )
    found = verdict(LOWER, runs)
    assert "1 run collapsed" in found.evidence
    assert "3 seeds" in found.evidence


def test_networks_that_did_not_learn_decide_nothing_about_generalisation(verdict, make_runs):
    claim = "{id: A1-1, metric: %s, higher: a, than: b%s}"
    for metric in ("test_accuracy", "accuracy_gap", "train_accuracy"):
        values = {metric: [0.9, 0.9, 0.91]}
        weak = make_runs("b", **{metric: [0.3, 0.3, 0.3]}, fit_accuracy=[0.5, 0.49, 0.9])
        learned = make_runs("b", **{metric: [0.3, 0.3, 0.3]}, fit_accuracy=[0.5, 0.5, 0.9])
        runs = make_runs("a", **values, fit_accuracy=[0.9] * 3)
        assert verdict(claim % (metric, ""), runs + learned).word == "reproduced"
        found = verdict(claim % (metric, ""), runs + weak)
        if metric == "train_accuracy":
            assert found.word == "reproduced"
            continue
        assert found.word == "inconclusive"
        assert "1 run of b got less than 50% of the training images right" in found.evidence
        assert verdict(claim % (metric, ", failing: true"), runs + weak).word == "reproduced"


def test_surrogate_data_label(verdict, make_runs):
    tags = {"data": "digits", "surrogate": "mnist", "fallback_for": "fashion_mnist"}
    runs = make_runs("a", loss=[5.0] * 3, tags=tags) + make_runs("b", loss=[1.0] * 3, tags=tags)
    source = "{book: notes, section: '1.1', ledger: [A1-1], data: mnist}"
    assert verdict(LOWER, runs, source=source).surrogate == (
        "the book used MNIST; these runs used scikit-learn digits (fallback for Fashion-MNIST)"
    )


# Ledger rows


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ([], "open"),
        (["match", "erratum", "reproduced"], "erratum"),
        (["erratum", "inconclusive"], "inconclusive"),
        (["refuted", "inconclusive", "match"], "refuted"),
        (["refuted", "mismatch"], "mismatch"),
        (["needs-scale", "reproduced", "open"], "reproduced"),
        (["needs-scale"], "needs-scale"),
        (["needs-scale", "open"], "open"),
    ],
)
def test_a_row_is_as_good_as_its_worst_tested_claim(words, word):
    assert row_verdict(words) == word


@given(st.lists(st.sampled_from(WORDS), min_size=1))
def test_row_verdict_is_one_of_its_claims_in_any_order(words):
    assert row_verdict(words) in words
    assert row_verdict(words) == row_verdict(reversed(words))


# Claims that nothing can measure


def test_an_open_claim_says_why(verdict, make_runs):
    found = verdict(
        "{id: A1-1, open: the book tells of others' attempts}", make_runs("a", loss=[1])
    )
    assert (found.word, found.evidence) == ("open", "the book tells of others' attempts")


def test_an_open_claim_has_no_metric(make_experiment):
    with pytest.raises(ConfigError, match="unknown key 'metric'"):
        make_experiment("{id: A1-1, open: no way to tell, metric: loss}")


@pytest.mark.parametrize(("book", "word"), [(8.79, "erratum"), (8.7, "match")])
def test_a_quoted_number_is_compared_with_its_source(make_experiment, book, word):
    claim = f"{{id: A1-1, cites: 'He et al. 2016, table 1', prints: 8.7, book: {book}}}"
    (found,) = judge(make_experiment(claim), [], "laptop")
    assert found.word == word
    assert found.statement == "He et al. 2016, table 1 has 8.7"
    assert found.evidence == f"the book prints {book}; compared, not measured"


@pytest.mark.parametrize(
    ("a", "b", "by", "word"),
    [
        ([3.0], [2.0], 0, "match"),
        ([2.0], [2.0], 0, "mismatch"),
        ([3.0], [2.0], 1, "match"),
        ([3.0], [2.0], 2, "mismatch"),
        ([3.0, 1.0], [2.0, 2.0], 0, "mismatch"),
        ([math.nan], [2.0], 0, "mismatch"),
    ],
)
def test_exact_comparisons_hold_for_every_seed(verdict, make_runs, a, b, by, word):
    runs = [*make_runs("a", loss=a), *make_runs("b", loss=b)]
    claim = f"{{id: A1-1, metric: loss, higher: a, than: b, by: {by}, exact: true}}"
    assert verdict(claim, runs).word == word


def test_an_exact_comparison_shows_its_difference(verdict, make_runs):
    runs = [*make_runs("a", loss=[1000.0]), *make_runs("b", loss=[4000.0])]
    found = verdict("{id: A1-1, metric: loss, lower: a, than: b, exact: true}", runs)
    assert found.evidence == "difference -3,000, 1 seed"
