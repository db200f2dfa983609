"""What hostile cases are made of: junk, values and bytes that were good until something was changed."""

from __future__ import annotations

import copy
import json
import math
import struct

from hypothesis import strategies as st

#: Numbers at the edges of what can be held, and what is no number.
EDGES = (
    0, 1, -1, 2, 3, 255, 256, -256, 2**15, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**22,
    10**400, 0.0, -0.0, 0.5, 1e-9, 1e-300, 5e-324, 1e9, 1e154, 1e300, math.nan, math.inf, -math.inf,
)  # fmt: skip


#: Stands for a list in a list in a list ..., which Python's own writer of JSON could not write.
DEEP = "a list, 5000 lists deep"


def nested(depth):
    """A list in a list in a list ..."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


def as_json(value):
    """JSON of a value, as bytes; half a surrogate stays what it is."""
    return json.dumps(value).replace(f'"{DEEP}"', "[" * 5000 + "]" * 5000).encode()


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(EDGES),
    st.integers(-10, 300),
    st.floats(allow_nan=True),
    st.sampled_from(("", "x", "0", "1.0", "nan", "true", "\0", "a" * 300, "../x", "ü", "\ud800", "{}", "x0*y0")),
    st.builds(list),
    st.builds(dict),
    st.lists(st.integers(-3, 300), max_size=4),
    st.dictionaries(st.sampled_from(("a", "format", "name")), st.integers(0, 3), max_size=2),
    st.just(200).map(nested),
    st.just(DEEP),
)


def spots(value, path=()):
    """Paths of everything within nested lists and dictionaries, the whole included."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from spots(inner, (*path, key))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from spots(inner, (*path, k))


@st.composite
def changed(draw, original, most=3, junk=JUNK):
    """A nested value with one to `most` changes."""
    value = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, most))):
        everywhere = [path for path in spots(value) if len(path) < 20]
        path = draw(st.sampled_from(everywhere))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                return draw(junk)
            continue
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        _change(draw, holder, path[-1], junk)
    return value


def _change(draw, holder, key, junk):
    old = holder[key]
    how = draw(st.sampled_from(("junk", "near", "near", "drop", "double", "swap", "type")))
    # An integer that no float holds has nothing near it.
    if how == "near" and isinstance(old, (int, float)) and not isinstance(old, bool) and not abs(old) > 1e300:
        holder[key] = draw(st.sampled_from((old + 1, old - 1, -old, 2 * old, old + 0.5, float(old), old + 2)))
    elif how == "drop":
        del holder[key]
    elif how == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(old))
    elif how == "double":
        holder[f"{key}x"] = old
    elif how == "swap":
        other = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        holder[key], holder[other] = holder[other], old
    elif how == "type":
        holder[key] = draw(st.sampled_from((str(old), [old], {"0": old}, bool(old))))
    else:
        holder[key] = draw(junk)


@st.composite
def damaged(draw, content, most=3):
    """Bytes that were cut, flipped, overwritten, or put in twice."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        how = draw(st.sampled_from(("cut", "flip", "number", "zeros", "double", "remove")))
        n = draw(st.integers(1, 40))
        if how == "cut":
            del found[at:]
        elif how == "flip" and found:
            found[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "number":
            found[at : at + 4] = struct.pack(
                draw(st.sampled_from("<>")) + "I", draw(st.sampled_from((0, 1, 2**31, 2**32 - 1, n)))
            )
        elif how == "zeros":
            found[at : at + n] = bytes(n)
        elif how == "double":
            found[at:at] = found[at : at + n]
        else:
            del found[at : at + n]
    return bytes(found)
