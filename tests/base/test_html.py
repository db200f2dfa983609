"""Tables as notebooks show them."""

from html.parser import HTMLParser

from experiments import DIGITS, experiment

from lava_nbp import load_run, make_plan, training_circuit
from lava_nbp.base.html import html_table
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.train import train
from studies import digits_study


class Cells(HTMLParser):
    """Text of every cell, by row; and the caption."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.caption, self._in = [], "", None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._in = tag

    def handle_data(self, data):
        if self._in == "caption":
            self.caption += data
        else:
            self.rows[-1][-1] += data


def test_what_is_in_a_cell_is_text():
    html = html_table("a < b", ("x", "<y>"), [(1, "<script>"), (None, 2.5)])
    assert "<script>" not in html
    seen = Cells(html)
    assert (seen.caption, seen.rows) == ("a < b", [["x", "<y>"], ["1", "<script>"], ["", "2.5"]])


def test_a_circuit_shows_its_phases():
    circuit = training_circuit(4, 3, 2)
    seen = Cells(circuit._repr_html_())
    assert seen.caption == "nbp 4-3-2"
    assert seen.rows[1:] == [list(row) for row in circuit.table_rows()]


def test_a_plan_shows_what_it_takes_and_whether_it_fits():
    plan = make_plan(training_circuit(4, 3, 2), "loihi1")
    seen, resources = Cells(plan._repr_html_()), plan.as_dict()["resources"]
    assert "neurocores, fits" in seen.caption
    shown = {name.replace(" ", "_"): [int(n) for n in numbers] for name, *numbers in seen.rows[1:]}
    assert shown == {name: [r["fullest_core"], r["limit"], r["all_cores"]] for name, r in resources.items()}


def test_a_run_shows_its_last_epochs(tmp_path):
    config = experiment(tmp_path, DIGITS, "epochs=12")
    train(config, tmp_path / "run")
    run = load_run(tmp_path / "run")
    seen = Cells(run._repr_html_())
    assert seen.caption == "nbp 64-20-10, target sample, seed 2, epoch 12"
    assert seen.rows[0] == list(run.rows[0])
    assert [row[0] for row in seen.rows[1:]] == [str(k) for k in range(3, 13)]
    k = seen.rows[0].index("test_exact")
    assert [row[k] for row in seen.rows[1:]] == [f"{record['test_exact']:.5g}" for record in run.rows[2:]]


def test_a_study_shows_its_trials(tmp_path):
    seen = Cells(StudyFolder(tmp_path, digits_study())._repr_html_())
    assert seen.rows[0] == ["trial", "state", "data.threshold", "seed", "accuracy"]
    assert seen.rows[1] == ["0_threshold-0.3_seed-1", "waiting", "0.3", "1", ""]
    assert len(seen.rows) == 7
