"""Lava Processes of this library, each in one file with its CPU models.

Lava looks for models in every module of this folder and executes each of them
again at every compilation, so the folder holds process files and nothing else,
and their imports of compiled code stand inside functions.
"""

from lava_nbp.processes.nbp_network import NBPNetwork
from lava_nbp.processes.sample_sink import SampleSink
from lava_nbp.processes.sample_source import SampleSource

__all__ = ["NBPNetwork", "SampleSink", "SampleSource"]
