"""kerasref: run the books. Keras 3 builders, experiments and checks for five texts."""

__version__ = "0.1.0"
