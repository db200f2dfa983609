"""JSON and TOML: what is read, and what is refused in one line."""

import json

import numpy as np
import pytest

from lava_nbp.base.content import check_plain, parse_json, parse_toml, read_json, read_toml
from lava_nbp.errors import Unreadable

DEEP = 100_000


def test_what_is_meant_well_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null, true, "\xc3\xa4", "\\ud83d\\ude00"]}')
    assert read_json(path) == {"a": [1, 2.5, None, True, "ä", "\U0001f600"]}
    assert np.isnan(parse_json("NaN"))  # as Python writes it: models say where a number must be finite
    path.write_bytes(b"\xef\xbb\xbfa = 1\n[b]\nc = [2.5]\n")
    assert read_toml(path) == {"a": 1, "b": {"c": [2.5]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON: Expecting value"),
        ('{"a": 1', "not valid JSON"),
        ("[" * DEEP, "nested more than 64 deep"),
        ('{"a":' * DEEP, "nested more than 64 deep"),
        ("[" * 100 + "]" * 100, "nested more than 64 deep"),
        ("9" * 5000, "an integer of 5000 digits"),
        ("-" + "9" * 30, "an integer of 31 digits"),
        ('{"a": 1, "b": 2, "a": 3}', "has 'a' twice in one object"),
        ('["\\ud800"]', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
    ],
)
def test_json_that_is_refused(text, message):
    with pytest.raises(Unreadable, match=message):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = = 1", "not valid TOML"),
        ("a = " + "[" * 400 + "]" * 400, "nested more than 64 deep"),
        ("a = " + "[" * DEEP, "nested more than 64 deep|not valid TOML"),
        ("a" + ".a" * 400 + " = 1", "nested more than 64 deep"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = 1\0", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
    ],
)
def test_toml_that_is_refused(text, message):
    with pytest.raises(Unreadable, match=message) as caught:
        parse_toml(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("read", [read_json, read_toml])
def test_bytes_that_are_no_text(tmp_path, read):
    path = tmp_path / "a"
    path.write_bytes(b"\xff\xfea")
    with pytest.raises(Unreadable, match="no text in UTF-8 .* at byte 0"):
        read(path)
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # it takes no place
    with pytest.raises(Unreadable, match="it has 1.1 TB, more than the (16|1) MB"):
        read(path)


def test_values_that_no_file_held():
    loop: dict = {}
    loop["a"] = [loop]
    with pytest.raises(Unreadable, match="nested more than 64 deep"):
        check_plain(loop, "JSON")
    content = json.loads("[" * 30 + "]" * 30)
    assert check_plain(content, "JSON") is content
