"""Lava Processes of this library, each in one file with its CPU models.

Lava looks for models in every module of this folder and executes each of them
again at every compilation, so the folder holds process files and nothing else,
and their imports of compiled code stand inside functions.

Parts for networks of your own: `SynfireChain` (the clock), `GatedLIF`,
`RelayMemory`, `SurrogateReLU`, `ErrorNeurons` (populations), `HebbianDense`
(plastic synapses), `PlasticLIF` (the neuron behind those of Lava), `SpikeRaster`
(to see what fires). The whole circuit of the paper: `NBPNetwork`, with `SampleSource` and `SampleSink`.

EventProp: `EventPropInput`, `EventPropLIF`, `MirroredDense`, and `EventPropTTFS` or
`EventPropReadout`, all driven by a `SynfireChain`; the whole of it: `EventPropNetwork`, with
`SpikeSource`.
"""

from lava_nbp.nbp.gated_group import Gate, Neurons, Synapses
from lava_nbp.nbp.hebbian import Mirror
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule
from lava_nbp.processes.error_neurons import ErrorNeurons
from lava_nbp.processes.eventprop_inference import EventPropInference
from lava_nbp.processes.eventprop_input import EventPropInput
from lava_nbp.processes.eventprop_lif import EventPropLIF
from lava_nbp.processes.eventprop_network import EventPropNetwork
from lava_nbp.processes.eventprop_readout import EventPropReadout
from lava_nbp.processes.eventprop_ttfs import EventPropTTFS
from lava_nbp.processes.gated_lif import GatedLIF
from lava_nbp.processes.hebbian_dense import HebbianDense
from lava_nbp.processes.mirrored_dense import MirroredDense
from lava_nbp.processes.nbp_network import NBPNetwork
from lava_nbp.processes.plastic_lif import PlasticLIF
from lava_nbp.processes.relay_memory import RelayMemory
from lava_nbp.processes.sample_sink import SampleSink
from lava_nbp.processes.sample_source import SampleSource
from lava_nbp.processes.spike_raster import SpikeRaster
from lava_nbp.processes.spike_source import SpikeSource
from lava_nbp.processes.surrogate_relu import SurrogateReLU
from lava_nbp.processes.synfire_chain import SynfireChain

__all__ = [
    "PAPER_RULE",
    "ErrorNeurons",
    "EventPropInference",
    "EventPropInput",
    "EventPropLIF",
    "EventPropNetwork",
    "EventPropReadout",
    "EventPropTTFS",
    "Gate",
    "GatedLIF",
    "HebbianDense",
    "Mirror",
    "MirroredDense",
    "NBPNetwork",
    "Neurons",
    "PlasticLIF",
    "RelayMemory",
    "SampleSink",
    "SampleSource",
    "SpikeRaster",
    "SpikeSource",
    "SurrogateReLU",
    "Synapses",
    "SynfireChain",
    "ThreeFactorRule",
]
