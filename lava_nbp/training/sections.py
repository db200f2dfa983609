"""Drawings of a run and parts of a report's page, as values: what an algorithm shows beside what every run has."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_kind
from lava_nbp.base.fields import settle
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.errors import InputError


@dataclass(frozen=True)
class Drawing:
    """A figure that is not drawn yet.

    Attributes
    ----------
    draw : callable
        Draws it into the file of a path, and returns that.
    caption : str
        What a report says of it.
    """

    draw: Callable[[Path], Path]
    caption: str

    def __post_init__(self) -> None:
        settle(self, "drawing", InputError)


@dataclass
class Table:
    """Rows, and their headings."""

    rows: list[tuple[Any, ...]]
    head: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        settle(self, "table", InputError)


@dataclass
class Section:
    """A part of the page.

    Attributes
    ----------
    id, title : str
        Anchor, and heading.
    texts : list of str
        Paragraphs.
    tables : list of Table
    figures : list of dict
        ``source`` (a data URI) and ``caption``.
    code : str
        Shown as it is.
    player : dict or None
        Data of a phase player.
    """

    id: str
    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[dict[str, str]] = field(default_factory=list)
    code: str = ""
    player: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        settle(self, "section", InputError)


def embedded(path: AnyPath, caption: str) -> dict[str, str]:
    """A PNG file as `Section.figures` has it: with everything inside.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    check_kind(caption, str, "caption")
    file = as_path(path, "figure")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"figure {file} cannot be read: {error.strerror}; draw it first") from None
    return {"source": "data:image/png;base64," + base64.b64encode(content).decode(), "caption": caption}


def one_of_each(right: NDArray[np.bool_]) -> dict[bool, int]:
    """The first sample that is answered right and the first that is not, by whether it is; what is missing is left out.

    Examples
    --------
    >>> import numpy as np
    >>> one_of_each(np.array([False, False, True]))
    {True: 2, False: 0}
    >>> one_of_each(np.array([False, False]))
    {False: 0}
    """
    right = as_array(right, "right")
    return {kind: int(np.argmax(right == kind)) for kind in (True, False) if (right == kind).any()}


def rasters(
    right: NDArray[np.bool_],
    name: str,
    draw: Callable[[int, Path, str], Path],
    kind: str = "raster",
    shows: str = "Spikes",
) -> dict[str, Drawing]:
    """Drawings of a test sample that is answered right, and of one that is not: of each if there is one.

    Parameters
    ----------
    right : (n,) bool
        Which samples are answered right.
    name : str
        Of the run, for titles.
    draw : callable
        draw(sample, path, title) draws one.
    kind, shows : str
        What their files are called, and what they show.
    """

    def one(is_right: bool, path: Path) -> Path:
        sample = shown[is_right]
        return draw(sample, path, f"{name}: test sample {sample} ({'right' if is_right else 'wrong'})")

    shown = one_of_each(right)
    texts = {True: f"{shows}; the title names the samples.", False: f"{shows} of a sample that is answered wrong."}
    files = {True: kind, False: f"{kind}_wrong"}
    return {files[is_right]: Drawing(partial(one, is_right), texts[is_right]) for is_right in shown}
