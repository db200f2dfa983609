"""Data sets and how they become spikes."""

from lava_nbp.data.dataset import Dataset, Split, load_dataset
from lava_nbp.data.encoding import binarise, crop, down_sample

__all__ = ["Dataset", "Split", "binarise", "crop", "down_sample", "load_dataset"]
