"""Preparing a source for TensorFlow Datasets: already there, from local files, or by download."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from kerasref.data import idx
from kerasref.data.errors import DataError
from kerasref.data.sources import data_dir, find_source, is_available, prepared_dir

_CONNECT_SECONDS = 10
_ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")


def prepare(name: str, directory=None, *, force: bool = False) -> str:
    """Makes a source available, trying in this order: already prepared, local files, download.

    Local files of MNIST and Fashion-MNIST are the four published IDX files, in `directory` or, for
    Fashion-MNIST, where Debian's package `dataset-fashion-mnist` has put them; for ImageNet the tar
    files that TensorFlow Datasets' builder asks for. The data appears in one step when complete: an
    interrupted preparation leaves the source as it was, a concurrent one waits for the first.

    Args:
        name: Name of the source.
        directory: Directory of local files. Defaults to those of the Debian package, if any.
        force: Whether to replace what is prepared already.

    Returns:
        One line that says where the data is and where it came from.

    Raises:
        DataError: The source is unknown, local files are missing or damaged, the download failed or
            the data directory cannot be written.
    """
    source = find_source(name)
    if source.kind == "embedded":
        return f"{name}: embedded, nothing to prepare"
    if directory is not None and not Path(directory).is_dir():
        raise DataError(f"{directory}: no such directory, expected the files of {name} there")
    place = prepared_dir(source)
    ready = f"{name}: already prepared in {place}"
    if is_available(name) and not force:
        return ready
    try:
        with _staging(name) as staging:
            # Another process may have prepared it while this one waited.
            if is_available(name) and not force:
                return ready
            origin = _build(source, directory, staging)
            _publish(staging / name / source.version, place, staging)
    except OSError as error:
        raise DataError(f"{name} cannot be prepared in {data_dir()}: {error}") from error
    return f"{name}: prepared in {place} from {origin}"


@contextlib.contextmanager
def _staging(name):
    """An empty directory beside the prepared data, for one process at a time; removed after."""
    data_dir().mkdir(parents=True, exist_ok=True)
    with open(data_dir() / f".{name}.lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        staging = data_dir() / f".{name}.staging"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _publish(built, place, staging):
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(staging / "replaced")
    built.rename(place)


def _build(source, directory, staging):
    """Builds `source` below `staging`; returns where it came from."""
    if source.name in idx.FILES:
        local = directory or _debian_directory(source)
        if local is not None:
            _build_from_arrays(source, idx.read_published(source.name, local), staging)
            return str(local)
    elif directory is not None and source.kind != "stream":
        raise DataError(
            f"{source.name} cannot be prepared from local files, only"
            f" {', '.join(idx.FILES)} and imagenet2012 can"
        )
    if source.kind == "stream":
        _check_archives(source, directory)
    _build_by_tfds(source, directory, staging)
    return str(directory or source.url)


def _check_archives(source, directory):
    found = directory is not None and all((Path(directory) / tar).is_file() for tar in _ARCHIVES)
    if not found:
        raise DataError(
            f"{source.name} must be downloaded by hand from https://image-net.org: run"
            f" `kerasref data prepare {source.name} --from DIR` with"
            f" {' and '.join(_ARCHIVES)} in DIR"
        )


def _debian_directory(source):
    """Where Debian's package has installed the files; None without the package."""
    if source.debian_package is None or shutil.which("dpkg") is None:
        return None
    command = ["dpkg", "-L", source.debian_package]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = (Path(line) for line in listed.splitlines() if line.endswith("-images-idx3-ubyte.gz"))
    return next((path.parent for path in found if path.is_file()), None)


def _build_from_arrays(source, splits, staging):
    """Writes `splits` with TensorFlow Datasets' own builder, as if it had downloaded them."""
    import tensorflow_datasets as tfds

    class LocalFiles(tfds.builder_cls(source.name), skip_registration=True):
        name = source.name

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(*pair) for split, pair in splits.items()}

        def _generate_examples(self, images, labels):
            for index, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield index, {"image": image[..., None], "label": label}

    with _quiet(tfds):
        LocalFiles(data_dir=staging, version=source.version).download_and_prepare()


def _build_by_tfds(source, directory, staging):
    if directory is None and not _reachable(source.url):
        raise DataError(_no_data(source, f"cannot reach {source.url}"))
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(
        manual_dir=directory and os.path.abspath(directory), try_download_gcs=False
    )
    builder = tfds.builder(f"{source.name}:{source.version}", data_dir=staging)
    try:
        with _quiet(tfds):
            builder.download_and_prepare(
                download_dir=data_dir() / "downloads", download_config=config
            )
    # The downloader, its HTTP library and the builder each have errors of their own.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(_no_data(source, reason)) from error


def _no_data(source, reason):
    if source.kind == "stream":
        return f"{source.name} cannot be prepared from its archives: {reason}"
    ways = ["connect to the network"]
    if source.name in idx.FILES:
        names = ", ".join(
            f"{file.name}.gz" for pair in idx.FILES[source.name].values() for file in pair
        )
        ways.append(f"use `--from DIR` with {names} in DIR")
    if source.debian_package:
        ways.append(f"install the Debian package {source.debian_package}")
    return f"{source.name} cannot be prepared: {reason}; {', or '.join(ways)}"


def _reachable(url):
    # TensorFlow Datasets itself retries a host that is not there for minutes.
    try:
        urllib.request.urlopen(url, timeout=_CONNECT_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _quiet(tfds):
    """Keeps stdout for results, and progress bars off files and pipes."""
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    with contextlib.redirect_stdout(sys.stderr):
        yield
