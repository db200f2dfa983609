"""Data sets and how they become spikes."""

from lava_nbp.data.augmentation import EventAugmentation
from lava_nbp.data.dataset import Dataset, Split, input_and_classes, load_dataset
from lava_nbp.data.encodings import Encoding, binarise, crop, down_sample, pixel_latency, step_spikes, value_latency
from lava_nbp.data.event_dataset import EventDataset, load_event_dataset
from lava_nbp.data.events import Events, EventSamples, EventSplit
from lava_nbp.data.latency_dataset import LatencyDataset, LatencySplit, load_latency_dataset
from lava_nbp.data.options import DataOptions
from lava_nbp.data.samples import Labelled, Samples
from lava_nbp.data.sets import DATA_SETS, DataSet, data_sets_of, find_data_set
from lava_nbp.data.tonic_sets import from_tonic
from lava_nbp.data.yinyang import generate_yinyang, load_yinyang, yinyang_classes

__all__ = [
    "DATA_SETS",
    "DataOptions",
    "DataSet",
    "Dataset",
    "Encoding",
    "EventAugmentation",
    "EventDataset",
    "EventSamples",
    "EventSplit",
    "Events",
    "Labelled",
    "LatencyDataset",
    "LatencySplit",
    "Samples",
    "Split",
    "binarise",
    "crop",
    "data_sets_of",
    "down_sample",
    "find_data_set",
    "from_tonic",
    "generate_yinyang",
    "input_and_classes",
    "load_dataset",
    "load_event_dataset",
    "load_latency_dataset",
    "load_yinyang",
    "pixel_latency",
    "step_spikes",
    "value_latency",
    "yinyang_classes",
]
