"""The same bits on every Python and NumPy: small trainings end with weights that are written down here."""

import hashlib
import json

import numpy as np
import pytest
from experiments import DIGITS, YINYANG, trained
from ways import in_ways

#: Of Python 3.10.13 and NumPy 1.26.4. Whoever changes what is learned writes them anew; a Python never does.
WEIGHTS = {
    "sample": "1972c347490277446ec1b3df0ac1ac67eba2806f1a6e0277031e448b50e82741",
    "lava": "1972c347490277446ec1b3df0ac1ac67eba2806f1a6e0277031e448b50e82741",
    "clocked": "5036a4f570ef15fab5e10e53d3d4bea9f9bf22dea1bdd3434baa92a4df28ca48",
}


def digest(weights):
    """Names, shapes and whole numbers, whatever type holds them."""
    found = hashlib.sha256()
    for name in sorted(weights):
        whole = np.asarray(weights[name])
        assert np.issubdtype(whole.dtype, np.integer)
        found.update(json.dumps([name, whole.shape]).encode())
        found.update(whole.astype("<i8").tobytes())
    return found.hexdigest()


@pytest.mark.parametrize(("target", "way"), in_ways(WEIGHTS), indirect=["way"])
def test_a_training_ends_with_the_same_weights_everywhere(target, way, tmp_path, monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    run = trained(tmp_path, YINYANG if target == "clocked" else DIGITS, f"target={target}")
    assert digest(run.state.weights) == WEIGHTS[target]
