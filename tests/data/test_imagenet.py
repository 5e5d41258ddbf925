import numpy as np
import pytest

from kerasref.data import DataError

tf = pytest.importorskip("tensorflow")
TRAIN, TEST = 23, 11


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A prepared data set with ImageNet's name, version and features; labels number the images."""
    import tensorflow_datasets as tfds

    class Tiny(tfds.builder_cls("imagenet2012"), skip_registration=True):
        name = "imagenet2012"

        def _split_generators(self, dl_manager):
            return {"train": self._tiny(TRAIN), "validation": self._tiny(TEST)}

        def _tiny(self, count):
            for label in range(count):
                # A smooth picture, wide or high, that is not its own mirror image.
                height, width = (40, 60) if label % 2 else (70, 50)
                rows, columns = np.mgrid[:height, :width]
                picture = np.stack([rows * 3, columns * 3, rows * 0 + label * 10], -1)
                image = {"image": picture.astype("uint8"), "label": label, "file_name": f"{label}"}
                yield label, image

    directory = tmp_path_factory.mktemp("imagenet")
    Tiny(data_dir=directory).download_and_prepare()
    return directory


@pytest.fixture
def pipeline(home, monkeypatch):
    monkeypatch.setenv("KERASREF_DATA", str(home))

    def make(split, batch_size, **options):
        from kerasref.data.imagenet import ImageNetPipeline

        options = {"seed": 3, "image_size": 24, "resize": 32, "shuffle_buffer": 8, **options}
        return ImageNetPipeline(split, batch_size, **options)

    return make


def epoch(pipeline, number=0, workers=1, replicas=1):
    """Arrays `(steps, batch_size, ...)` of one epoch, put together from all input pipelines."""
    parts = []
    for worker in range(workers):
        context = tf.distribute.InputContext(workers, worker, replicas)
        local = replicas // workers
        batches = list(pipeline.dataset(number, context).take(pipeline.steps * local))
        arrays = [np.stack([batch[i] for batch in batches]) for i in range(3)]
        parts.append([a.reshape(pipeline.steps, -1, *a.shape[2:]) for a in arrays])
    return [np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)]


def test_an_evaluation_epoch_has_every_image_once_with_weight(pipeline):
    test = pipeline("test", 4)
    x, y, weight = epoch(test)
    assert test.steps == 3
    assert x.shape == (3, 4, 24, 24, 3)
    assert (x.dtype, y.dtype, weight.dtype) == ("float32", "int32", "float32")
    assert sorted(y[weight == 1]) == list(range(TEST))
    assert weight.ravel().tolist() == [1.0] * 11 + [0.0]


def test_a_training_epoch_has_different_images_in_an_order_of_its_own(pipeline):
    train = pipeline("train", 4)
    assert train.steps == 5
    first, second = (epoch(train, number)[1].ravel().tolist() for number in (0, 1))
    assert len(set(first)) == len(set(second)) == 20
    assert first != second
    assert first != sorted(first)


def test_the_same_seed_and_epoch_give_the_same_bytes(pipeline):
    first, again = (epoch(pipeline("train", 4), 2) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first[1], epoch(pipeline("train", 4, seed=4), 2)[1])


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("workers", "replicas"), [(1, 2), (2, 2), (2, 4)])
def test_global_batches_do_not_depend_on_workers_and_replicas(pipeline, split, workers, replicas):
    alone = epoch(pipeline(split, 4), 1)
    together = epoch(pipeline(split, 4), 1, workers, replicas)
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, many)


def test_evaluation_takes_the_centre_of_the_resized_image(pipeline):
    x, y, _ = epoch(pipeline("test", 1, scale="raw"))
    wide = x[y.ravel() == 1][0, 0]
    # 40 x 60 becomes 32 x 48; its centre is the centre of the original, (19.5, 29.5), and a step
    # of one pixel there is 1.25 pixels of the original. JPEG moves values a little.
    assert wide[..., 0].mean() == pytest.approx(3 * 19.5, abs=1.5)
    assert wide[..., 1].mean() == pytest.approx(3 * 29.5, abs=1.5)
    assert np.diff(wide[..., 1].mean(0)).mean() == pytest.approx(3.75, abs=0.1)


