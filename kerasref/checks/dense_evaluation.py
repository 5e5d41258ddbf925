"""VGG slid over a whole image against VGG on crops of it (dlnotes 1.2)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref.models import VGG16, VGG19, VGGSmall
from kerasref.models.vgg import copy_weights

_CROP, _STRIDE = {"valid": 22, "same": 24}, 4


def at_training_size(seed: int, width: float = 1 / 32) -> dict[str, float]:
    """A narrow VGG19 and its fully convolutional form on one 224x224 image.

    Ledger A1.2-12, A1.2-13.

    Returns:
        `rows` and `columns` of the map of scores; `error`, the largest difference of the two
        forms' scores in units of the largest score; `rows_at_256` and `columns_at_320` of the map
        for an image of 256x320; `params_difference`.
    """
    arguments = {"width": width, "classes": 50, "classifier_activation": None}
    dense, sliding = _both(VGG19, seed, (224, 224, 3), **arguments)
    scores = keras.Model(sliding.input, sliding.get_layer("score_pool").input)
    x = _image(seed, 224, 224, 3)
    expected, larger = np.asarray(dense(x)), scores(_image(seed, 256, 320, 3)).shape
    return {
        "rows": scores(x).shape[1],
        "columns": scores(x).shape[2],
        "error": np.abs(np.asarray(sliding(x)) - expected).max() / np.abs(expected).max(),
        "rows_at_256": larger[1],
        "columns_at_320": larger[2],
        "params_difference": sliding.count_params() - dense.count_params(),
    }


def larger_image(seed: int, padding: str) -> dict[str, float]:
    """A small VGG with two poolings, slid over an image, against the crops at steps of 4 pixels.

    The convolutions of the one see beyond a crop's border what the image has there, those of the
    other the zeros of `padding="same"`. With `"valid"` neither sees beyond. Ledger A1.2-13.

    Returns:
        `positions` of the map of scores; `error`, the Euclidean distance between the average of the
        map and the mean score of the crops, relative to that of the latter; `probability_gap`, the
        largest difference between the softmax of the mean score and the mean softmax of the crops.
    """
    crop = _CROP[padding]
    arguments = {"depths": (1, 2), "filters": (8, 16), "units": (32,), "padding": padding}
    dense, sliding = _both(VGGSmall, seed, (crop, crop, 1), classifier_activation=None, **arguments)
    x = _image(seed, crop + 4 * _STRIDE, crop + 4 * _STRIDE, 1)
    places = range(0, 4 * _STRIDE + 1, _STRIDE)
    crops = np.stack(
        [np.asarray(dense(x[:, r : r + crop, c : c + crop]))[0] for r in places for c in places]
    )
    scores = keras.Model(sliding.input, sliding.get_layer("score_pool").input)
    mean = crops.mean(axis=0)
    votes = np.asarray(keras.ops.softmax(crops)).mean(axis=0)
    return {
        "positions": np.prod(scores(x).shape[1:3]),
        "error": np.linalg.norm(np.asarray(sliding(x))[0] - mean) / np.linalg.norm(mean),
        "probability_gap": np.abs(np.asarray(keras.ops.softmax(mean[None]))[0] - votes).max(),
    }


def coverage(seed: int, side: int = 512, crop: int = 224) -> dict[str, float]:
    """What votes over the corner and centre crops miss of an image of `side` x `side` pixels.

    A patch of 16x16 pixels between the crops is changed; a narrow VGG16 looks at the crops and, in
    its fully convolutional form, at the whole. Ledger A1.2-11.

    Returns:
        `missed`, the fraction of pixels in no crop; `crops_change` and `dense_change`, the
        largest change of the averaged scores in units of the largest score.
    """
    last, middle = side - crop, (side - crop) // 2
    corners = [(0, 0), (0, last), (last, 0), (last, last), (middle, middle)]
    seen = np.zeros((side, side), bool)
    for row, column in corners:
        seen[row : row + crop, column : column + crop] = True
    dense, sliding = _both(
        VGG16, seed, (crop, crop, 3), width=1 / 32, classes=50, classifier_activation=None
    )

    def votes(x):
        crops = [x[:, r : r + crop, c : c + crop] for r, c in corners]
        return np.mean([np.asarray(dense(x)) for x in crops], axis=0)

    x = _image(seed, side, side, 3)
    changed, patch = x.copy(), slice(side // 2 - 8, side // 2 + 8)
    changed[:, middle // 2 - 8 : middle // 2 + 8, patch] += 1.0
    return {
        "missed": 1 - seen.mean(),
        "crops_change": _change(votes(x), votes(changed)),
        "dense_change": _change(np.asarray(sliding(x)), np.asarray(sliding(changed))),
    }


def _change(before: np.ndarray, after: np.ndarray) -> float:
    return np.abs(after - before).max() / np.abs(before).max()


def _both(builder, seed, shape, **arguments):
    """The dense net with random weights and biases, and its fully convolutional form."""
    keras.utils.set_random_seed(seed)
    dense = builder(**arguments, input_shape=shape)
    rng = np.random.default_rng(seed)
    for weight in dense.weights:
        if weight.path.endswith("bias"):
            weight.assign(rng.normal(scale=0.02, size=weight.shape))
    sliding = builder(
        **arguments,
        head="convolutional",
        window=dense.get_layer("flatten").input.shape[1],
        input_shape=(None, None, shape[-1]),
    )
    copy_weights(dense, sliding)
    return dense, sliding


def _image(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, *shape)).astype("float32")
