"""Where Lava is not installed: what needs none works, and what does says in one line how to get it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from experiments import DIGITS, YINYANG

from lava_nbp import TARGETS
from lava_nbp.base.lava_repair import how_to_get

SUPPORT = Path(__file__).parent / "support"
WORK = [
    "train digits.toml --out runs/digits",
    "train digits.toml --out runs/digits --resume --set epochs=4",
    "train yinyang.toml --out runs/yinyang",
    "train yinyang.toml --out runs/clocked --set target=clocked",
    "evaluate runs/digits",
    "export runs/digits --format nir",
    "export runs/digits --format netx",
    "report runs/digits",
    "compare runs/digits runs/yinyang runs/clocked",
    "plot runs/yinyang",
    "faults runs/digits --rates 0.1 --kind dead --epochs 1",
    "plan digits.toml --chip loihi1",
    "circuit inference --network 8-4-2",
    "doctor",
]
NEED_LAVA = [
    f"train digits.toml --out runs/no --set network.chip_order={str(target.chip_order).lower()} --set target={name}"
    for name, target in TARGETS.items()
    if target.on_lava or target.on_chip
] + ["train yinyang.toml --out runs/no --set target=lava"]


def without_lava(folder, commands):
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "without_lava.py")], input=json.dumps([command.split() for command in commands]),
        cwd=folder, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(zip(commands, json.loads(done.stdout), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("without_lava")
    (made / "digits.toml").write_text(DIGITS)
    (made / "yinyang.toml").write_text(YINYANG)
    return made


def test_what_needs_no_lava_works(folder):
    ends = without_lava(folder, WORK)
    assert {command: err for command, (code, _, err) in ends.items() if code != 0} == {}
    assert (folder / "runs" / "digits" / "report.html").is_file()
    assert len((folder / "runs" / "digits" / "metrics.jsonl").read_text().splitlines()) == 4


def test_what_needs_lava_says_how_to_get_it(folder):
    for command, (code, _, err) in without_lava(folder, NEED_LAVA).items():
        target = command.partition("target=")[2].split()[0]
        assert (code, err.strip().splitlines()[-1]) == (
            2, f"error: target '{target}' needs Lava, which is not installed; run: {how_to_get('lava-nc')}"
        ), command  # fmt: skip
    assert not (folder / "runs" / "no").exists()
