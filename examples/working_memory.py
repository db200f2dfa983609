"""A synfire-gated working memory with two readers, made of the library's parts and Lava's stock Processes.

A vector is written, kept alive by going round once per cycle of the clock, read out to one of
two places, partly forgotten, and read out to the other. Nothing here is the paper's network.

    clock      SynfireChain: four phases, for ever
    memory     GatedLIF that relays to itself: its spikes come back four steps later, when its gate opens again
    reader_a/b GatedLIF opened by a command: the router
    lif        Lava's stock LIF behind a stock Dense, counting what reader_b gets

Run it: ``python examples/working_memory.py working_memory.png``
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from lava_nbp import LavaRuntime, spike_raster
from lava_nbp.processes import Gate, GatedLIF, SpikeRaster, Synapses, SynfireChain

from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF

PERIOD, CYCLES, SIZE = 4, 7, 16
PATTERN = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0])
FORGET = np.array([1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])


def command(cycle: int, phase: int, vector: np.ndarray) -> np.ndarray:
    """Spikes for a stock source: `vector` in one step, (size, steps)."""
    rows = np.zeros((len(vector), PERIOD * CYCLES), int)
    rows[:, cycle * PERIOD + phase] = vector
    return rows


def build() -> SpikeRaster:
    """Connect the network; the raster records it."""
    clock = SynfireChain(PERIOD, autostart=True)
    # What arrives in phase 0, or was sent there by the memory itself, fires in phase 1. A spike that
    # is to be forgotten is cancelled one to one.
    memory = GatedLIF(
        (SIZE,),
        gates=[Gate(0)],
        n_gates=PERIOD,
        synapses=[Synapses("write_in", "s"), Synapses("forget_in", "s", -520), Synapses("s", "s", delay=PERIOD - 1)],
    )
    # The memory fires in phase 1, so a command in phase 1 opens a reader when its spikes arrive.
    readers = [GatedLIF((SIZE,), gates=[Gate(k)], n_gates=2) for k in range(2)]
    count, lif = Dense(weights=np.full((1, SIZE), 10)), LIF(shape=(1,), du=4095, dv=4095, vth=35)
    raster = SpikeRaster(
        {"clock": (PERIOD,), "memory": (SIZE,), "reader_a": (SIZE,), "reader_b": (SIZE,), "lif": (1,)},
        steps=PERIOD * CYCLES,
    )

    write = Source(data=command(0, 0, PATTERN))
    forget = Source(data=command(4, 0, FORGET))
    read = Source(data=command(2, 1, np.array([1, 0])) + command(5, 1, np.array([0, 1])))

    clock.s_out.connect(memory.gate_in)
    write.s_out.connect(memory.write_in)
    forget.s_out.connect(memory.forget_in)
    for reader, name in zip(readers, "ab", strict=True):
        memory.s_out.connect(reader.s_in)
        read.s_out.connect(reader.gate_in)
        reader.s_out.connect(getattr(raster, f"reader_{name}_in"))
    readers[1].s_out.connect(count.s_in)
    count.a_out.connect(lif.a_in)
    clock.s_out.connect(raster.clock_in)
    memory.s_out.connect(raster.memory_in)
    lif.s_out.connect(raster.lif_in)
    return raster


def main(figure: Path) -> dict[str, np.ndarray]:
    """Run the network, draw its spikes, and return them."""
    raster = build()
    with LavaRuntime(raster, timeout=60) as runtime:
        runtime.run(PERIOD * CYCLES)
    title = "written in cycle 1, read by a in 3, partly forgotten in 5, read by b in 6"
    spike_raster(raster.spikes, figure, PERIOD, title)
    return raster.spikes


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "working_memory.png"))
