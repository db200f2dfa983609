"""The table of targets."""

import pytest

from lava_nbp.base.targets import TARGETS, Target, find_target, targets_of
from lava_nbp.errors import InputError


def test_who_runs_what():
    assert {"reference", "sample", "spiking"} <= set(targets_of("nbp"))
    assert {"continuous", "clocked"} <= set(targets_of("eventprop"))
    assert find_target("spiking", "nbp") is TARGETS["spiking"]
    with pytest.raises(InputError, match="target is 'clocked', but must be one of reference"):
        find_target("clocked", "nbp")


def test_an_algorithm_without_targets_runs_its_networks_itself():
    assert targets_of("perceptron") == ("perceptron",)
    assert find_target("perceptron", "perceptron").name == "perceptron"
    with pytest.raises(InputError, match="target is 'lava', but must be one of perceptron"):
        find_target("lava", "perceptron")
    with TARGETS.registered(Target("elsewhere", "a made-up one", makes={"perceptron": object})):
        assert targets_of("perceptron") == ("elsewhere",)
        with pytest.raises(InputError, match="must be one of elsewhere"):
            find_target("perceptron", "perceptron")
