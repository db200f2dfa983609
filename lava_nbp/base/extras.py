"""Packages that only an extra brings: there, or one line that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any

from lava_nbp.base.lava_repair import how_to_get
from lava_nbp.errors import MissingPackageError


def require(module: str, extra: str, what: str) -> Any:
    """Import a module of an extra.

    Parameters
    ----------
    module : str
        Its name.
    extra : str
        Extra of lava-nbp that brings it.
    what : str
        What it is needed for: the beginning of the message.

    Raises
    ------
    MissingPackageError
        If it is not installed, or does not load.
    """
    package = {"lava.lib.dl.slayer": "lava-dl"}.get(module, module.partition(".")[0])
    try:
        return importlib.import_module(module)
    except ImportError as error:
        command = how_to_get(package) if package == "lava-dl" else f"pip install 'lava-nbp[{extra}]'"
        raise MissingPackageError(
            f"{what} needs the package {package}, which is not installed ({error}); run: make install, or {command}"
        ) from error
