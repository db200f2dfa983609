"""Hostile cases drawn at random, for every door by which something enters the library; see `fuzz.doors`.

The tests try some at each door. For longer, from the root of the project::

    PYTHONPATH=tests/support .venv/bin/python -m fuzz --seconds 600
"""
