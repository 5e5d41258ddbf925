"""Errors of data sources."""


class DataError(ValueError):
    """Data that is missing, damaged or not what its name says; one line, naming the file."""
