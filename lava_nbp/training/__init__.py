"""Experiments: configuration, training loop, checkpoints, metrics."""

from lava_nbp.training.config import Experiment, load_config
from lava_nbp.training.loop import evaluate_run, train

__all__ = ["Experiment", "evaluate_run", "load_config", "train"]
