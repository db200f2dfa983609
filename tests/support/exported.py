"""Running exported networks in executors that share no code with the library: Norse, and lava-dl on Lava."""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np


def run_norse(path: Path, x: np.ndarray, dt: float, voltages: str = "") -> np.ndarray:
    """Output spikes (steps, samples, n_out) of a NIR file for x (steps, samples, n_in); dt in ms.

    Norse has no CubaLI. `voltages` names such a node: it becomes a CubaLIF with a threshold out of reach, and what is
    returned are its voltages.
    """
    import nir
    import torch

    graph = nir.read(path)
    if voltages:
        node = graph.nodes[voltages]
        values = {key: getattr(node, key) for key in ("tau_syn", "tau_mem", "r", "v_leak", "w_in")}
        graph.nodes[voltages] = nir.CubaLIF(**values, v_threshold=np.full_like(node.v_leak, 1e9))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Norse's own
        import norse.torch

        network = norse.torch.from_nir(graph, dt=dt / 1000, ignore_warnings=True)
    state, out = None, []
    with torch.no_grad():
        for spikes in x:
            y, state = network(torch.as_tensor(spikes, dtype=torch.float32), state)
            out.append((state.state[voltages][0][1].v if voltages else y).numpy().copy())
    return np.array(out)


def run_netx(path: Path, x: np.ndarray, **options) -> np.ndarray:
    """Output spikes (steps, n_out) of a netx file on Lava for x (steps, n_in)."""
    import lava_nbp
    from lava_nbp.on_lava.runtime import LavaRuntime

    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    with contextlib.ExitStack() as quiet:
        quiet.enter_context(contextlib.redirect_stdout(io.StringIO()))
        quiet.enter_context(contextlib.redirect_stderr(io.StringIO()))
        quiet.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # lava-dl's own
        from lava.lib.dl.netx.hdf5 import Network

    network = Network(net_config=str(path), **options)
    late = len(network)  # a step for every Dense
    data = np.vstack([x, np.zeros((late, x.shape[1]), dtype=int)]).T
    source = Source(data=np.ascontiguousarray(data.astype(int)))
    sink = Sink(shape=network.out.shape, buffer=data.shape[1])
    source.s_out.connect(network.inp)
    network.out.connect(sink.a_in)
    with LavaRuntime(source, lava_nbp.run_config("lava"), timeout=60) as runtime:
        runtime.run(data.shape[1])
        return sink.data.get().T[late:].astype(int)


def first_steps(spikes: np.ndarray) -> np.ndarray:
    """Step of the first spike (samples, n_out) of (steps, samples, n_out); the number of steps: silent."""
    return np.where(spikes.any(axis=0), spikes.argmax(axis=0), len(spikes))


def lif_in_integers(layers, x, decays):
    """Lava's LIF, written out from its documentation.

    Layers with mantissas (post, pre), recurrent ones or None, a threshold, and delays (post, pre) in steps or None; x
    (steps, n_in); decays (of u, of v), or such a pair for every layer.
    """
    spikes = x.astype(np.int64)
    for k, layer in enumerate(layers):
        keep_u, keep_v = 4096 - np.array(decays if np.ndim(decays) == 1 else decays[k])
        w, recurrent, n = layer.mantissas, layer.recurrent, len(layer.mantissas)
        coming = np.zeros((len(spikes) + 63, n), np.int64)
        for step, source in zip(*np.nonzero(spikes), strict=True):
            for j in range(n):
                coming[step + (0 if layer.delays is None else layer.delays[j, source]), j] += w[j, source]
        u, v, out = np.zeros(n, np.int64), np.zeros(n, np.int64), []
        for arrived in coming[: len(spikes)]:
            own = recurrent @ out[-1] if out and recurrent is not None else 0
            u = np.sign(u) * (np.abs(u) * keep_u // 4096) + 64 * (arrived + own)
            v = np.sign(v) * (np.abs(v) * keep_v // 4096) + u
            fires = v > 64 * layer.threshold
            v[fires] = 0
            out.append(fires.astype(np.int64))
        spikes = np.array(out)
    return spikes
