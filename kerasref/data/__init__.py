"""Data sources by name: what exists, whether it is here, how to get it, and the arrays.

Listing and availability need neither TensorFlow nor numpy; `load` and `prepare` are imported on
first use.
"""

from importlib import import_module

from kerasref.data.errors import DataError
from kerasref.data.sources import SOURCES, Source, data_dir, find_source, is_available, listing

_LAZY = {"ImageData": "images", "load": "images", "prepare": "preparation"}

__all__ = [
    "SOURCES",
    "DataError",
    "ImageData",
    "Source",
    "data_dir",
    "find_source",
    "is_available",
    "listing",
    "load",
    "prepare",
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
