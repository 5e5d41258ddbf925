"""Making named builders from a generic one."""

import inspect

import keras
import pytest

from kerasref.models import building

PROVENANCE = building.Provenance("Someone 2000.", ("M1-1",), "its table 1", ("Smaller.",))


def family(common, *, rate=0.1, blocks):
    """Generic family.

    Args:
        rate: of something,
            on two lines.
        blocks: numbers.

    Raises:
        ValueError: never.
    """
    return common, rate, blocks


Deep = building.variant(
    family, "Deep", "A deep one.", PROVENANCE, fixed={"blocks": (3, 4)}, rate=0.5, classes=7
)


def test_signature_shows_the_variants_own_defaults_and_hides_what_is_fixed():
    parameters = inspect.signature(Deep).parameters
    assert list(parameters)[:3] == ["include_top", "weights", "input_tensor"]
    assert "blocks" not in parameters
    assert parameters["name"].default == "deep"
    assert parameters["classes"].default == 7
    assert parameters["rate"].default == 0.5
    assert parameters["rate"].kind is inspect.Parameter.KEYWORD_ONLY


def test_calls_reach_the_generic_builder():
    assert Deep() == (building.Common(classes=7, name="deep"), 0.5, (3, 4))
    without_top = building.Common(include_top=False, classes=7, name="deep")
    assert Deep(False, rate=0.2) == (without_top, 0.2, (3, 4))


def test_docstring_names_source_deviations_and_offered_arguments_only():
    doc = inspect.getdoc(Deep)
    assert doc.startswith("A deep one.\n\nReference: Someone 2000. Ledger: M1-1.")
    assert "    - Smaller." in doc
    assert "    include_top: whether" in doc
    assert "    rate: of something,\n        on two lines." in doc
    assert "blocks" not in doc
    assert doc.rstrip().endswith("ValueError: never.")


def small_family(common, *, size=2, **options):
    """A small one.

    Args:
        size: of it.
        options: of `family`.

    Raises:
        ValueError: sometimes.
    """
    return family(common, blocks=size, **options)


def test_arguments_that_are_passed_on_are_offered_by_name():
    small = building.variant(
        small_family, "Small", "Small.", PROVENANCE, takes=(family, "rate"), rate=0.7
    )
    assert list(inspect.signature(small).parameters)[-2:] == ["size", "rate"]
    assert small()[1:] == (0.7, 2)
    assert small(rate=0.2, size=3)[1:] == (0.2, 3)
    doc = inspect.getdoc(small)
    assert "    size: of it.\n    rate: of something,\n        on two lines." in doc
    assert "options" not in doc
    assert doc.rstrip().endswith("ValueError: sometimes.")
    with pytest.raises(TypeError, match="'blocks'"):
        small(blocks=3)


@pytest.mark.parametrize("arguments", [{"blocks": 1}, {"rat": 1}])
def test_what_is_not_offered_is_refused(arguments):
    with pytest.raises(TypeError, match=rf"Deep\(\).*'{next(iter(arguments))}'"):
        Deep(**arguments)


def test_a_variant_of_arguments_that_do_not_exist_is_refused():
    with pytest.raises(TypeError, match="no argument 'rte'"):
        building.variant(family, "Wrong", "Wrong.", PROVENANCE, fixed={"blocks": ()}, rte=1)


@pytest.mark.parametrize(
    "windows",
    [
        [(3, 2, "valid")],
        [(11, 4, "valid"), (3, 2, "valid"), (5, 1, "same"), (3, 2, "valid")],
        [(7, 2, "same"), (3, 2, "valid"), (2, 2, "same")],
    ],
)
def test_minimum_size_is_the_least_that_keras_accepts(windows):
    def output(side):
        x = keras.Input((side, side, 1))
        for size, stride, padding in windows:
            x = keras.layers.MaxPooling2D(size, stride, padding)(x)
        return x.shape[1]

    least = building.minimum_size(windows)
    assert output(least) == 1
    if least > 1:
        with pytest.raises(ValueError, match=r"negative|size"):
            output(least - 1)


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels_last"):
            building.Common().start(default=(8, 8, 1), minimum=1)
    finally:
        keras.config.set_image_data_format("channels_last")
