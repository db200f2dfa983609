"""The options of a data set: checked where they are made, and by pydantic as they are."""

from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from lava_nbp.data import DataOptions
from lava_nbp.errors import InputError


def test_defaults_are_not_given():
    assert DataOptions().given == {}
    assert DataOptions(crop=0, verify=True, source="auto").given == {}
    assert DataOptions(verify=False, train=3).given == {"train": 3, "verify": False}


def test_paths_may_be_paths():
    assert DataOptions(root=Path("a"), path=Path("b/c.npz")) == DataOptions(root="a", path="b/c.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": 3}, "data.root is 3, but must be the name of a folder or file"),
        ({"path": True}, "data.path is True, but must be"),
        (
            {"source": "publishd"},
            r"data.source is 'publishd', but must be one .* \(did you mean 'published'\?\)",
        ),
        ({"crop": -1}, "data.crop is -1, but must be an integer of 0 or more"),
        ({"crop": None}, "data.crop is None"),
        ({"crop": 1.0}, "data.crop is 1.0"),
        ({"side": 0}, "data.side is 0, but must be an integer of 1 or more"),
        ({"validation": True}, "data.validation is True"),
        ({"train": 0}, "data.train is 0"),
        ({"test": "all"}, "data.test is 'all'"),
        ({"tonic": 3}, "data.tonic is 3, but must be text"),
        ({"bin": 0}, "data.bin is 0, but must be in 0.001 .. 1e.06; it is in ms"),
        ({"bin": float("nan")}, "data.bin is nan"),
        ({"bin": "1"}, "data.bin is '1'"),
        ({"group": 0}, "data.group is 0, but must be an integer of 1 or more"),
        ({"group": None}, "data.group is None"),
        ({"download": 1}, "data.download is 1, but must be true or false"),
        ({"verify": None}, "data.verify is None"),
    ],
)
def test_impossible_values(options, message):
    with pytest.raises(InputError, match=message):
        DataOptions(**options)


def test_pydantic_takes_them_as_they_are():
    adapter = TypeAdapter(DataOptions)
    assert adapter.validate_python({"crop": 4, "root": "x"}) == DataOptions(crop=4, root="x")
    with pytest.raises(ValidationError, match="data.crop is -1, but must be an integer of 0 or more"):
        adapter.validate_python({"crop": -1})
    assert set(adapter.json_schema()["properties"]) == {f.name for f in fields(DataOptions)}
