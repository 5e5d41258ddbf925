import io
import pickle
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from kerasref import data

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def rows(x, y):
    """Examples as a sorted list: TensorFlow Datasets stores them in an order of its own."""
    return sorted((image.tobytes(), int(label)) for image, label in zip(x, y, strict=True))


def assert_holds(loaded, files):
    assert rows(loaded.x_train, loaded.y_train) == rows(*files.arrays["train"])
    assert rows(loaded.x_test, loaded.y_test) == rows(*files.arrays["test"])


def visible(home):
    return {path.name for path in home.iterdir() if path.suffix != ".lock"}


def prepare_tiny(files, **options):
    return data.prepare("fashion_mnist", files.directory, **options)


def test_prepared_files_are_read_by_tfds_and_by_load(tiny_fashion, data_home):
    import tensorflow_datasets as tfds

    message = prepare_tiny(tiny_fashion)
    assert str(tiny_fashion.directory) in message
    assert data.is_available("fashion_mnist")
    assert visible(data_home) == {"fashion_mnist"}

    plain = tfds.as_numpy(
        tfds.load("fashion_mnist", data_dir=data_home, split="test", batch_size=-1)
    )
    assert rows(plain["image"], plain["label"]) == rows(*tiny_fashion.arrays["test"])
    loaded = data.load("fashion_mnist")
    assert loaded.x_train.shape == (12, 28, 28, 1)
    assert_holds(loaded, tiny_fashion)


def test_what_is_prepared_is_not_prepared_again(tiny_fashion, data_home):
    prepare_tiny(tiny_fashion)
    info = data_home / "fashion_mnist" / "3.0.1" / "dataset_info.json"
    before = info.stat().st_mtime_ns
    assert "already prepared" in data.prepare("fashion_mnist")
    assert info.stat().st_mtime_ns == before


def test_damaged_files_leave_nothing_behind(tiny_fashion, data_home):
    path = tiny_fashion.path("t10k-images-idx3-ubyte")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(data.DataError, match=r"t10k-images-idx3-ubyte\.gz: truncated"):
        prepare_tiny(tiny_fashion)
    assert not data.is_available("fashion_mnist")
    assert visible(data_home) == set()


