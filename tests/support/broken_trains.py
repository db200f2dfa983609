"""Trains made by hand that no engine may run."""

import numpy as np

from lava_nbp.eventprop.trains import SpikeTrains

GOOD = SpikeTrains(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 0]), np.array([0, 2, 3]))

#: Trains made by hand that are none, and what is said of them.
BROKEN = [
    (
        SpikeTrains([1.0], [0], [0, 2]),
        r"offsets of the trains are \[0, 2\], but must begin with 0 and end with the number",
    ),
    (SpikeTrains([1.0], [0], [1, 1]), r"offsets of the trains are \[1, 1\]"),
    (SpikeTrains([1.0], [0], []), r"offsets of the trains are \[\]"),
    (
        SpikeTrains([1.0], [0], [0, 10**9, 1]),
        "sample [01] has the spikes .*1000000000 .*the last not., but there are 1",
    ),
    (SpikeTrains([1.0], [0], [0, -5, 1]), "sample 0 has the spikes 0 .. -5"),
    (SpikeTrains([1.0], [0, 1], [0, 1]), "trains have 1 times and 2 sources"),
    (SpikeTrains([1.0], [0.0], [0, 1]), "sources of the trains have dtype float64, but must be integers"),
    (SpikeTrains([1.0], [True], [0, 1]), "sources of the trains have dtype bool"),
    (SpikeTrains([1.0 + 0j], [0], [0, 1]), "times of the trains have dtype complex128, but must be real numbers"),
    (SpikeTrains([True], [0], [0, 1]), "times of the trains have dtype bool"),
    (SpikeTrains(["1"], [0], [0, 1]), "times of the trains has dtype"),
    (SpikeTrains([[1.0]], [0], [0, 1]), r"times of the trains have shape \(1, 1\)"),
    (SpikeTrains([[1.0], [1.0, 2.0]], [0], [0, 1]), "times of the trains cannot be made an array"),
    (SpikeTrains(None, [0], [0, 1]), "times of the trains has dtype object"),
]

#: The same of what only a network of two inputs, and trials of 60 ms, can refuse.
UNFIT = [
    (
        SpikeTrains([1.0], [10**9], [0, 1]),
        "spike of input 1000000000, but the network has inputs 0 .. 1; make the trains",
    ),
    (SpikeTrains([1.0], [-1], [0, 1]), "spike of input -1, but the network has inputs 0 .. 1"),
    (SpikeTrains([2.0, 1.0], [0, 0], [0, 2]), "sample 0: input spike at 1.0 ms comes after one at 2.0 ms, but"),
    (SpikeTrains([np.nan], [0], [0, 1]), "sample 0: input spike at nan ms, but the trial lasts from 0 to 60.0 ms"),
    (SpikeTrains([-1.0], [0], [0, 1]), "sample 0: input spike at -1.0 ms"),
    (SpikeTrains([60.5], [0], [0, 1]), "sample 0: input spike at 60.5 ms"),
    (SpikeTrains([np.inf], [0], [0, 1]), "sample 0: input spike at inf ms"),
    (None, "trains is None, but must be a SpikeTrains"),
    (([1.0], [0], [0, 1]), "trains is .*, but must be a SpikeTrains"),
]
