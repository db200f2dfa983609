"""All figures of a run, by the algorithm that made it."""

import pytest
from experiments import YINYANG

from lava_nbp.errors import CheckpointError
from lava_nbp.runs.figures import plot_run
from lava_nbp.runs.train import train
from lava_nbp.training.config import load_config

NBP = 'epochs = 2\n[data]\nname = "digits"\nvalidation = 50\ntrain = 100\ntest = 60\n[network]\nn_hidden = 20\n'
MAX_VOLTAGE = """
algorithm = "eventprop"
epochs = 1
[data]
name = "digits"
validation = 40
train = 100
test = 60
[encoding]
late = 20
end = 40
[network]
hidden = [15]
initial_mean = [0.3, 0.2]
initial_deviation = [0.2, 0.3]
[loss]
name = "max_voltage"
"""
SLAYER = """
algorithm = "slayer"
epochs = 1
[data]
name = "digits"
train = 50
test = 30
[encoding]
late = 5
end = 10
[network]
hidden = [10]
dt = 1
"""
COMMON = [
    "learning_curve.png", "weights.png", "confusion_matrix.png", "gradient_check.png", "raster.png", "raster_wrong.png",
]  # fmt: skip


def figures(tmp_path, text, *overrides):
    (tmp_path / "config.toml").write_text(text)
    train(load_config(tmp_path / "config.toml", overrides), tmp_path / "run")
    paths = plot_run(tmp_path / "run")
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
    return sorted(p.name for p in paths)


def test_all_figures_of_a_run(tmp_path):
    expected = ["raster.png", "learning_curve.png", "weights.png", "confusion_matrix.png", "weight_images.png"]
    assert figures(tmp_path, NBP) == sorted(expected)


@pytest.mark.parametrize("target", ["continuous", "clocked"])
def test_all_figures_of_yin_yang(tmp_path, target):
    found = figures(tmp_path, YINYANG, f"target={target}")
    assert found == sorted([*COMMON, "class_map.png", "clocked_error.png"])


def test_all_figures_of_voltages(tmp_path):
    assert figures(tmp_path, MAX_VOLTAGE) == sorted([*COMMON, "weight_images.png"])


def test_all_figures_of_the_baseline(tmp_path):
    found = figures(tmp_path, SLAYER)
    assert found == sorted({*COMMON, "weight_images.png"} - {"gradient_check.png"})


def test_nothing_to_draw(tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        plot_run(tmp_path)
