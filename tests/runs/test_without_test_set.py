"""Training that does not look at the test set, and to be summed up later: as a search does it."""

import contextlib
import json

import pytest
from experiments import DIGITS, SLAYER, TIMES, YINYANG, experiment

from lava_nbp.errors import CheckpointError, ConfigError, InputError
from lava_nbp.runs.figures import plot_run
from lava_nbp.runs.report.page import write_report
from lava_nbp.runs.train import train
from lava_nbp.training.checkpoint import load_checkpoint
from lava_nbp.training.learner import Learner
from lava_nbp.training.run import METRICS, RESULT, load_run

KINDS = {
    "nbp": DIGITS,
    "eventprop": YINYANG.replace("epochs = 2", "epochs = 4"),
    "slayer": SLAYER.replace("train = 50", "train = 50\nvalidation = 20").replace("epochs = 1", "epochs = 4"),
}


@pytest.fixture(params=KINDS)
def config(request, tmp_path):
    if request.param == "slayer":
        pytest.importorskip("lava.lib.dl.slayer")
    return experiment(tmp_path, KINDS[request.param])


@pytest.fixture
def asked(monkeypatch):
    """What is answered: splits of sessions that are opened from now on; and whether the test set is inferred."""
    seen = []

    def spied(kind):
        before = kind.evaluate

        def evaluate(self, split, *told):
            seen.append(split)
            return before(self, split, *told)

        monkeypatch.setattr(kind, "evaluate", evaluate)

    opened = {}
    for learner in _all(Learner):
        if "open" in vars(learner):

            def open_(self, *given, before=learner.open):
                session = before(self, *given)
                if type(session) not in opened:
                    opened[type(session)] = True
                    spied(type(session))
                return session

            def infer(self, *given, before=learner.infer):
                seen.append("inference")
                return before(self, *given)

            monkeypatch.setattr(learner, "open", open_)
            monkeypatch.setattr(learner, "infer", infer)
    return seen


def _all(kind):
    import lava_nbp.training.eventprop.learner
    import lava_nbp.training.nbp.learner

    with contextlib.suppress(ImportError):
        import lava_nbp.training.slayer.learner  # noqa: F401
    return [kind, *(below for sub in kind.__subclasses__() for below in _all(sub))]


def test_nothing_is_asked_of_the_test_set(config, asked, tmp_path):
    record = train(config, tmp_path / "run", test=False)
    assert set(asked) == {"validation"}
    assert not (tmp_path / "run" / RESULT).exists()
    text = (tmp_path / "run" / METRICS).read_text()
    assert "test_" not in text
    history = [json.loads(line) for line in text.splitlines()]
    key = f"validation_{config.compared_by}"
    assert record == max(history, key=lambda r: (r[key], -r["epoch"]))


def test_summed_up_later_it_is_the_same_run(config, asked, tmp_path):
    whole = train(config, tmp_path / "whole")
    train(config, tmp_path / "run", test=False)
    del asked[:]
    later = train(config, tmp_path / "run", resume=True)
    assert asked.count("test") == len({later["chosen"]["epoch"], later["last"]["epoch"]})
    assert later["best_on_test"] is None
    assert {k: v for k, v in later.items() if k not in (*TIMES, "best_on_test")} == {
        k: v for k, v in whole.items() if k not in (*TIMES, "best_on_test")
    }
    a, b = load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "run")
    for mine, its in ((a.weights, b.weights), (a.chosen, b.chosen)):
        assert all((mine[name] == its[name]).all() for name in mine)
    del asked[:]
    assert train(config, tmp_path / "run", resume=True) == json.loads((tmp_path / "run" / RESULT).read_text())
    assert "test" not in asked, "it is known by now"


def test_such_a_run_is_an_ordinary_one(tmp_path):
    config = experiment(tmp_path, DIGITS)
    train(config, tmp_path / "run", test=False)
    assert [path.name for path in plot_run(tmp_path / "run")].count("learning_curve.png") == 1
    with pytest.raises(CheckpointError, match="so the run is not finished; go on with lava-nbp train --resume"):
        write_report(tmp_path / "run")
    train(config, tmp_path / "run", resume=True)
    assert "epoch chosen on validation" in write_report(tmp_path / "run").read_text()


def test_more_epochs_with_the_test_set(tmp_path):
    """The best on the test set is nobody's, as some epochs have not seen it."""
    train(experiment(tmp_path, DIGITS), tmp_path / "run", test=False)
    result = train(experiment(tmp_path, DIGITS, "epochs=5"), tmp_path / "run", resume=True)
    rows = load_run(tmp_path / "run").rows
    assert [any(key.startswith("test_") for key in row) for row in rows][3:] == [True, True]
    assert (result["best_on_test"], result["last"]["epoch"]) == (None, 5)


@pytest.mark.parametrize("missing", ["test_exact", "validation_exact"])
def test_metrics_that_are_missing_are_still_found(tmp_path, missing):
    config = experiment(tmp_path, DIGITS)
    train(config, tmp_path / "run", test=missing.startswith("test"))
    state = load_checkpoint(tmp_path / "run")
    del state.history[1][missing]
    state.save(tmp_path / "run")
    with pytest.raises(CheckpointError, match=f"does not have {missing} of epoch 2"):
        train(config, tmp_path / "run", resume=True)


def test_without_validation_samples_there_is_nothing_to_judge_by(tmp_path):
    config = experiment(tmp_path, DIGITS, "data.validation=0")
    with pytest.raises(ConfigError, match=r"judged by validation samples, but data.validation is 0; hold some back"):
        train(config, tmp_path / "run", test=False)
    with pytest.raises(InputError, match="test is 'no', but must be True or False"):
        train(config, tmp_path / "run", test="no")
    assert not (tmp_path / "run").exists()
