"""The table of targets."""

import pytest

from lava_nbp.base.registry import resolve
from lava_nbp.base.targets import TARGETS, Target, find_target, targets_of
from lava_nbp.errors import InputError, MissingPackageError


def test_who_runs_what():
    assert {"reference", "sample", "spiking"} <= set(targets_of("nbp"))
    assert {"continuous", "clocked"} <= set(targets_of("eventprop"))
    assert {name for name in targets_of("eventprop") if "eventprop" in TARGETS[name].answers_only} == {
        "lava-stock", "loihi1", "loihi2"
    }  # fmt: skip
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


def test_what_runs_on_lava_says_where_lava_is_missing(monkeypatch):
    assert all(target.lacks() == "" for target in TARGETS.values())

    def nobody(what):
        raise MissingPackageError(f"{what} needs Lava")

    monkeypatch.setattr("lava_nbp.base.targets.require_lava", nobody)
    lacking = [name for name, target in TARGETS.items() if target.lacks() == f"target '{name}' needs Lava"]
    assert lacking == [name for name, target in TARGETS.items() if target.on_lava or target.on_chip]
    for name in lacking:
        with pytest.raises(MissingPackageError, match=f"target '{name}' needs Lava"):
            TARGETS[name].maker("nbp")


@pytest.mark.parametrize("chunk", [0, -1, 2.5, True, None])
def test_a_chunk_is_a_number_of_samples(chunk):
    with pytest.raises(InputError, match="target 'mine': chunk is .*, but must be an integer of 1 or more"):
        Target("mine", "", chunk=chunk)


@pytest.mark.parametrize("maker", [None, 3, "", "package.module", "package.module:", ":name", "a b:c"])
def test_a_maker_is_a_callable_or_says_where_one_is(maker):
    with pytest.raises(InputError, match=r"target 'mine': makes\['nbp'\] is .*, but must be a function or class, or"):
        Target("mine", "", makes={"nbp": maker})


@pytest.mark.parametrize(
    ("maker", "message"),
    [
        ("lava_nbp.nowhere:Thing", "'lava_nbp.nowhere:Thing' cannot be found: there is no module 'lava_nbp.nowhere'"),
        ("nowhere_at_all:Thing", "there is no module 'nowhere_at_all'"),
        ("lava_nbp.errors:Thing", "cannot be found: module 'lava_nbp.errors' has no 'Thing'"),
    ],
)
def test_a_maker_that_is_not_where_it_is_said_to_be(maker, message):
    with pytest.raises(InputError, match=message):
        Target("mine", "", makes={"nbp": maker}).maker("nbp")


def test_what_a_module_needs_and_is_missing_is_its_own_affair(tmp_path, monkeypatch):
    (tmp_path / "needy_module.py").write_text("import not_there_either")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_either"):
        resolve("needy_module:Thing")


def test_only_entries_are_registered():
    with pytest.raises(InputError, match="target is 'mine', but must be a Target"):
        TARGETS.register("mine")
