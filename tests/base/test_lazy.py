"""Packages whose public names are imported when they are first used."""

import sys

import pytest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one module, which is broken: it must not be imported unasked."""
    (tmp_path / "lazily").mkdir()
    (tmp_path / "lazily" / "__init__.py").write_text(
        "from lava_nbp.base.lazy import attach\n"
        "__getattr__, __dir__, __all__ = attach(__name__, {'good': ('b', 'a'), 'bad': ('c',)})\n"
    )
    (tmp_path / "lazily" / "good.py").write_text("a, b = [], []\n")
    (tmp_path / "lazily" / "bad.py").write_text("raise ZeroDivisionError\n")
    monkeypatch.syspath_prepend(tmp_path)
    import lazily

    yield lazily
    for name in [name for name in sys.modules if name.partition(".")[0] == "lazily"]:
        del sys.modules[name]


def test_nothing_is_imported_before_it_is_used(package):
    assert package.__all__ == ["a", "b", "c"]
    assert {"a", "b", "c", "__all__"} <= set(dir(package))
    assert "lazily.good" not in sys.modules
    assert package.a is sys.modules["lazily.good"].a
    assert vars(package)["a"] is package.a  # looked up once
    with pytest.raises(ZeroDivisionError):
        _ = package.c


def test_unknown_names(package):
    with pytest.raises(AttributeError, match="module 'lazily' has no attribute 'd'"):
        _ = package.d
    assert not hasattr(package, "d")
