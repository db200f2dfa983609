"""All parts in one network under Lava's own run configuration, in both arithmetics, beside stock Processes."""

import numpy as np
import pytest

import lava_nbp
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import (
    ErrorNeurons,
    Gate,
    GatedLIF,
    HebbianDense,
    RelayMemory,
    SpikeRaster,
    SurrogateReLU,
    SynfireChain,
)

from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF


def network():
    """A layer that is taught: input -> plastic synapses -> surrogate layer -> error, and a memory of the input."""
    chain = SynfireChain(5, ring=False, autostart=True, name="chain")
    pixels = Source(data=np.array([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]))
    target = Source(data=np.array([[0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]))
    x = GatedLIF((3,), gates=[Gate(0)], n_gates=5)
    kept = RelayMemory((3,), delays=1, gates=[Gate(2)], n_gates=5)
    synapses = HebbianDense([[200, 254], [200, 254], [0, 0]], rule="2*r*x0*y0", third=(0, 0, 0, 1, 0))
    gates = {"s": [Gate(1)], "lo": [Gate(1, 9216)], "hi": [Gate(1, 8192)]}
    layer = SurrogateReLU((2,), gates=gates, n_gates=5)
    error = ErrorNeurons((2,))
    dense, lif = Dense(weights=np.eye(2) * 100), LIF(shape=(2,), du=4095, dv=4095, vth=50)
    raster = SpikeRaster(
        {p: (n,) for p, n in {"x": 3, "kept": 3, "s": 2, "lo": 2, "pos": 2, "neg": 2, "lif": 2}.items()}, steps=5
    )
    for part in (x, kept, layer):
        chain.s_out.connect(part.gate_in)
    chain.s_out.connect(synapses.third_in)
    pixels.s_out.connect(x.s_in)
    x.s_out.connect(kept.s_in)
    x.s_out.connect(synapses.s_in)
    synapses.a_out.connect(layer.a_in)
    for copy in ("s", "lo", "hi"):
        getattr(layer, f"{copy}_out").connect(getattr(error, f"{copy}_in"))
    layer.s_out.connect(synapses.post_in)
    target.s_out.connect(error.t_in)
    error.pos_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    for name, port in {"x": x.s_out, "kept": kept.s_out, "s": layer.s_out, "lo": layer.lo_out, "pos": error.pos_out,
                       "neg": error.neg_out, "lif": lif.s_out}.items():  # fmt: skip
        port.connect(getattr(raster, f"{name}_in"))
    return raster


#: By hand: x in step 2; 400 and 508 in step 3, so only lo; the error of the first output in step 4; the memory,
#: filled in step 2 + 1 delayed by one, opens in step 4; the stock LIF hears of the error a step later.
EXPECTED = {
    "x": {2: [1, 1, 0]},
    "kept": {4: [1, 1, 0]},
    "s": {},
    "lo": {3: [1, 1]},
    "pos": {4: [1, 0]},
    "neg": {},
    "lif": {5: [1, 0]},
}


@pytest.mark.filterwarnings("error:Cannot import module")
@pytest.mark.parametrize(
    "config",
    [
        Loihi2SimCfg(select_tag="fixed_pt"),
        Loihi2SimCfg(select_tag="floating_pt"),
        lava_nbp.run_config("lava"),
        lava_nbp.run_config("lava", tag="floating_pt"),
    ],
    ids=["plain fixed", "plain float", "fixed", "float"],
)
def test_all_parts_by_hand(config, in_process):
    raster = network()
    with LavaRuntime(raster, config, timeout=60, in_process=in_process) as runtime:
        runtime.run(5)
    for name, rows in raster.spikes.items():
        expected = np.zeros_like(rows)
        for step, spikes in EXPECTED[name].items():
            expected[step - 1] = spikes
        assert np.array_equal(rows, expected), name
