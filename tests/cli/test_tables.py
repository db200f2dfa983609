"""How rows are printed: what wraps where there is little room, and figures of algorithms that nobody knows."""

import io

from rich.console import Console

from lava_nbp.cli.tables import accuracies, figures_of, markdown, percent, table


def printed(made, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(made)
    return console.file.getvalue()


def test_numbers_stay_whole_and_texts_wrap_or_headings_do():
    head, rows = ("run", "accuracy in all"), [("a rather long name of a run", "98.20 %")]
    wide = printed(table(head, rows), 80)
    assert "a rather long name of a run" in wide
    assert "accuracy in all" in wide
    texts = printed(table(head, rows, texts_wrap=True), 30)
    assert "accuracy in all" in texts
    assert "a rather long name" not in texts
    headings = printed(table(head, rows), 44)
    assert "a rather long name of a run" in headings
    assert "98.20 %" in headings


def test_text_in_brackets_is_no_markup():
    assert "[bold]" in printed(table(("run",), [("[bold]",)]), 40)


def test_markdown():
    assert markdown(("run", "us"), [("a", "1.5")]) == "| run | us |\n| --- | --: |\n| a | 1.5 |"


def test_figures_are_shown_as_they_are_called_and_counts_are_none():
    record = {"epoch": 1, "test_right_at_all": 0.5, "test_silent": 3, "test_accuracy_spikes": None, "seconds": 1.0}
    assert list(figures_of(record).items()) == [
        ("test_right_at_all", "right at all"),
        ("test_accuracy_spikes", "accuracy spikes"),
    ]


def test_accuracies():
    shown = printed(accuracies({"last": {"epoch": 3, "test_exact": 0.5, "test_accuracy_membrane": None}}), 80)
    for word in ("last (3)", "50.00 %", "not seen"):
        assert word in shown
    assert percent(1) == "100.00 %"
