"""Progress on a terminal: rate and remaining time; in a pipe a line per epoch."""

import io
import re

from rich.console import Console

from lava_nbp.cli.console import ShownProgress, staged

RECORD = {"epoch": 1, "microseconds_per_sample": 3.25, "test_accuracy_spikes": 0.5}


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)


def text(shown):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.file.getvalue())


def work(shown, record=RECORD):
    with ShownProgress(shown) as progress:
        progress.start(2, 100, 0)
        progress.advance(60)
        progress.evaluating(1, "test", 20, 40)
        progress.advance(40)
        progress.epoch(record)


def test_training_on_a_terminal():
    shown = console(True)
    work(shown)
    assert "epoch 2/2" in text(shown)
    assert "100/200" in text(shown)
    assert "3.2 us each, test 50.0 %" in text(shown)
    assert re.search(r"\d:\d\d:\d\d .*(\d:\d\d:\d\d|-:--:--)", text(shown))  # elapsed, and what remains


def test_training_in_a_pipe():
    shown = console(False)
    work(shown)
    assert text(shown) == "epoch 1/2: 3.2 us each, test 50.0 %\n"


def test_an_algorithm_whose_figures_nobody_knows():
    for figures, shown_as in (({"test_right": 0.25}, ", test 25.0 %"), ({}, "")):
        shown = console(False)
        work(shown, {"epoch": 1, "microseconds_per_sample": 3.25, **figures})
        assert text(shown) == f"epoch 1/2: 3.2 us each{shown_as}\n"


def test_stages():
    shown = console(True)
    with staged("samples", shown) as stage:
        for done in range(0, 101, 25):
            stage("test set", done, 100)
    assert "test set" in text(shown)
    assert "100/100 samples" in text(shown)
    piped = console(False)
    with staged("", piped) as stage:
        stage("test set", 1, 2)
    assert text(piped) == ""
