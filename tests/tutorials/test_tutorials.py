"""Every tutorial runs from beginning to end, as a reader would run it, and is stored without outputs."""

import re
import warnings
from pathlib import Path

import matplotlib
import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.ipynb"))


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code(path):
    return code_of(nbformat.read(path, as_version=4))


def test_they_are_all_there():
    assert [path.name[:2] for path in TUTORIALS] == ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_stored_without_outputs_and_with_prose(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    for cell in code(path):
        assert cell.outputs == []
        assert cell.execution_count is None
    text = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    assert len(text) >= 0.4 * len(code(path))
    assert sum(len(cell.source) for cell in text) > 1500


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_only_the_public_interface(path):
    for cell in code(path):
        assert not re.search(r"\blava_nbp\S* import .*\b_\w|\.\b_[a-z]\w*", cell.source), cell.source


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # what it knows of fonts takes long to find out
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # recordings that became events are kept there
    notebook = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter's own
        NotebookClient(
            notebook, timeout=170, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
        ).execute()
    assert any(output.output_type == "stream" for cell in code_of(notebook) for output in cell.outputs)
