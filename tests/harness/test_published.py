import math
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasref.harness import published
from kerasref.harness.agreement import compare
from kerasref.harness.errors import KerasrefError
from kerasref.harness.records import Record

ID = "notes/1.1/trial"
CSV = "reports/data/notes/1.1/trial.csv"


@pytest.fixture
def reports(tmp_path):
    return tmp_path / "reports"


def _sorted(records):
    return sorted(records, key=lambda record: (record.profile, record.variant, record.seed))


def test_round_trip_with_history_and_provenance(reports, activation_runs):
    id = activation_runs[0].experiment
    published.write(reports, id, activation_runs)
    assert published.read(reports, id) == _sorted(activation_runs)
    assert published.read_all(reports) == {id: _sorted(activation_runs)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.floats(allow_nan=False),
    variant=st.text(
        st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\x85"),
        min_size=1,
    ),
    curve=st.lists(st.floats(allow_nan=False), max_size=4),
)
def test_every_number_and_name_round_trips(reports, value, variant, curve):
    history = {"loss": tuple(curve)} if curve else {}
    record = Record(ID, variant, 3, "laptop", "cafe", {"loss": value}, history, {})
    published.write(reports, ID, [record])
    assert published.read(reports, ID) == [record]


def test_nan_and_missing_metrics_are_different_things(reports, make_runs):
    runs = make_runs("a", loss=[math.nan]) + make_runs("b", accuracy=[0.5])
    published.write(reports, ID, runs)
    a, b = published.read(reports, ID)
    assert math.isnan(a.metrics["loss"])
    assert set(a.metrics) == {"loss"}
    assert set(b.metrics) == {"accuracy"}


def test_a_private_tag_is_not_published(reports, make_runs):
    published.write(
        reports, ID, make_runs("a", loss=[1.0], tags={"host": "tower", "data": "digits"})
    )
    assert published.read(reports, ID)[0].tags == {"data": "digits"}


def test_the_order_of_runs_does_not_change_the_file(reports, tmp_path, activation_runs):
    published.write(reports, ID, activation_runs)
    first = (tmp_path / CSV).read_bytes()
    published.write(reports, ID, activation_runs[::-1])
    assert (tmp_path / CSV).read_bytes() == first
    assert first.splitlines()[0].startswith(b"variant,seed,profile,hash,tag.commit,")


def test_a_history_that_is_gone_is_removed(reports, make_runs):
    published.write(reports, ID, make_runs("a", history={"loss": [(1.0, 0.5)]}))
    published.write(reports, ID, make_runs("a", loss=[0.5]))
    assert published.read(reports, ID)[0].history == {}
    assert sorted(os.listdir(reports / "data/notes/1.1")) == ["trial.csv"]


def test_a_failed_write_keeps_the_old_record(reports, make_runs):
    old = make_runs("a", loss=[0.5])
    published.write(reports, ID, old)
    with pytest.raises(ValueError, match="could not convert"):
        published.write(reports, ID, make_runs("a", loss=["broken"]))
    assert published.read(reports, ID) == old
    assert sorted(os.listdir(reports / "data/notes/1.1")) == ["trial.csv"]


def test_never_published(reports):
    assert published.read(reports, ID) == []
    assert published.read_all(reports) == {}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.replace("hash", "hsh", 1), "{csv}:1: no column 'hash'; did you mean 'hsh'?"),
        (lambda t: t.replace("0.25", "0,25"), "{csv}:3: has 16 cells; the header has 15"),
        (lambda t: t.replace("0.25", "1/4"), "{csv}:3: loss is '1/4', not a number"),
        (lambda t: t.replace("a,1,", "a,one,"), "{csv}:3: seed is 'one', not a whole number"),
        (lambda t: t.replace("a,1,", "a,0,"), "{csv}:3: a seed 0 stands twice"),
        (lambda t: t[:-3], "{csv}:3: the last line is cut off"),
        (lambda t: t[: t.rindex(",,")] + "\n", "{csv}:3: has 13 cells; the header has 15"),
        (lambda t: "", "{csv}:1: the last line is cut off"),
        (lambda t: t.replace("loss", "seed"), "{csv}:1: a column stands twice"),
    ],
)
def test_damage_is_named_with_file_and_line(reports, tmp_path, make_runs, damage, message):
    published.write(reports, ID, make_runs("a", loss=[0.5, 0.25]))
    text = (tmp_path / CSV).read_text()
    assert damage(text) != text
    (tmp_path / CSV).write_text(damage(text))
    with pytest.raises(KerasrefError) as raised:
        published.read(reports, ID)
    assert str(raised.value) == message.format(csv=CSV)


