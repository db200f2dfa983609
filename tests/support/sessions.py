"""What a network on Lava has done, compared with the spiking engine."""

import numpy as np


def assert_same(session, engine, found, outcome, raster=None):
    """Answers, every weight of every projection and, with the engine's raster, every spike of every population."""
    if raster is not None:
        kept = session.network.split(session.sink.raster)
        for name, rows in engine.split(raster).items():
            assert np.array_equal(kept[name], rows), name
    assert np.array_equal(found.spikes, outcome.spikes)
    assert np.array_equal(found.membrane, outcome.membrane)
    for name, w in session.network.read_projections().items():
        assert np.array_equal(w, engine.projections.arrays[name]), name
