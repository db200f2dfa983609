"""A study as data: which trials follow, and what is refused before anything runs."""

import re
from types import MappingProxyType

import numpy as np
import pytest
from experiments import DIGITS

from lava_nbp.base.content import parse_toml
from lava_nbp.errors import ConfigError
from lava_nbp.runs.studies.study import load_study_file, make_study
from studies import digits_study

BASE = parse_toml(DIGITS)


def settings(vary, **options):
    return [trial.settings for trial in make_study("x", BASE, vary=vary, **options).trials]


def test_every_combination_the_last_key_fastest():
    study = digits_study()
    assert study.keys == ("data.threshold", "seed")
    assert [tuple(t.settings.values()) for t in study.trials] == [(t, s) for t in (0.3, 0.5) for s in (1, 2, 3)]
    assert [t.name for t in study.trials][:2] == ["0_threshold-0.3_seed-1", "1_threshold-0.3_seed-2"]
    assert (study.trials[4].experiment.data.threshold, study.trials[4].experiment.seed) == (0.5, 2)
    assert study.trials[0].content["network"] == {"n_hidden": 20}
    assert BASE["seed"] == 2  # what is given stays as it is


@pytest.mark.parametrize(("given", "values"), [
    ({"from": 1, "to": 3}, [1, 2, 3]),
    ({"from": 2, "to": 11, "step": 4}, [2, 6, 10]),
    ({"from": 5, "to": 5}, [5]),
    ({"from": 10, "to": 50, "values": 5}, [10, 20, 30, 40, 50]),
])  # fmt: skip
def test_ranges_of_integers(given, values):
    found = settings({"seed": given})
    assert [s["seed"] for s in found] == values
    assert all(type(s["seed"]) is int for s in found)


