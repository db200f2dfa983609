"""What is drawn: the figures of matplotlib, caught when they are saved."""

from pathlib import Path

from matplotlib.figure import Figure


class Drawn(dict):
    """Figures by the name of their file, without its suffix, from the moment on at which this is made."""

    def __init__(self, monkeypatch):
        super().__init__()
        save = Figure.savefig

        def savefig(figure, path, **options):
            self[Path(path).stem] = figure
            save(figure, path, **options)

        monkeypatch.setattr(Figure, "savefig", savefig)


def lines(axes):
    """(x, y) of every labelled line, by its label."""
    return {
        line.get_label(): tuple(map(list, line.get_data()))
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }
