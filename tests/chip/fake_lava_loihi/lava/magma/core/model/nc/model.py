"""The base of models for neurocores: allocates on a recorded core, then runs what was allocated."""

import json
import os

import numpy as np

from lava.magma.core.model.nc.net import NetL2, SynView
from lava.magma.core.model.py.model import PyLoihiProcessModel


def journal(process, call, **details):
    path = os.environ.get("FAKE_LOIHI_JOURNAL")
    if path:
        plain = {
            k: np.asarray(v).tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in details.items()
        }
        with open(path, "a") as file:  # one write per line: children append side by side
            file.write(json.dumps({"process": process, "call": call, **plain}) + "\n")


class AbstractNcProcessModel(PyLoihiProcessModel):
    def start(self):
        self.net = NetL2(lambda call, **details: journal(type(self).__name__, call, **details))
        self.allocate(self.net)
        self.prepare()
        super().start()

    def prepare(self):
        """What was allocated, as arrays that a step needs."""
        self.now = 0
        self.synapses = [
            (syn, view) for syn in self.net.made["syn"] for view in syn.targets if isinstance(view, SynView)
        ]
        for neurons in self.net.made["neurons"]:
            config = next(t for t in neurons.targets if t.kind == "neurons_cfg")
            n = neurons.size
            neurons.state = {
                "v": np.zeros(n, np.int64) + neurons.args["v"],
                "silent": np.zeros(n, np.int64),
                "arriving": np.zeros((64, n), np.int64),
                **config.args,
                "bias": neurons.args["bias"],
            }

    def run_spk(self):
        weighted, third = {}, None
        for port in self.py_ports:
            for node in getattr(port, "nodes", []):
                if node.kind == "neurons":
                    value = port.recv_once(self.now)
                    if "third_factor" in port.label:
                        third = value
                    else:
                        weighted[node] = weighted.get(node, 0) + value.ravel()
        fired = {}
        for neurons in self.net.made["neurons"]:
            fired[neurons] = spikes = self._neurons(neurons, weighted.get(neurons, 0))
            for target in neurons.targets:
                self._send(target, neurons, spikes, third)
        for neurons, spikes in fired.items():
            for axon in (t for t in neurons.targets if getattr(t, "kind", "") == "ax_out"):
                for target in axon.targets:
                    if getattr(target, "kind", "") == "ax_in":
                        self._deliver(target, spikes)
        for port in self.py_ports:
            for node in getattr(port, "nodes", []):
                if node.kind == "ax_in":
                    self._deliver(node, port.recv_once(self.now).ravel())
        self.now += 1

    def _neurons(self, neurons, weighted):
        s = neurons.state
        slot = self.now % 64
        u = 64 * (s["arriving"][slot] + weighted)
        u = (1 << 23) - ((1 << 23) - u) % (1 << 24)
        s["arriving"][slot] = 0
        v = np.clip(s["v"] * s["dv"] // 4096 + u + s["bias"], -(2**23) + 1, 2**23 - 1)
        spikes = (v > s["vth"]) & (s["silent"] == 0)
        s["silent"] = np.where(spikes, s["refractory"] - 1, np.maximum(s["silent"] - 1, 0))
        s["v"] = np.where(spikes, 0, v)
        return spikes.astype(np.int32)

    def _send(self, target, neurons, spikes, third):
        label = getattr(target, "label", "")
        if getattr(target, "kind", "") == "ax_out":
            for port in target.targets:
                if getattr(port, "kind", "") != "ax_in":
                    port.send(spikes.reshape(port._shape))
        elif label.endswith("bap"):
            target.send(spikes)
        elif label.endswith("y3"):
            target.send(third.astype(np.int32))
        elif label:
            target.send(np.zeros_like(spikes))

    def _deliver(self, axon, spikes):
        for source, dend_acc in axon.routes():
            syn, src, dst = source.syn, source.index, dend_acc.index
            config = next(t for t in syn.targets if getattr(t, "kind", "") == "syn_cfg")
            weights = syn.args["weights"].astype(np.int64) << config.args["weights_exp"]
            post = next(t for t in dend_acc.node.targets if t.kind == "neurons")
            slot = (self.now + 1 + syn.args["delays"]) % 64
            np.add.at(post.state["arriving"][slot], dst, weights * spikes[src])
