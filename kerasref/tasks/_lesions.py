"""Errors of a trained network with parts taken out or exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasref.harness.errors import ConfigError
from kerasref.tasks._inputs import one_pass

_DRAWS = 5


def check(model: Any, numbers: Sequence[int], swaps: int) -> None:
    """Raises ConfigError where `model` lacks the parts to take out or to exchange."""
    from kerasref.analysis import lesions

    there = len(lesions.parts(model))
    if there < max(numbers, default=1):
        message = f"{model.name} has {there} parts to take out"
        raise ConfigError(message, ("probes", "lesions"))
    if swaps and not lesions.exchangeable(model):
        raise ConfigError(f"{model.name} has no two parts of equal shape", ("probes", "swaps"))


def measure(
    model: Any, test: Any, numbers: Sequence[int], swaps: int, examples: int
) -> dict[str, float]:
    """Test errors of `model` after lesions.

    Metrics, of the first `examples` test images: `intact_error`; for each n of `numbers`,
    `lesion_<n>_error`, the mean over draws of n parts (every part once for n = 1, else 5 draws),
    and `lesion_<n>_rise`, how much that is above the intact error; for n = 1 also
    `<part>.lesion_error` and `lesion_1_worst`; `swap_error` and `swap_rise`, the mean over up to
    `swaps` pairs of parts that are exchanged.

    The draws are the same for every seed of a run. Ledger A1.4-11 (Veit et al. 2016, section 4).

    Args:
        model: trained ResNet of `kerasref.models`, or its plain counterpart.
        test: pipeline of the test set.
        numbers: how many parts to take out at once.
        swaps: how many pairs to exchange.
        examples: number of test images.
    """
    import numpy as np

    from kerasref.analysis import lesions

    images, labels = _labelled(test, examples)
    rng = np.random.default_rng(0)
    names = list(lesions.parts(model))

    def error() -> float:
        scores = model.predict_on_batch(images)
        return float(np.mean(scores.argmax(axis=-1) != labels))

    intact = error()
    found = {"intact_error": intact}
    for number in numbers:
        draws = (
            [(name,) for name in names]
            if number == 1
            else [rng.choice(names, number, replace=False) for _ in range(_DRAWS)]
        )
        errors = []
        for draw in draws:
            with lesions.without(model, draw):
                errors.append(error())
        if number == 1:
            found |= {
                f"{name}.lesion_error": each for name, each in zip(names, errors, strict=True)
            }
            found["lesion_1_worst"] = max(errors)
        found[f"lesion_{number}_error"] = float(np.mean(errors))
        found[f"lesion_{number}_rise"] = float(np.mean(errors)) - intact
    if swaps:
        pairs = lesions.exchangeable(model)
        errors = []
        for place in rng.permutation(len(pairs))[:swaps]:
            with lesions.swapped(model, *pairs[place]):
                errors.append(error())
        found["swap_error"] = float(np.mean(errors))
        found["swap_rise"] = found["swap_error"] - intact
    return found


def _labelled(test: Any, examples: int) -> tuple[Any, Any]:
    import numpy as np

    images, labels = [], []
    for x, y, weight in one_pass(test):
        real = weight.numpy() > 0
        images.append(x.numpy()[real])
        labels.append(y.numpy()[real])
        if sum(map(len, labels)) >= examples:
            break
    return np.concatenate(images)[:examples], np.concatenate(labels)[:examples]
