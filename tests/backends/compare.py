"""Compare this process's backend with the reference that TensorFlow wrote to a directory.

python compare.py DIRECTORY

Prints a line of JSON per case as it is done: `{"case": id, "error": text}`, where the text is
empty if all is the same.
"""

import ast
import json
import sys
import traceback
from pathlib import Path

import keras
import numpy as np
from cases import TOLERANCE, Case, outputs, train


def compare(case, directory):
    file = directory / f"{case.id}.keras"
    with np.load(directory / f"{case.id}.npz") as reference:
        arrays = dict(reference)
    rebuilt = case.build()
    rebuilt.load_weights(file)
    for how, model in (("rebuilt", rebuilt), ("loaded", keras.saving.load_model(file))):
        expect(outputs(model, arrays["x"]), numbered(arrays, "output"), f"{how}: output")
    trained = numbered(arrays, "trained")
    if trained:
        expect(train(rebuilt, arrays["x"], arrays["target"]), trained, "trained: weight")


def numbered(arrays, kind):
    return [arrays[name] for name in sorted(arrays) if name.startswith(f"{kind}_")]


def expect(found, expected, what):
    for number, (ours, reference) in enumerate(zip(found, expected, strict=True)):
        scale = np.abs(reference).max()
        np.testing.assert_allclose(
            ours, reference, rtol=0, atol=TOLERANCE * scale, err_msg=f"{what} {number}"
        )


def main(directory):
    for line in (directory / "cases.txt").read_text().splitlines():
        case = Case(*ast.literal_eval(line))
        try:
            compare(case, directory)
            error = ""
        except Exception:
            error = traceback.format_exc()
        print(json.dumps({"case": case.id, "error": error}), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
