"""scripts/lava-tests: what it says of the outcomes of Lava's own tests."""

import json

import pytest
import tomli
from project_scripts import SCRIPTS, loaded

lava_tests = loaded("lava-tests")
Known, Outcome = lava_tests.Known, lava_tests.Outcome
PASSED, FAILED = Outcome("passed"), Outcome("failed", said="assert 1 == 2")


@pytest.mark.parametrize("result", ["failed", "hung"])
@pytest.mark.parametrize("what", ["fails", "varies"])
def test_a_failure_in_the_list_is_known(what, result):
    known = [Known(what, ["a.py::*"], "it is so")]
    assert lava_tests.compare({"a.py::f": Outcome(result)}, known, {}) == ({f"{result}: it is so": ["a.py::f"]}, [])


def test_a_failure_that_is_not_in_the_list_is_told_with_what_it_said():
    assert lava_tests.compare({"a.py::f": FAILED, "b.py::f": PASSED}, [Known("fails", ["b.py::g"], "")], {}) == (
        {},
        ["a.py::f failed, and is not in the list\nassert 1 == 2"],
    )


def test_what_is_in_the_list_must_fail_unless_it_is_luck():
    found = {"a.py::f": PASSED, "a.py::g": Outcome("skipped"), "b.py::f": PASSED}
    as_known, not_known = lava_tests.compare(
        found, [Known("fails", ["a.py::*"], "it is so"), Known("varies", ["b.py::f"], "luck")], {}
    )
    assert as_known == {}
    assert not_known == [
        "a.py::f passed, but in the list it fails: it is so",
        "a.py::g skipped, but in the list it fails: it is so",
    ]


def test_networks_that_are_left_to_lava():
    found = {"a": Outcome("passed", ["", "no time"]), "b": Outcome("passed", ["no time"]), "c": Outcome("passed", [""])}
    assert lava_tests.compare(found, [Known("as before", ["a", "c"], "asynchronous")], {}) == (
        {"ran as before: asynchronous": ["a"]},
        [
            "b ran as before, and is not in the list: no time",
            "c ran in one process, but in the list it cannot: asynchronous",
        ],
    )


def test_there_are_as_many_as_there_should_be():
    found = {"a": PASSED, "b": Outcome("skipped"), "c": PASSED}
    assert lava_tests.compare(found, [], {"tests": 3, "skipped": 1}) == ({}, [])
    assert lava_tests.compare(found, [], {"tests": 4, "skipped": 0})[1] == [
        "tests: 3, but there should be 4",
        "skipped: 1, but there should be 0",
    ]


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({}, True),
        ({"runtime": "plain"}, True),
        ({"runtime": "one process"}, False),
        ({"python": "3.9"}, True),
        ({"python": "3.13"}, False),
        ({"numpy": "1.26"}, True),
        ({"numpy": "2"}, False),
        ({"runtime": "plain", "numpy": "2"}, False),
    ],
)
def test_an_entry_holds_for_a_runtime_and_from_a_version_on(where, holds):
    assert Known("fails", [], "", **where).holds("plain", "3.10.13", "1.26.4") is holds


def parts(test, **outcomes):
    yield {"test": test, "when": "begin"}
    for when, outcome in outcomes.items():
        networks = [] if when == "setup" else [""]
        yield {"test": test, "when": when, "outcome": outcome, "networks": networks, "said": when}


def test_the_outcome_of_a_test_comes_of_its_parts():
    lines = [
        *parts("tests/lava/a.py::passes", setup="passed", call="passed", teardown="passed"),
        *parts("tests/lava/a.py::fails", setup="passed", call="failed", teardown="passed"),
        *parts("tests/lava/a.py::leaves", setup="passed", call="passed", teardown="failed"),
        *parts("tests/lava/a.py::skips", setup="skipped", teardown="passed"),
        *parts("tests/lava/a.py::asks", setup="passed", call="skipped", teardown="passed"),
        *parts("tests/lava/a.py::hangs", setup="passed"),
        *parts("tests/lava/a.py::breaks", setup="failed"),
    ]
    found = lava_tests.read_outcomes(map(json.dumps, lines))
    assert {name.removeprefix("a.py::"): (o.result, o.networks, o.said) for name, o in found.items()} == {
        "passes": ("passed", [""], ""),
        "fails": ("failed", [""], "call"),
        "leaves": ("failed", [""], "teardown"),
        "skips": ("skipped", [""], ""),
        "asks": ("skipped", [""], ""),
        "hangs": ("hung", [], ""),
        "breaks": ("failed", [], "setup"),
    }


def test_the_list_can_be_read():
    content = tomli.loads((SCRIPTS / "lava_tests.toml").read_text())
    assert set(content["counts"]) == {"tests", "skipped"}
    for entry in [Known(**entry) for entry in content["known"]]:
        assert entry.what in ("fails", "varies", "as before")
        assert entry.runtime in ("", *lava_tests.RUNTIMES)
        assert entry.tests
        assert entry.reason
