from pathlib import Path

import pytest

from lava_nbp.errors import ConfigError
from lava_nbp.training.config import load_config

CONFIGS = Path(__file__).parents[2] / "run_configs"
GOOD = 'epochs = 3\n[data]\nname = "digits"\n[network]\nn_hidden = 20\n'


def config(tmp_path, text=GOOD, *overrides):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load_config(path, overrides)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_configuration_is_valid(path):
    experiment = load_config(path)
    algorithm = next((name for name in ("eventprop", "slayer") if path.stem.endswith(name)), "nbp")
    assert experiment.algorithm == algorithm
    chip = path.stem.endswith("_loihi2")
    targets = {"eventprop": "continuous", "slayer": "slayer", "nbp": "loihi2" if chip else "sample"}
    assert experiment.target == targets[algorithm]


def test_the_papers_settings_are_shipped():
    mnist, fashion = load_config(CONFIGS / "mnist.toml"), load_config(CONFIGS / "fashion_mnist.toml")
    assert (mnist.data.crop, mnist.network.n_hidden, mnist.epochs, mnist.data.threshold) == (4, 400, 60, 0.5)
    assert (fashion.data.crop, fashion.network.n_hidden, fashion.epochs, fashion.data.threshold) == (0, 400, 40, 0.5)


def test_defaults_and_overrides(tmp_path):
    experiment = config(tmp_path, GOOD, "target=lava", "data.crop=1", "lava.granularity=step", "data.threshold=0")
    assert experiment.target == "lava"
    assert experiment.data.crop == 1
    assert experiment.lava.granularity == "step"
    assert experiment.data.threshold == 0.0
    assert experiment.epochs == 3
    assert config(tmp_path, GOOD, 'data.name="mnist"').data.name == "mnist"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "unknown key epoch = 3; did you mean epochs?"),
        ("network.n_hiden=5", "unknown key network.n_hiden = 5; did you mean network.n_hidden|did you mean n_hidden"),
        ("zzz=1", "unknown key zzz = 1; allowed are algorithm, target, seed, epochs, lava, data, network"),
        ("epochs=0", "epochs = 0: input should be greater than or equal to 1"),
        ("epochs=2.5", "epochs = 2.5: input should be a valid integer"),
        ("epochs=many", "epochs = 'many': input should be a valid integer"),
        ("epochs=true", "epochs = True: input should be a valid integer"),
        ("seed=-1", "seed = -1: input should be greater than or equal to 0"),
        ("network.n_hidden=0", "network.n_hidden = 0: input should be greater than or equal to 1"),
        ("network.n_hidden=-3", "network.n_hidden = -3: input should be greater"),
        ("network.n_hidden=1000000000", "network.n_hidden = 1000000000: input should be less than or equal to 1048576"),
        ("network.n_hidden=1e9", "network.n_hidden = 1000000000.0: input should be a valid integer"),
        ("network.initial_clip=241", "network.initial_clip = 241: input should be a multiple of 2"),
        ("network.initial_clip=256", "network.initial_clip = 256: input should be less than or equal to 254"),
        ("network.initial_input_scale=-1", "network.initial_input_scale = -1.0: input should be greater than"),
        ("network.initial_output_mean=nan", "network.initial_output_mean = nan"),
        ("target=gpu", "target is 'gpu', but must be one of reference, sample, spiking, lava, lava-primitives"),
        ("target=Lava", r"target is 'Lava', .* \(did you mean 'lava'\?\)"),
        ("data.name=cifar", "data.name is 'cifar', but must be one of digits, mnist, fashion_mnist, npz"),
        ("data.threshold=1.5", "data.threshold = 1.5: input should be less than 1"),
        ("data.crop=-1", "data.crop = -1"),
        ("lava.granularity=epoch", "lava.granularity is 'epoch', but must be one of step, sample"),
        ("lava.timeout=0", "lava.timeout = 0: input should be greater than 0"),
        ("data=3", r"data = 3: must be a section, \[data\]"),
        ("epochs.n=3", "epochs is a value, not a section"),
        ("epochs", "write key=value"),
        ("=3", "write key=value"),
        ("data..crop=3", "write key=value"),
    ],
)
def test_mistakes_are_named(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, GOOD, override)


def test_missing_keys_and_files(tmp_path):
    with pytest.raises(ConfigError, match="key epochs is missing; add it; key network is missing"):
        config(tmp_path, '[data]\nname = "digits"\n')
    with pytest.raises(ConfigError, match="is not valid TOML"):
        config(tmp_path, "epochs = = 3")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_config(tmp_path / "binary.toml")
