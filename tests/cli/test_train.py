"""train and evaluate: what they print, and which files they write."""

import json

from experiments import YINYANG


def test_train_evaluate_plot(run, tmp_path):
    code, out, _ = run("train", "config.toml", "--out", "run", "--plot")
    assert code == 0
    assert "epoch 3/3" in out
    for name in ("result.json", "metrics.jsonl", "checkpoint.npz", "raster.png", "learning_curve.png"):
        assert (tmp_path / "run" / name).exists()
        assert name in out or name in ("metrics.jsonl", "checkpoint.npz")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    code, out, _ = run("evaluate", "run", "--json", "--target", "spiking")
    assert code == 0
    assert json.loads(out)["last"]["test_accuracy_spikes"] == result["test_accuracy_spikes"]
    code, out, _ = run("evaluate", "run")
    assert (code, f"{100 * result['test_accuracy_spikes']:.2f} %" in out) == (0, True)
    assert run("plot", "run")[0] == 0


def test_eventprop_train_evaluate_plot(run, tmp_path):
    (tmp_path / "eventprop.toml").write_text(YINYANG)
    code, out, _ = run("train", "eventprop.toml", "--out", "run", "--plot")
    assert code == 0
    for shown in ("epoch 2/2", "accuracy ties right", "the samples are generated ones", "class_map.png", "raster.png"):
        assert shown in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    code, out, _ = run("evaluate", "run", "--json")
    assert (code, json.loads(out)["last"]["test_accuracy"]) == (0, result["test_accuracy"])
    code, _, err = run("evaluate", "run", "--target", "sample")
    assert (code, "target of eventprop is 'sample', but must be one of continuous" in err) == (2, True)


def test_default_folder_set_and_resume(run, tmp_path):
    assert run("train", "config.toml", "--set", "epochs=1", "--set", "seed=7")[0] == 0
    folder = tmp_path / "runs" / "config-sample-seed7"
    assert json.loads((folder / "result.json").read_text())["epochs"] == 1
    code, _, err = run("train", "config.toml", "--set", "seed=7")
    assert (code, "holds a run already" in err) == (2, True)
    code, out, _ = run("train", "config.toml", "--set", "seed=7", "--resume")
    assert (code, "going on after epoch 1" in out) == (0, True)
    assert json.loads((folder / "result.json").read_text())["epochs"] == 3


def test_chips_without_lava_loihi(run):
    code, _, err = run("train", "config.toml", "--set", "target=loihi2", "--set", "network.chip_order=true")
    assert code == 2
    assert err.startswith("error: target 'loihi2' needs Intel's lava-loihi")
    assert len(err.splitlines()) == 1
