"""The example does what its text says: a model of two libraries learns."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "examples" / "norse_encoder.py"


def test_it_learns(capsys):
    pytest.importorskip("norse")
    spec = importlib.util.spec_from_file_location("norse_encoder", PATH)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    before, after = example.main(epochs=0), example.main()
    assert after > 0.9 > before
    assert "of an input" in capsys.readouterr().out
