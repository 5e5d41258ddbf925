"""The committed reports are what the published record says."""

from pathlib import Path

import pytest

from kerasref.harness import commands

ROOT = Path(__file__).resolve().parents[1]
# In one test process, which writes all pages once.
pytestmark = pytest.mark.xdist_group("reports")
PAGES = sorted(path.relative_to(ROOT / "reports") for path in (ROOT / "reports").rglob("*.md"))


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory):
    out = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASREF_HOME", str(ROOT))
        commands.report([], "laptop", "published", out)
    return out


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page_is_up_to_date(page, regenerated):
    expected = (ROOT / "reports" / page).read_text(encoding="utf-8")
    assert (regenerated / page).read_text(encoding="utf-8") == expected, "run `make report`"


def test_every_published_experiment_exists():
    published = {
        path.relative_to(ROOT / "reports/data").with_suffix("").as_posix()
        for path in (ROOT / "reports/data").rglob("*.csv")
        if not path.name.endswith(".history.csv")
    }
    experiments = {
        path.relative_to(ROOT / "experiments").with_suffix("").as_posix()
        for path in (ROOT / "experiments").rglob("*.yaml")
    }
    assert published <= experiments