@pytest.mark.parametrize(("given", "values"), [
    ({"from": 0.1, "to": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
    ({"from": 0.1, "to": 0.5, "values": 3}, [0.1, 0.3, 0.5]),
    ({"from": 0.01, "to": 0.16, "values": 5, "log": True}, [0.01, 0.02, 0.04, 0.08, 0.16]),
    ({"from": 0, "to": 0.5, "values": 2, "log": False}, [0.0, 0.5]),
])  # fmt: skip
def test_ranges_of_real_numbers(given, values):
    assert [s["data.threshold"] for s in settings({"data": {"threshold": given}})] == values


def test_values_that_are_lists_and_dots_or_sections():
    yin = parse_toml(
        'algorithm = "eventprop"\nepochs = 1\n[data]\nname = "yinyang"\nsource = "generated"\n'
        "[encoding]\nlate = 30\nend = 60\nbias = 0\n[network]\nhidden = [5]\n"
        "initial_mean = [2.0, 1.4]\ninitial_deviation = [0.78, 0.1]\n"
    )
    study = make_study("x", yin, vary={"network.hidden": [[10], [20]]})
    assert [t.experiment.network.hidden for t in study.trials] == [[10], [20]]
    assert study.trials[0].name == "0_hidden-_10"
    assert study.trials == make_study("x", yin, vary={"network": {"hidden": [[10], [20]]}}).trials


def test_cases_change_together():
    bright = {"name": "bright", "data": {"threshold": 0.6}, "epochs": 1}
    cases = [{"name": "small", "network": {"n_hidden": 10}}, bright]
    study = make_study("x", BASE, vary={"seed": [1, 2]}, cases=cases)
    assert [tuple(t.settings.values()) for t in study.trials] == [
        ("small", 1), ("small", 2), ("bright", 1), ("bright", 2),
    ]  # fmt: skip
    small, bright = study.trials[0].experiment, study.trials[2].experiment
    assert (small.network.n_hidden, small.epochs) == (10, 3)
    assert (bright.network.n_hidden, bright.data.threshold, bright.epochs) == (20, 0.6, 1)
    assert len(make_study("x", BASE, cases=cases).trials) == 2


@pytest.mark.parametrize(("vary", "message"), [
    ({"sed": [1]}, "of trial 0_sed-1: unknown key sed = 1; did you mean seed?"),
    ({"data": {"treshold": [0.1]}}, "unknown key data.treshold = 0.1; did you mean threshold?"),
    ({"data.threshold": [0.1, 7]}, "of trial 1_threshold-7: data.threshold"),
    ({"seed": []}, "vary.seed is an empty list; give one or more values, or leave the key out"),
    ({"seed": 5}, "vary.seed is 5, but must be a list of values, or a range like { from = 1, to = 5 }"),
    ({"seed": {"from": 1}}, "a range has from and to"),
    ({"seed": {"from": 1, "to": 2, "by": 1}}, "a range has from and to"),
    ({"seed": {"from": 3, "to": 1}}, "from and to must be finite numbers, from not more than to"),
    ({"seed": {"from": 1, "to": float("nan")}}, "from and to must be finite numbers"),
    ({"seed": {"from": 1, "to": 3, "step": 0}}, "step must be a positive number"),
    ({"seed": {"from": 1, "to": 3, "values": 1}}, "values must be an integer in 2"),
    ({"data.threshold": {"from": 0, "to": 0.3, "values": 3, "log": True}}, "from positive if it is true"),
    ({"seed": {"from": 1, "to": 10**12}}, "has more than 1000000 values; choose a larger step"),
    ({"seed": {"from": 1, "to": 10**6}}, "1000000 trials, but the limit is 1000; vary fewer values, or say at_most"),
    ({"seed": [1, 2, 1]}, "trials 0_seed-1 and 2_seed-1 are the same; leave one of them out"),
    ({"seed.deeper": [1]}, "seed is a value, not a section"),
    ({"seed": {"from": 0, "to": 10**400}}, "from and to must be finite numbers"),
    ({"data.threshold": [0.1], "data": {"threshold": [0.2]}}, "vary has data.threshold twice; say it in one place"),
    ({"data": {}}, "a range has from and to"),
    ({"seed": [{1, 2}]}, "which no experiment's file could say"),
])  # fmt: skip
def test_what_cannot_be_varied(vary, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_study("x", BASE, vary=vary)


@pytest.mark.parametrize(("cases", "message"), [
    ([{"seed": 1}], "cases[0] is {'seed': 1}, but must be a section with a name of its own"),
    ([{"name": "a", "epochs": 1}, {"name": "a", "epochs": 2}], "two cases have the name 'a'; rename one of them"),
    ([{"name": "a", "seed": 1}], "case 'a' has seed, which varies; say it in one place"),
    ([{"name": "a\nb"}], "must have one line of 80 letters"),
    ([{"name": "a" * 81}], "must have one line of 80 letters"),
])  # fmt: skip
def test_cases_that_cannot_be(cases, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_study("x", BASE, vary={"seed": [1, 2]}, cases=cases)


def test_a_seed_makes_no_case():
    with pytest.raises(ConfigError, match="case 'a' has a seed, which makes no case of its own; let seed vary"):
        make_study("x", BASE, cases=[{"name": "a", "seed": 1}, {"name": "b", "seed": 2}])


def test_a_section_that_varies_and_a_key_of_it_in_a_case():
    data = dict(BASE["data"])
    with pytest.raises(ConfigError, match="case 'a' has data.threshold, which varies"):
        make_study("x", BASE, vary={"data": [data]}, cases=[{"name": "a", "data": {"threshold": 0.2}}])


def test_numbers_of_numpy_and_tuples_are_meant_well():
    plain = make_study("x", BASE, vary={"seed": [0, 1], "data.threshold": [0.5]})
    odd = {"seed": (np.int64(0), np.int64(1)), "data.threshold": np.array([0.5])}
    assert make_study("x", MappingProxyType(BASE), vary=odd) == plain


def test_more_than_a_file_holds(monkeypatch):
    monkeypatch.setattr("lava_nbp.runs.studies.study._MOST_BYTES", 2000)
    with pytest.raises(ConfigError, match="10 trials of this experiment take 0 MB to write down"):
        make_study("x", BASE, vary={"seed": {"from": 1, "to": 10}})


def test_as_many_as_one_likes_if_that_is_said():
    assert len(make_study("x", BASE, vary={"seed": {"from": 1, "to": 1200}}, at_most=1200).trials) == 1200


# ------------------------------------------------------------------------ files


@pytest.fixture
def written(tmp_path):
    (tmp_path / "base.toml").write_text(DIGITS)

    def write(text):
        path = tmp_path / "studies" / "study.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


GOOD = 'name = "mine"\nbase = "../base.toml"\n[fixed]\nepochs = 1\n[vary]\nseed = [1, 2]\n'


def test_a_file(written):
    study = load_study_file(written(GOOD), ["network.n_hidden=7"])
    assert (study.name, study.objective, len(study.trials)) == ("mine", "accuracy", 2)
    assert [(t.experiment.seed, t.experiment.epochs, t.experiment.network.n_hidden) for t in study.trials] == [
        (1, 1, 7), (2, 1, 7),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [
    (GOOD.replace("../base", "base"), "base.toml cannot be read: .*; give the file of an experiment, from the study's"),
    (GOOD.replace("[vary]", "[varied]"), "unknown key varied = .*; did you mean vary?"),
    (GOOD.replace('"mine"', '"a/b"'), "name = 'a/b'"),
    (GOOD.replace('name = "mine"\n', ""), "name is missing; add it"),
    (GOOD + '[[cases]]\nname = "x"\nseed = 3\n', "case 'x' has seed, which varies"),
    (GOOD.replace("epochs = 1", "seed = 9"), "seed is said to be the same in every trial, but seed varies; say it in"),
    ('objective = "acuracy"\n' + GOOD, "objective is 'acuracy', .*did you mean 'accuracy'"),
    ('at_most = 1\n' + GOOD, "2 trials, but the limit is 1"),
    ("name = ", "cannot be read: it is not valid TOML"),
    (GOOD.replace("epochs = 1", "epoch = 1"), "unknown key epoch = 1; did you mean epochs?"),
])  # fmt: skip
def test_files_that_are_none(written, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_study_file(written(text))
    assert "study.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("override", ["seed=9", "data.threshold=0.7"])
def test_what_varies_cannot_be_set_for_all(written, override):
    text = GOOD + '[[cases]]\nname = "x"\ndata.threshold = 0.3\n'
    with pytest.raises(ConfigError, match="is said to be the same in every trial, but .* varies; say it in one place"):
        load_study_file(written(text), [override])


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match="study .*none.toml cannot be read: .*; give a TOML file like studies/digits"):
        load_study_file(tmp_path / "none.toml")
