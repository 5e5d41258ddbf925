"""Tasks: what a run does. A module here is a task, found by its name; `_` marks shared parts.

A task has `Config` (a pydantic model), `RESULTS_VERSION` (raised when a change to the code changes
results, so that old runs no longer count) and `run(config, context) -> metrics`. Modules import
TensorFlow and Keras only inside functions, so that listing and validating stay fast.
"""
