"""A virtual neurocore that notes what is asked of it."""

import numpy as np

KINDS = (
    "neurons_cfg", "neurons", "ax_out", "ax_in", "ax_in_cfg", "syn", "syn_cfg", "dend_acc", "dend_acc_cfg",
)  # fmt: skip


class Nodes:
    def __init__(self, kind, shape, args):
        self.kind, self.args = kind, args
        self.shape = shape if isinstance(shape, tuple) else (shape,)
        self.size = int(np.prod(self.shape))
        self.targets = []

    def connect(self, other):
        self.targets.append(other)

    def __getitem__(self, index):
        return SynView(self, np.asarray(index))

    def routes(self):
        """(view of this axon, view of dendritic accumulators) of every synapse group behind it."""
        for view in self.targets:
            if isinstance(view, SynView):
                for dend_acc in view.syn.targets:
                    if isinstance(dend_acc, SynView):
                        yield view, dend_acc


class SynView:
    """Some of an axon's or accumulator's nodes."""

    def __init__(self, node, index):
        assert index.max() < node.size, (node.kind, index.max(), node.size)
        self.node, self.index, self.kind = node, index, "view"

    def connect(self, syn):
        self.syn = syn
        self.node.targets.append(self)


class Group:
    def __init__(self, net, kind):
        self.net, self.kind = net, kind

    def allocate(self, shape, **args):
        self.net.note(f"{self.kind}.allocate", shape=shape, **args)
        node = Nodes(self.kind, shape, args)
        self.net.made[self.kind].append(node)
        return node

    allocate_ucode = allocate


class NetL2:
    def __init__(self, note):
        self.note = note
        self.made = {kind: [] for kind in KINDS}
        for kind in KINDS:
            setattr(self, kind, Group(self, kind))
