"""Data sets and how they become spikes."""

from lava_nbp.data.dataset import Dataset, Split, load_dataset
from lava_nbp.data.encoding import binarise, crop, down_sample
from lava_nbp.data.latency import pixel_latency, step_spikes, value_latency
from lava_nbp.data.latency_dataset import LatencyDataset, LatencySplit, load_latency_dataset
from lava_nbp.data.yinyang import generate_yinyang, load_yinyang, yinyang_classes

__all__ = [
    "Dataset",
    "LatencyDataset",
    "LatencySplit",
    "Split",
    "binarise",
    "crop",
    "down_sample",
    "generate_yinyang",
    "load_dataset",
    "load_latency_dataset",
    "load_yinyang",
    "pixel_latency",
    "step_spikes",
    "value_latency",
    "yinyang_classes",
]