def test_training_crops_and_mirrors(pipeline):
    crops = [epoch(pipeline("train", 1, scale="raw"), number) for number in range(6)]
    wide = np.concatenate([x[y % 2 == 1] for x, y, _ in crops])
    slopes = np.diff(wide[..., 1].mean(1), axis=1).mean(1)
    mirrored = (slopes < 0).mean()
    # 66 images; outside these bounds with probability 1e-4 for a fair coin, here by a fixed seed.
    assert 0.25 < mirrored < 0.75
    assert np.abs(slopes) == pytest.approx(3.75, abs=0.15)
    # A crop of 24 from 32 x 48 begins in one of 9 rows and one of 25 columns.
    assert np.ptp(wide[..., 0].mean((1, 2))) > 15
    assert np.ptp(wide[..., 1].mean((1, 2))) > 40


def test_training_draws_the_length_of_the_shorter_side(pipeline):
    jitter = {"scale": "raw", "resize": (24, 48), "flip": False}
    crops = [epoch(pipeline("train", 1, **jitter), number) for number in range(6)]
    wide = np.concatenate([x[y % 2 == 1] for x, y, _ in crops])
    # One pixel of an image resized to length s is 40 / s pixels of the original, worth 3 each.
    lengths = 120 / np.diff(wide[..., 1].mean(1), axis=1).mean(1)
    assert lengths.min() == pytest.approx(24, abs=3)  # JPEG moves values a little
    assert lengths.max() == pytest.approx(48, abs=3)
    assert len(np.unique(np.rint(lengths))) > 10
    again = epoch(pipeline("train", 1, **jitter), 5)[0]
    np.testing.assert_array_equal(crops[5][0], again)


def test_one_image_is_augmented_anew_in_each_epoch(pipeline):
    pictures = []
    for number in range(3):
        x, y, _ = epoch(pipeline("train", 1), number)
        pictures.append(x[y.ravel() == 5][0])
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_scales(pipeline):
    raw = epoch(pipeline("test", 4, scale="raw"))[0]
    assert raw.max() > 100
    mean, std = (124.0, 116.0, 104.0), (58.0, 57.0, 57.0)
    standard = epoch(pipeline("test", 4, scale="standard", mean=mean, std=std))[0]
    for found, expected in (
        (epoch(pipeline("test", 4))[0], raw / 255),
        (epoch(pipeline("test", 4, scale="signed"))[0], raw / 127.5 - 1),
        (standard, (raw - np.array(mean)) / np.array(std)),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_fingerprint_belongs_to_the_prepared_data(pipeline):
    assert pipeline("train", 2).fingerprint == pipeline("test", 4).fingerprint


def test_an_epoch_goes_on_from_its_beginning(pipeline):
    """The loop asks for no end; what follows the last batch is the first."""
    train = pipeline("train", 10)
    context = tf.distribute.InputContext(1, 0, 1)
    labels = [y.numpy().tolist() for _, y, _ in train.dataset(0, context).take(3)]
    assert labels[2] == labels[0] != labels[1]


@pytest.mark.parametrize(
    ("split", "batch_size", "options", "said"),
    [
        ("validation", 4, {}, "split='validation': expected one of train, test"),
        ("train", 24, {}, "batch_size=24: expected 1 to 23"),
        ("test", 0, {}, "batch_size=0: expected 1"),
        ("test", 4, {"image_size": 64}, "image_size=64: expected 1 to resize=32"),
        ("train", 4, {"resize": (32, 30)}, "image_size=24"),
        ("test", 4, {"resize": (32, 48)}, "only training draws a length"),
        ("test", 4, {"scale": "log"}, "unknown scale 'log'"),
        ("test", 4, {"scale": "standard"}, "needs mean and std"),
    ],
)
def test_bad_arguments_are_refused(pipeline, split, batch_size, options, said):
    with pytest.raises(ValueError, match=said):
        pipeline(split, batch_size, **options)


def test_a_batch_that_cannot_be_divided_is_refused(pipeline):
    with pytest.raises(ValueError, match="batch_size=5 cannot be divided among 2 replicas"):
        pipeline("test", 5).dataset(0, tf.distribute.InputContext(1, 0, 2))


def test_unprepared_imagenet_says_how_to_prepare_it(pipeline, monkeypatch, tmp_path):
    monkeypatch.setenv("KERASREF_DATA", str(tmp_path))
    with pytest.raises(DataError, match="run `kerasref data prepare imagenet2012`"):
        pipeline("train", 4)
