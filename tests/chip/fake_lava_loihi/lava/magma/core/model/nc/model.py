"""The base of models for neurocores: allocates on a recorded core, then runs what was allocated."""

import json
import os
from pathlib import Path

import numpy as np
from program_machine import Neurons

from lava.magma.core.model.nc.listing import parse
from lava.magma.core.model.nc.net import NetL2
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
        for syn in self.net.made["syn"]:
            #: Name of the Var that is this memory, if one is: others may write it.
            syn.var = next((k for k, value in vars(self).items() if value is syn.args["weights"]), None)
        for dend_acc in self.net.made["dend_acc"]:
            dend_acc.arriving = np.zeros((64, dend_acc.size), np.int64)
        for neurons in self.net.made["neurons"]:
            config = next(t for t in neurons.targets if t.kind == "neurons_cfg")
            n = neurons.size
            neurons.accumulators = [d for d in self.net.made["dend_acc"] if neurons in d.targets]
            program = parse(Path(config.args["ucode"]).read_text())
            if program is not None:
                neurons.machine = Neurons(program, n, neurons.args)
                continue
            neurons.machine = None
            neurons.state = {
                "v": np.zeros(n, np.int64) + neurons.args["v"],
                "silent": np.zeros(n, np.int64),
                **config.args,
                "bias": neurons.args["bias"],
            }

    def run_spk(self):
        self._send_sums()
        weighted, third = {}, None
        for port in self.py_ports:
            for node in getattr(port, "nodes", []):
                if node.kind == "neurons":
                    value = port.recv_once(self.now)
                    if "third_factor" in port.label:
                        third = value
                    else:
                        weighted[node] = weighted.get(node, 0) + value.ravel()
                elif node.kind == "dend_acc":
                    node.arriving[self.now % 64] += port.recv_once(self.now).ravel()
        fired = {}
        for neurons in self.net.made["neurons"]:
            if neurons.machine is None:
                spikes = self._neurons(neurons, weighted.get(neurons, 0))
                sent = dict.fromkeys((t for t in neurons.targets if getattr(t, "kind", "") == "ax_out"), spikes)
            else:
                spikes, sent = None, self._program(neurons)
            fired.update(sent)
            for target in neurons.targets:
                self._send(target, neurons, sent.get(target, spikes), third)
        for axon, spikes in fired.items():
            for target in axon.targets:
                if getattr(target, "kind", "") == "ax_in":
                    self._deliver(target, spikes)
        for port in self.py_ports:
            for node in getattr(port, "nodes", []):
                if node.kind == "ax_in":
                    self._deliver(node, port.recv_once(self.now).ravel())
        self.now += 1

    def _send_sums(self):
        """Weighted sums that leave: synapses without neurons."""
        for dend_acc in self.net.made["dend_acc"]:
            for port in dend_acc.targets:
                if getattr(port, "label", ""):
                    port.send(self._arrived(dend_acc).astype(np.int32).reshape(port._shape))

    def _arrived(self, dend_acc):
        slot = self.now % 64
        arrived = dend_acc.arriving[slot].copy()
        dend_acc.arriving[slot] = 0
        return arrived

    def _program(self, neurons):
        """One step of neurons that are a program: payloads by axon; words that are Vars are seen outside."""
        arriving = {d.args["port"]: self._arrived(d) for d in neurons.accumulators}
        sent = neurons.machine.step(arriving)
        for name, given in neurons.args.items():
            if isinstance(given, np.ndarray) and any(given is value for value in vars(self).values()):
                given[...] = neurons.machine.words[name]
        axons = (t for t in neurons.targets if getattr(t, "kind", "") == "ax_out")
        return {axon: sent[axon.args["axon"]].astype(np.int32) for axon in axons}

    def _neurons(self, neurons, weighted):
        s = neurons.state
        u = 64 * (sum(self._arrived(d) for d in neurons.accumulators) + weighted)
        u = (1 << 23) - ((1 << 23) - u) % (1 << 24)
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
            weights = self._memory(syn).ravel().astype(np.int64) << config.args["weights_exp"]
            slot = (self.now + 1 + syn.args["delays"]) % 64
            np.add.at(dend_acc.node.arriving[slot], dst, weights * spikes[src])

    def _memory(self, syn):
        """Synaptic memory: a Var, as it is now, or what was allocated."""
        return syn.args["weights"] if syn.var is None else getattr(self, syn.var)
