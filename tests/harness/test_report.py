import subprocess
import sys

import pytest

from kerasref.harness import published, report
from kerasref.harness.errors import ConfigError

ID = "notes/1.1/activations"


@pytest.fixture
def page(make_library, tmp_path):
    def page(runs, out="out", **options):
        path = report.write_section(
            make_library(), "notes/1.1", {ID: runs}, tmp_path / out, **options
        )
        assert path == tmp_path / out / "notes/1.1.md"
        return path.read_text(encoding="utf-8")

    return page


def _files(directory):
    return {
        path.relative_to(directory): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_titles_question_and_reason(page, activation_runs):
    text = page(activation_runs)
    assert text.startswith("# 1.1 起源 · Origins\n")
    assert "高手笔记 · Deep notes, Liu Yan, 2022" in text
    assert "## 激活函数 · tanh or ReLU" in text
    assert "**Question.** Does ReLU converge faster?" in text
    assert "**Why this setting.** Same net, same data." in text


def test_table_shows_ours_beside_the_books(page, activation_runs):
    text = page(activation_runs)
    # Half width 2.776 * 0.001581 / sqrt(5) = 0.0020 for tanh and twice that for ReLU.
    assert "| variant | params | test_accuracy | book | seconds_per_epoch | seeds |" in text
    assert "| tanh | 60,850 | 0.9000 ± 0.0020 | 0.9826 | 3.250 | 5 |" in text
    assert "| relu | 60,965,224 | 0.9100 ± 0.0039 | 0.9841 | 3 | 5 |" in text


def test_one_verdict_line_per_claim(page, activation_runs):
    text = page(activation_runs)
    lines = [line for line in text.splitlines() if line.startswith("- **")]
    assert len(lines) == 5
    # Differences 0.010 + jitter: mean 0.0100, half width 0.0020.
    assert (
        "- **reproduced** · A1-2 · `test_accuracy` is higher for `relu` than for `tanh`: "
        "difference +0.0100 [+0.0080, +0.0120], 5 seeds; 1 run collapsed." in lines[1]
    )
    assert lines[2].startswith("- **needs-scale** · A1-1")
    assert "- M1-2: the book prints 58,322,314; `params` is 60,965,224. BN is left out" in text


def test_surrogate_data_is_labelled_everywhere(page, activation_runs):
    text = page(activation_runs)
    label = "the book used MNIST; these runs used Fashion-MNIST"
    assert f"> **Surrogate data**: {label}." in text
    caption = next(line for line in text.splitlines() if line.startswith("**LeNet-5 by"))
    assert label in caption
    assert "reduced scale: profile `laptop`" in caption
    verdicts = [line for line in text.splitlines() if line.startswith("- **")]
    assert all(label in line for line in verdicts if "needs-scale" not in line)
    rows = [line for line in text.splitlines() if line.startswith("| A1-")]
    assert all("surrogate data" in row for row in rows)


def test_no_label_on_the_books_own_data_and_scale(page, make_runs):
    runs = [
        run
        for variant in ("tanh", "relu")
        for run in make_runs(
            variant,
            experiment=ID,
            profile="paper",
            params=[60850.0] * 3,
            test_accuracy=[0.9] * 3,
            seconds_per_epoch=[1.0] * 3,
            history={"train_loss": [(1.0,)] * 3},
            tags={"data": "mnist"},
        )
    ]
    text = page(runs, profile="paper")
    assert "urrogate" not in text
    assert "educed scale" not in text
    assert "| scale | the book's: profile `paper` |" in text
    assert f"`kerasref run {ID} --profile paper`" in text
    assert "make reproduce-notes-1.1 PROFILE=paper" in text


def test_an_experiment_without_profiles_has_no_reduced_scale(make_library, make_runs, tmp_path):
    library = make_library(
        trial="""\
        id: notes/1.1/trial
        title: Trial
        source: {book: notes, section: "1.1", ledger: [M1-1]}
        question: How many?
        task: structure
        variants: {a: {}}
        claims: [{id: M1-1, metric: params, of: a, equals: 5}]
        """
    )
    records = {"notes/1.1/trial": make_runs("a", params=[5.0])}
    text = report.write_section(library, "notes/1.1", records, tmp_path / "out").read_text()
    assert "educed scale" not in text
    assert "| scale | the same in every profile |" in text
    assert "| variant | params | seeds |" in text


def test_summary_lists_the_sections_rows_and_those_its_experiments_name(page, activation_runs):
    text = page(activation_runs)
    assert (
        "**5 ledger rows: 1 match (1 on surrogate data), 2 reproduced (2 on surrogate data), "
        "1 erratum (1 on surrogate data), 1 open.**" in text
    )
    assert "A2-1" not in text
    assert (
        "| A1-1 | ReLU converges faster than tanh \\| 2\\*2 | claim | **reproduced** "
        "(surrogate data, 1 claim at full scale remaining) | [activations](#activations) |" in text
    )
    assert '<a id="activations"></a>' in text
    assert "| F1.9 | tanh vs ReLU | figure | open | [activations](#activations) |" in text


def test_provenance(page, activation_runs):
    text = page(activation_runs)
    for fact in (
        "| data | Fashion-MNIST |",
        "| data fingerprint | f00d |",
        "| seeds | 0, 1, 2, 3, 4 |",
        "| commit | `0123456789ab` (dirty: with uncommitted changes) |",
        "| wall time | 10 min 15 s over 10 runs |",
        "| device | CPU |",
        "| strategy | one |",
        "| versions | python 3.12.1, tensorflow 2.21.0 |",
        f"| command | `kerasref run {ID}`, or `make reproduce-notes-1.1` for the whole section |",
    ):
        assert fact in text


def test_collapsed_and_failed_runs_are_listed(page, activation_runs):
    text = page(activation_runs, failed={ID: ["relu seed 7: loss is nan at step 12"]})
    assert "**Collapsed runs (chance level; counted in every mean)**\n\n- `relu` seed 4" in text
    assert "**Failed runs**\n\n- relu seed 7: loss is nan at step 12" in text


def test_figures_are_drawn_linked_and_replaced(page, activation_runs, tmp_path):
    folder = tmp_path / "out/figures/notes/1.1"
    folder.mkdir(parents=True)
    (folder / "of-a-removed-experiment.png").touch()
    text = page(activation_runs)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["activations-1-train_loss.png", "activations-2-test_accuracy.png"]
    assert all(f"(../figures/notes/1.1/{name})" in text for name in names)
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_same_runs_same_bytes(page, activation_runs, tmp_path, monkeypatch):
    page(activation_runs, "one")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\n")
    page(activation_runs[::-1], "two")
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_the_published_record_gives_the_same_bytes(page, activation_runs, tmp_path):
    page(activation_runs, "one")
    published.write(tmp_path / "reports", ID, activation_runs)
    page(published.read(tmp_path / "reports", ID), "two")
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_a_section_without_runs(page):
    text = page([])
    assert "No runs at profile `laptop` yet." in text
    assert "5 ledger rows: 5 open" in text


def test_a_diverged_run_shows_in_the_table(page, activation_runs):
    activation_runs[0].metrics["test_accuracy"] = float("nan")
    assert "| tanh | 60,850 | not finite in 1 of 5 | 0.9826 |" in page(activation_runs)


def test_many_metrics_become_rows(make_library, make_runs, tmp_path):
    metrics = [f"m{n}" for n in range(8)]
    library = make_library(
        trial=f"""\
        id: notes/1.1/trial
        title: Trial
        source: {{book: notes, section: "1.1", ledger: [A1-1]}}
        question: Which?
        task: check
        variants: {{a: {{}}, b: {{}}}}
        table: {{caption: Numbers, columns: [{", ".join(metrics)}], book: {{b: {{m1: 3}}}}}}
        """
    )
    runs = make_runs("a", **{m: [1.0] for m in metrics}) + make_runs("b", m1=[0.125, 0.25])
    path = report.write_section(library, "notes/1.1", {"notes/1.1/trial": runs}, tmp_path / "out")
    text = path.read_text(encoding="utf-8")
    assert "| metric | a | b | book |" in text
    # Mean 0.1875, half width 12.706 * 0.0625 = 0.794.
    assert "| m1 | 1 | 0.19 ± 0.79 | 3 |" in text
    assert "| seeds | 1 | 2 |  |" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[params,", "[parms,", r"yaml:19: table.columns.0: .*'parms'; did you mean 'params'\?"),
        ("metric: train_loss}", "metric: tran_loss}", "figures.0.metric: .*'tran_loss'"),
    ],
)
def test_unknown_metrics_of_tables_and_figures(
    page, make_library, activation_runs, tmp_path, old, new, message
):
    make_library()
    path = tmp_path / "experiments/notes/1.1/activations.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    from kerasref.harness.library import Library

    with pytest.raises(ConfigError, match=message):
        report.write_section(
            Library(tmp_path), "notes/1.1", {ID: activation_runs}, tmp_path / "out"
        )


def test_scoreboard_and_coverage_need_no_tensors_and_no_plots():
    code = (
        "import sys; from kerasref.harness import coverage, published, report, scoreboard; "
        "print(*{'tensorflow', 'keras', 'mlflow', 'matplotlib', 'scipy.stats'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
