"""Run a small Lava network: arrays in, what comes out of ports."""

import numpy as np

import lava_nbp
from lava_nbp.on_lava.runtime import LavaRuntime

from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def feed(process, inputs, outputs, steps=None, config=None, timeout=30, extra=()):
    """Send inputs {port: (steps, *shape)} step by step; return {port: (steps, *shape)} of the outputs.

    The stock source and sink of Lava are at both ends. `extra` are further (process, port, rows).
    """
    sinks = {}
    for receiver, port, rows in [*((process, *item) for item in inputs.items()), *extra]:
        rows = np.asarray(rows)
        steps = steps or len(rows)
        silent = np.zeros((max(0, steps - len(rows)), *rows.shape[1:]), rows.dtype)
        source = Source(data=np.moveaxis(np.concatenate([rows, silent]), 0, -1))
        source.s_out.connect(getattr(receiver, port))
    for port in outputs:
        out = getattr(process, port)
        sinks[port] = Sink(shape=out.shape, buffer=steps)
        out.connect(sinks[port].a_in)
    with LavaRuntime(process, config or lava_nbp.run_config("lava"), timeout) as runtime:
        runtime.run(steps)
        return {port: np.moveaxis(sink.data.get(), -1, 0) for port, sink in sinks.items()}
