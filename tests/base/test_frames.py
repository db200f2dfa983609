"""Rows as pandas has them."""

import sys

import pytest
from experiments import DIGITS, experiment

from lava_nbp import load_run
from lava_nbp.base.frames import frame_of
from lava_nbp.errors import MissingPackageError
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.train import train
from studies import digits_study


def test_a_column_per_key_and_a_row_per_row():
    found = frame_of([{"a": 1, "b": "x"}, {"a": 2, "c": 0.5}])
    assert list(found.columns) == ["a", "b", "c"]
    assert found["a"].tolist() == [1, 2]
    assert found["c"].isna().tolist() == [True, False]
    assert frame_of([]).empty


def test_a_study_and_a_run(tmp_path):
    study = StudyFolder(tmp_path, digits_study()).frame()
    assert study["data.threshold"].tolist() == [0.3] * 3 + [0.5] * 3
    train(experiment(tmp_path, DIGITS), tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert run.frame()["epoch"].tolist() == [1, 2, 3]
    assert run.frame()["test_exact"].tolist() == [row["test_exact"] for row in run.rows]
    run.rows[0]["epoch"] = 7
    assert run.rows[0]["epoch"] == 1, "rows are copies"


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match=r"a data frame needs the package pandas.*lava-nbp\[frames\]"):
        frame_of([])
