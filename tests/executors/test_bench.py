import json

import numpy as np
import pytest

from lava_nbp.errors import LavaNBPError
from lava_nbp.executors import bench as module


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    monkeypatch.setattr(module, "_PRIMITIVES", ((12, 9, 4), 3))
    monkeypatch.setattr(module, "_EPOCHS", 1)
    monkeypatch.setattr(module, "_ORACLE", 1)
    monkeypatch.setattr(module, "_FUSED", 40)
    monkeypatch.setattr(module, "_MESSAGES", 2)
    monkeypatch.setattr(module, "_STOCK_SAMPLES", 1)


def test_every_executor_is_measured_with_its_work():
    report = module.bench((30, 20, 5), pre_train=200, samples=20)
    assert json.loads(json.dumps(report)) == report
    rows = report["executors"]
    assert [r["target"] for r in rows] == ["reference", "sample", "spiking", "lava", "lava", "lava-primitives"]
    for row in rows:
        assert row["samples"] == 20
        assert row["microseconds_per_sample"] > 0
        assert row["synaptic_events_per_sample"] > row["spikes_per_sample"] > 0
    assert rows[0]["times_faster_than_numpy_loop"] == 1
    # Same circuit, same samples: the same work, whatever runs it.
    work = [[r[k] for k in r if k.endswith("_per_sample") and "micro" not in k] for r in rows]
    assert work[0] == work[1]
    assert np.allclose(work[2], work[3])
    assert np.allclose(work[3], work[4])
    assert np.allclose(work[4], work[5])
    parts = report["primitives"]
    assert parts["layers"] == [12, 9, 4]
    assert [parts[key]["processes"] for key in ("one_process", "primitives", "stock")] == [3, 14, 94]
    for key in ("one_process", "primitives", "stock"):
        assert all(value > 0 for value in parts[key].values())
    exact = report["eventprop"]
    assert exact["yinyang_data"] == "generated samples"
    assert 0 < exact["gradient_error"] < 1e-9
    assert 0 < exact["oracle_error"] < 1e-5
    assert exact["yinyang_seconds_per_epoch"] > 0
    for key in ("clocked", "lava", "lava_primitives"):
        assert exact[f"{key}_ms_per_sample"] > 0
    assert exact["lava_primitives_ms_per_sample"] > exact["lava_ms_per_sample"]
    assert "mnist_ms_per_sample" not in exact  # there are no files here


def test_disagreement_is_not_timed(monkeypatch):
    from lava_nbp.nbp.sample_engine import SampleExecutor

    def wrong(self):
        return {"W1": self._net.W1 + 2, "W2": self._net.W2T.T.copy()}

    # The warm-up network is trained by the sample executor too; only what is compared must differ.
    start = module.make_executor

    def make(target, circuit, weights, **options):
        executor = start(target, circuit, weights, **options)
        if target == "sample" and "W1" in weights and make.calls:
            monkeypatch.setattr(SampleExecutor, "read_weights", wrong)
        make.calls += 1
        return executor

    make.calls = 0
    monkeypatch.setattr(module, "make_executor", make)
    with pytest.raises(LavaNBPError, match="sample disagrees with the reference in W1"):
        module.bench((30, 20, 5), pre_train=50, samples=20)