def truncate(place):
    shard = next(place.glob("*train*tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-50])


def flip_bit(place):
    shard = next(place.glob("*train*tfrecord*"))
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)


def drop_records(place):
    next(place.glob("*test*tfrecord*")).write_bytes(b"")


def remove_shard(place):
    next(place.glob("*test*tfrecord*")).unlink()


def truncate_info(place):
    info = place / "dataset_info.json"
    info.write_text(info.read_text()[:-40])


@pytest.mark.parametrize("damage", [truncate, flip_bit, drop_records, remove_shard, truncate_info])
def test_damaged_prepared_data_is_named_and_can_be_prepared_again(tiny_fashion, data_home, damage):
    prepare_tiny(tiny_fashion)
    place = data_home / "fashion_mnist" / "3.0.1"
    damage(place)
    with pytest.raises(data.DataError, match="expected 12 training and 5 test examples") as caught:
        data.load("fashion_mnist")
    assert str(place) in str(caught.value)
    assert "kerasref data prepare fashion_mnist --force" in str(caught.value)
    assert "\n" not in str(caught.value)

    prepare_tiny(tiny_fashion, force=True)
    assert_holds(data.load("fashion_mnist"), tiny_fashion)
    assert visible(data_home) == {"fashion_mnist"}


def test_forced_preparation_from_damaged_files_keeps_what_was_there(tiny_fashion, data_home):
    prepare_tiny(tiny_fashion)
    tiny_fashion.path("train-labels-idx1-ubyte").unlink()
    with pytest.raises(data.DataError, match=r"needs train-labels-idx1-ubyte\.gz"):
        prepare_tiny(tiny_fashion, force=True)
    assert_holds(data.load("fashion_mnist"), tiny_fashion)


PROGRAM = """
import os, pickle, signal, sys
from kerasref import data
from kerasref.data import idx, sources
table, source, directory, die = pickle.load(open(sys.argv[1], "rb"))
idx.FILES["fashion_mnist"], sources.SOURCES["fashion_mnist"] = table, source
if die:
    import tensorflow_datasets as tfds
    write = tfds.core.DatasetInfo.write_to_directory
    def interrupted(*args, **kwargs):
        write(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    tfds.core.DatasetInfo.write_to_directory = interrupted
print(data.prepare("fashion_mnist", directory))
"""


def start(files, tmp_path, die=False):
    arguments = tmp_path / f"arguments-{die}"
    content = (files.table(), data.SOURCES["fashion_mnist"], str(files.directory), die)
    arguments.write_bytes(pickle.dumps(content))
    command = [sys.executable, "-c", PROGRAM, str(arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_preparation_killed_before_its_end_is_not_taken_for_data(
    tiny_fashion, data_home, tmp_path
):
    process = start(tiny_fashion, tmp_path, die=True)
    assert process.wait() == -signal.SIGKILL
    assert list(data_home.rglob("dataset_info.json")), "killed too early to show anything"
    assert not data.is_available("fashion_mnist")
    prepare_tiny(tiny_fashion)
    assert visible(data_home) == {"fashion_mnist"}
    assert_holds(data.load("fashion_mnist"), tiny_fashion)


def test_of_concurrent_preparations_one_works_and_the_other_waits(
    tiny_fashion, data_home, tmp_path
):
    processes = [start(tiny_fashion, tmp_path) for _ in range(2)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    said = sorted("already prepared" in output for output, _ in outputs)
    assert said == [False, True]
    assert_holds(data.load("fashion_mnist"), tiny_fashion)


def test_the_debian_package_is_found_by_itself(tiny_fashion, data_home, tmp_path):
    dpkg = tmp_path / "bin" / "dpkg"
    dpkg.parent.mkdir()
    listed = "\n".join(str(path) for path in sorted(tiny_fashion.directory.iterdir()))
    wanted = '[ "$*" = "-L dataset-fashion-mnist" ] || exit 1'
    dpkg.write_text(f"#!/bin/sh\n{wanted}\necho '/.\n{listed}'\n")
    dpkg.chmod(dpkg.stat().st_mode | stat.S_IXUSR)
    assert f"from {tiny_fashion.directory}" in data.prepare("fashion_mnist")
    assert_holds(data.load("fashion_mnist"), tiny_fashion)


def refuse(*args, **kwargs):
    raise urllib.error.URLError("Name or service not known")


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_without_files_and_network_the_error_names_the_three_ways(tiny_fashion, data_home, offline):
    with pytest.raises(data.DataError) as caught:
        data.prepare("fashion_mnist")
    message = str(caught.value)
    for way in ("network", "--from DIR", "t10k-labels-idx1-ubyte.gz", "dataset-fashion-mnist"):
        assert way in message
    assert "\n" not in message
    assert visible(data_home) == set()


def test_a_failing_download_is_one_line(data_home, monkeypatch):
    """The host answers, the download then breaks."""
    import tensorflow_datasets as tfds

    def broken(self, **kwargs):
        raise OSError("connection reset\nsecond line")

    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: io.BytesIO())
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", broken)
    with pytest.raises(data.DataError, match="cifar10 cannot be prepared: connection reset;"):
        data.prepare("cifar10")
    assert visible(data_home) == set()


def test_a_data_directory_that_cannot_be_written_is_named(tiny_fashion, data_home):
    data_home.write_text("a file")
    with pytest.raises(data.DataError, match=f"fashion_mnist cannot be prepared in {data_home}"):
        prepare_tiny(tiny_fashion)


@pytest.mark.parametrize(
    ("name", "directory", "said"),
    [
        ("fashion_mnist", "nowhere", "nowhere: no such directory"),
        ("cifar10", ".", "cifar10 cannot be prepared from local files"),
        ("imagenet2012", None, "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar in DIR"),
        ("imagenet2012", ".", "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar in DIR"),
        ("fasion_mnist", None, "did you mean 'fashion_mnist'"),
    ],
)
def test_what_cannot_be_prepared_says_why(data_home, tmp_path, monkeypatch, name, directory, said):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(data.DataError, match=said):
        data.prepare(name, directory)
    assert not data_home.exists() or visible(data_home) == set()


def test_an_unprepared_source_says_how_to_prepare_it(data_home):
    with pytest.raises(data.DataError, match="run `kerasref data prepare mnist`"):
        data.load("mnist")


@pytest.fixture(scope="session")
def fashion(tmp_path_factory):
    """The real Fashion-MNIST: prepared already, else from Debian's package."""
    with pytest.MonkeyPatch.context() as patch:
        if not data.is_available("fashion_mnist"):
            patch.setenv("KERASREF_DATA", str(tmp_path_factory.mktemp("data")))
            patch.setattr(urllib.request, "urlopen", refuse)
            try:
                data.prepare("fashion_mnist")
            except data.DataError as error:
                pytest.skip(str(error))
        return data.load("fashion_mnist")


def test_fashion_mnist_is_the_published_data(fashion):
    assert fashion.x_train.shape == (60_000, 28, 28, 1)
    # Xiao et al. 2017, section 2: classes are balanced in both sets.
    assert np.bincount(fashion.y_train).tolist() == [6000] * 10
    assert np.bincount(fashion.y_test).tolist() == [1000] * 10
    # The normalisation constants in common use for this data set: mean 0.2860, deviation 0.3530.
    assert round(fashion.x_train.mean() / 255, 4) == 0.2860
    assert round(fashion.x_train.std() / 255, 4) == 0.3530
