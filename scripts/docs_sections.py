"""For the API reference: what our docstrings have beyond numpydoc, said in Markdown.

The entries of sections "Ports" and "Vars" become lists like those of parameters, and the "::" before a block of
equations a colon.
"""

import re
from typing import Any

import griffe

_SECTION = re.compile(r"^(Ports|Vars)\n-+\n((?:.+\n?)*)", re.MULTILINE)


def in_markdown(docstring: str) -> str:
    """The docstring with those sections as Markdown."""
    return re.sub(r"::$", ":", _SECTION.sub(_list, docstring), flags=re.MULTILINE)


def _list(section: re.Match[str]) -> str:
    lines = [section[1], "-" * len(section[1])]
    for line in section[2].splitlines():
        if line.startswith(" "):
            lines[-1] += " " + line.strip()
        else:
            names, _, kind = line.partition(" : ")
            lines.append(f"- **`{names}`**" + (f" ({kind})" if kind else "") + " –")
    return "\n".join(lines) + "\n"


class Sections(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """An object has been read."""
        if obj.docstring is not None:
            obj.docstring.value = in_markdown(obj.docstring.value)