def test_bytes_that_are_no_text(reports, tmp_path, make_runs):
    published.write(reports, ID, make_runs("a", loss=[0.5]))
    (tmp_path / CSV).write_bytes(b"variant\xff\n")
    with pytest.raises(KerasrefError, match=r"trial\.csv: cannot be read: not UTF-8 text"):
        published.read(reports, ID)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.replace("a,0,laptop,1,0.5\n", ""), "loss has no value for epoch 1"),
        (lambda t: t + "z,0,laptop,1,0.5\n", "z seed 0 is not in trial.csv"),
    ],
)
def test_damaged_history(reports, make_runs, damage, message):
    published.write(reports, ID, make_runs("a", history={"loss": [(0.5, 0.25)]}))
    path = reports / "data/notes/1.1/trial.history.csv"
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    with pytest.raises(KerasrefError, match=message):
        published.read(reports, ID)


# Agreement


def test_identical_runs_whatever_their_timing(make_runs):
    old = make_runs("a", loss=[1.0, 2.0], seconds_per_epoch=[3.0, 3.0])
    new = make_runs("a", loss=[1.0, 2.0], seconds_per_epoch=[9.0, 9.0])
    agreement = compare(new, old)
    assert (agreement.runs, agreement.identical) == (2, 2)
    assert agreement.text == "all 2 runs identical to the published ones"


def test_one_different_bit_is_not_identical(make_runs):
    old = make_runs("a", loss=[1.0, 2.0, 3.0], accuracy=[0.5, 0.5, 0.5])
    new = make_runs("a", loss=[1.0, 2.0002, 3.0], accuracy=[0.5, 0.5, 0.5])
    agreement = compare(new, old)
    assert agreement.identical == 2
    assert agreement.largest[0] == pytest.approx(1e-4, rel=1e-3)
    assert agreement.text == (
        "2 of 3 runs identical to published; largest relative difference 0.0001 "
        "(loss, a seed 1); every mean lies in the published 95 % interval"
    )


def test_histories_count(make_runs):
    old = make_runs("a", history={"loss": [(1.0, 0.5)]})
    new = make_runs("a", history={"loss": [(1.0, 0.4)]})
    agreement = compare(new, old)
    assert agreement.identical == 0
    assert agreement.largest == (pytest.approx(0.2), "loss at epoch 2, a seed 0")


def test_nan_agrees_with_nan_only(make_runs):
    nan = make_runs("a", loss=[math.nan])
    assert compare(nan, make_runs("a", loss=[math.nan])).identical == 1
    assert compare(nan, make_runs("a", loss=[1.0])).identical == 0
    assert (
        compare(make_runs("a", loss=[1.0], extra=[1.0]), make_runs("a", loss=[1.0])).identical == 0
    )


def test_other_runs_are_compared_by_their_means(make_runs):
    old = make_runs("a", accuracy=[0.90, 0.91, 0.92])  # 0.91 ± 0.025
    near = make_runs("a", profile="laptop", accuracy=[0.90, 0.93])
    far = make_runs("a", accuracy=[0.95, 0.95])
    renamed = [Record(**{**vars(run), "hash": f"new-{run.seed}"}) for run in near]
    assert compare(renamed, old).text == (
        "0 of 2 runs identical to published; 2 runs not published; "
        "every mean lies in the published 95 % interval"
    )
    assert compare(far, old).outside == ("a accuracy 0.9500 (published 0.9100 [0.8852, 0.9348])",)


def test_one_published_run_gives_no_interval(make_runs):
    agreement = compare(make_runs("a", loss=[9.0]), make_runs("a", loss=[1.5]))
    assert agreement.unchecked == ("a loss",)
    assert agreement.text.endswith("; no published interval for a loss")


def test_profiles_are_never_mixed(make_runs):
    old = make_runs("a", profile="paper", loss=[1.0, 1.1, 1.2])
    assert compare(make_runs("a", loss=[1.1]), old).unchecked == ("a loss",)
