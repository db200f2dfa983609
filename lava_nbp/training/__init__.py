"""Experiments: configuration, training loop, checkpoints, metrics."""

from lava_nbp.training.config import EventPropExperiment, Experiment, NBPExperiment, load_config
from lava_nbp.training.loop import evaluate_run, train

__all__ = ["EventPropExperiment", "Experiment", "NBPExperiment", "evaluate_run", "load_config", "train"]
