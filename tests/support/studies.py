"""Small studies that several tests run."""

from __future__ import annotations

from experiments import DIGITS

from lava_nbp.base.content import parse_toml
from lava_nbp.runs.studies.study import make_study

#: Two thresholds, three seeds of the digits: a second in all.
VARY = {"data": {"threshold": [0.3, 0.5]}, "seed": {"from": 1, "to": 3}}


def digits_study(vary=VARY, base=DIGITS, name="digits", **options):
    return make_study(name, parse_toml(base), vary=vary, **options)


def figures(rows):
    """Of each trial what does not depend on how long it took."""
    left_out = ("seconds", "microseconds_per_sample")
    return [{key: value for key, value in row.items() if key not in left_out} for row in rows]
