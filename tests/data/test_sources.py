import subprocess
import sys

import pytest

from kerasref import data


def test_listing_says_what_is_here_and_where_the_rest_comes_from(data_home):
    rows = {row["name"]: row for row in data.listing()}
    assert set(rows) == {"digits", "mnist", "fashion_mnist", "cifar10", "imagenet2012"}
    assert rows["digits"]["state"] == "embedded"
    assert rows["fashion_mnist"]["state"] == "not prepared"
    assert rows["fashion_mnist"]["where"].startswith("http")
    assert (rows["cifar10"]["shape"], rows["imagenet2012"]["classes"]) == ("32x32x3", 1000)


def test_a_version_directory_counts_as_prepared_only_with_its_info_file(data_home):
    place = data_home / "mnist" / "3.0.1"
    place.mkdir(parents=True)
    (data_home / "mnist" / "incomplete.ABC123_3.0.1").mkdir()
    assert not data.is_available("mnist")
    (place / "dataset_info.json").write_text("{}")
    assert data.is_available("mnist")
    assert data.listing()[1]["where"] == str(place)


def test_the_data_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("KERASREF_DATA", raising=False)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.data_dir() == tmp_path / "tensorflow_datasets"
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    assert data.data_dir() == tmp_path / "tfds"
    monkeypatch.setenv("KERASREF_DATA", "~/own")
    assert data.data_dir() == tmp_path / "own"


def test_digits_are_always_available(data_home):
    assert data.is_available("digits")
    assert "nothing to prepare" in data.prepare("digits")


@pytest.mark.parametrize("ask", [data.is_available, data.find_source])
def test_an_unknown_name_gets_the_nearest(ask):
    with pytest.raises(data.DataError, match="'fashion-mnist'; did you mean 'fashion_mnist'"):
        ask("fashion-mnist")
    with pytest.raises(data.DataError, match="known: digits, mnist"):
        ask("xyz")


def test_queries_import_no_heavy_package():
    program = (
        "import sys; from kerasref import data; data.listing(); data.is_available('mnist');"
        "print([m for m in ('numpy', 'tensorflow', 'keras', 'sklearn') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert output.stdout.strip() == "[]", output.stderr
