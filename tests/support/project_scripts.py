"""Programs of scripts/ as modules: their names have no ".py"."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def loaded(name):
    """One of them, without a file of compiled code beside it."""
    module_name = name.replace("-", "_")
    spec = spec_from_loader(module_name, SourceFileLoader(module_name, str(SCRIPTS / name)))
    module = sys.modules[module_name] = module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
