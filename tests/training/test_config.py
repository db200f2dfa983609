import os
import re
from pathlib import Path

import pytest
from experiments import MAX_VOLTAGE, SLAYER, YINYANG

from lava_nbp.base.targets import TARGETS, Target
from lava_nbp.data.encodings import Encoding
from lava_nbp.data.options import DataOptions
from lava_nbp.data.sets import DATA_SETS
from lava_nbp.errors import ConfigError, InputError
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.nbp.faults import Faults
from lava_nbp.training.algorithms import ALGORITHMS
from lava_nbp.training.config import load_config, parse_config

CONFIGS = Path(__file__).parents[2] / "run_configs"
GOOD = 'epochs = 3\n[data]\nname = "digits"\n[network]\nn_hidden = 20\n'


def config(tmp_path, text=GOOD, *overrides):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load_config(path, overrides)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_configuration_is_valid(path):
    experiment = load_config(path)
    algorithm = next((name for name in ("eventprop", "slayer") if name in path.stem.split("_")), "nbp")
    assert experiment.algorithm == algorithm
    chip = path.stem.endswith("_loihi2")
    targets = {"eventprop": "continuous", "slayer": "slayer", "nbp": "loihi2" if chip else "sample"}
    if path.stem.endswith("_eventprop_loihi"):  # learned in the chip's arithmetic, which no chip learns with
        assert experiment.clocked.neuron == "loihi"
        targets["eventprop"] = "clocked"
    assert experiment.target == targets[algorithm]


#: The least that an algorithm's configuration has beside its data.
LEAST = {
    "nbp": {"network": {"n_hidden": 3}},
    "eventprop": {
        "encoding": {"late": 1, "end": 2},
        "network": {"hidden": [2], "initial_mean": [1, 1], "initial_deviation": [1, 1]},
    },
    "slayer": {"encoding": {"late": 1, "end": 2}, "network": {"hidden": [2], "dt": 1}},
}


def test_the_readme_says_which_algorithm_takes_which_data_set():
    """All others are refused, in a line that names those that it takes."""
    readme, takes = (CONFIGS.parent / "README.md").read_text(), {}
    table = readme.partition("| `data.name` | a sample | algorithms |\n")[2].partition("\n\n")[0]
    for names, algorithms in re.findall(r"^\| (`.*`) \| .* \| (.*) \|$", table, re.MULTILINE):
        takes |= dict.fromkeys(re.findall("`([^`]+)`", names), algorithms.split(", "))
    assert list(takes) == list(DATA_SETS)
    assert LEAST.keys() == ALGORITHMS.keys()
    for name, algorithms in takes.items():
        for algorithm, rest in LEAST.items():
            content = {"algorithm": algorithm, "epochs": 1, "data": {"name": name}, **rest}
            if algorithm in algorithms:
                parse_config(content, "here")
                continue
            with pytest.raises(ConfigError) as refused:
                parse_config(content, "here")
            kind = "spike times" if name == "yinyang" else "events"
            assert str(refused.value) == (
                f"configuration here: data.name is {name!r}, whose samples become {kind}, not bits (a spike or none "
                f"per input); use one of digits, mnist, fashion_mnist, npz"
            )


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
        ("data.threshold=1.5", "data.threshold is 1.5, but must be a part of full scale, 0 or more and below 1"),
        ("data.crop=-1", "data.crop = -1"),
        ("lava.granularity=epoch", "lava.granularity is 'epoch', but must be one of step, sample"),
        ("lava.timeout=0", "lava.timeout = 0: input should be greater than 0"),
        ("lava.in_process=1", "lava.in_process = 1: input should be a valid boolean"),
        ('lava.in_process="true"', "lava.in_process = 'true': input should be a valid boolean"),
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


#: Numbers of every section, and an experiment that has it; those of lists are first entries.
REALS = {
    GOOD: (
        "data.threshold", "network.initial_input_scale", "network.initial_output_mean", "faults.dead", "lava.timeout",
    ),
    YINYANG: (
        "encoding.early", "encoding.late", "encoding.bias", "encoding.end", "neuron.tau_m", "neuron.tau_s",
        "neuron.theta", "neuron.spread", "loss.tau0", "loss.tau1", "loss.alpha", "learning.rate", "learning.decay",
        "learning.dropout", "learning.silent_strength", "learning.silent_lower", "learning.silent_upper",
        "learning.delay_rate", "learning.constant_rate", "learning.constants_range", "learning.floor", "clocked.dt",
        "clocked.floor", "clocked.lowest_rung", "clocked.highest_rung", "clocked.largest_weight",
        "clocked.largest_recurrent", "network.initial_mean",
        "network.initial_deviation", "network.recurrent_deviation", "network.initial_delay", "network.longest_delay",
    ),
    SLAYER: (
        "network.dt", "network.initial_scale", "neuron.threshold", "neuron.current_decay", "neuron.voltage_decay",
        "neuron.tau_grad", "neuron.scale_grad", "learning.rate", "learning.true_rate", "learning.false_rate",
    ),
}  # fmt: skip
LISTS = (
    "initial_mean",
    "initial_deviation",
    "recurrent_deviation",
    "largest_weight",
    "largest_recurrent",
    "initial_delay",
    "constants_range",
)


def keys_of(table):
    """Rows for `parametrize`: an experiment and a key of it."""
    return [pytest.param(text, key, id=key) for text, keys in table.items() for key in keys]


@pytest.mark.parametrize(("text", "key"), keys_of(REALS))
def test_every_real_is_finite_and_has_limits(tmp_path, text, key):
    for value in ("nan", "inf", "-inf", "1e400", "1e308", "-1e308", "1" + 400 * "0", "true", "'1'"):
        with pytest.raises(ConfigError) as caught:
            config(tmp_path, text, f"{key}={f'[{value}, 1]' if key.endswith(LISTS) else value}")
        said = str(caught.value)
        assert any(part in said for part in (key.split(".")[1], "spikes from", "silent policy"))
        assert len(said) < 400
        assert "\n" not in said


INTEGERS = {
    GOOD: ("seed", "epochs", "data.crop", "data.side", "data.train", "network.n_hidden", "network.initial_clip",
           "faults.seed", "loihi.chunk"),
    YINYANG: ("data.validation", "encoding.darkest", "network.hidden", "learning.batch", "learning.threads",
              "clocked.theta_bits", "clocked.refractory", "clocked.rungs"),
    SLAYER: ("learning.batch", "network.hidden", "learning.threads"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "key"), keys_of(INTEGERS))
def test_every_integer_is_one(tmp_path, text, key):
    for value in ("nan", "inf", "-1", "0.5", "1e3", "true", "'1'"):
        with pytest.raises((ConfigError, InputError), match=key.split(".")[-1]) as caught:
            _ = getattr(
                config(tmp_path, text, f"{key}={f'[{value}]' if key == 'network.hidden' else value}"), "setup", 0
            )
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "setting", "message"),
    [
        (
            YINYANG,
            "network.hidden=[1048576]",
            "a layer of 1048576 neurons, .* some 10.5 GB of memory and 1 s",
        ),
        (SLAYER, "network.hidden=[65537]", "a layer of 65537 neurons, .*; use 65536 at most"),
        (YINYANG, f"network.hidden={[1] * 65}", "network.hidden = .*at most 64 items"),
        (YINYANG, "encoding.end=1e9", "encoding.end = 1000000000.0: input should be less than or equal to 1000000"),
        (GOOD, "epochs=1000001", "epochs = 1000001: input should be less than or equal to 1000000"),
        (
            YINYANG,
            "learning.batch=10000000",
            "learning.batch = 10000000: input should be less than or equal to 1000000",
        ),
        (YINYANG, "neuron.tau_m=1e-9", r"neuron.tau_m = 1e-09: must be in 0.001 \.\. 1e\+06"),
        (YINYANG, "loss.alpha=1e7", r"loss.alpha = 10000000.0: must be in 0 \.\. 1e\+06"),
        (YINYANG, "encoding.late=inf", "encoding.late = inf: must be a finite number"),
    ],
)
def test_sizes_have_limits(tmp_path, text, setting, message):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, text, setting)


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("network.initial_mean=[1]",), "network.initial_mean has 1 entries, but there are 2 layers behind the input"),
        (("clocked.largest_weight=[1]",), "clocked.largest_weight has 1 entries, but there are 2 layers behind the"),
        (("encoding.early=40",), "encoding: spikes from 40.0 to 30.0 ms"),
        (("encoding.darkest=300",), "encoding.darkest"),
        (
            ("neuron.tau_m=0",),
            r"neuron.tau_m = 0: must be in 0.001 \.\. 1e\+06, or a list of such numbers, one per layer",
        ),
        (("neuron.tau=3",), r"unknown key neuron.tau = 3; did you mean tau_[sm]\?"),
        (("neuron=3",), r"neuron = 3: must be a section, \[neuron\] with keys below it"),
        (("loss.tau0=0",), r"loss.tau0 = 0: must be in 1e-06 \.\. 1e\+09; it is in ms"),
        (("learning.silent_lower=-1",), r"learning.silent_lower = -1: must be in 0 \.\. 1e\+06, or a list of such"),
        (
            ("learning.silent=spike_count", "learning.silent_upper=[1, 2]"),
            "upper of the silent policy has 2 entries, but there are 1 hidden layers",
        ),
        (("neuron.tau_m=[10, 20, 30]",), "neuron.tau_m has 3 entries, but there are 2 layers behind the input"),
        (("neuron.theta=[1, nan]",), r"neuron.theta = .*: must be in 0.001 \.\. 1000, or a list of such numbers"),
        (("neuron.spread=true",), "neuron.spread = .*: must be in 0 .. 3, or a list of such numbers"),
        (("network.initial_delay=[90, 0]",), "network.initial_delay reaches 90 ms, but network.longest_delay is 62"),
        (("network.recurrent_delay=[9, 0]",), "network.recurrent_delay of layer 1 is 9 ms, but it has no recurrent"),
        (("network.initial_delay=[9]",), "network.*initial_delay has 1 entries, but there are 2 layers"),
        (("learning.constants_range=[9, 3]",), "learning: constants_range is 9 .. 3 ms, but the first must be smaller"),
        (("data.crop=1",), "data.crop is 1, but means nothing for the data set yinyang"),
        (("data.source=new",), "data.source is 'new', but must be one of auto, published, generated"),
        (("data.train=1.5",), "data.train = 1.5: input should be a valid integer"),
    ],
)
def test_what_a_section_refuses_is_said_with_its_key(tmp_path, settings, message):
    """One line with the key: not the whole section, and not the whole file under an empty key."""
    with pytest.raises(ConfigError, match=f"config.toml: {message}") as caught:
        config(tmp_path, YINYANG, *settings)
    assert "{" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("target=lava", "faults.dead=0.1"), "target 'lava' cannot run with faults.dead; use one of sample, spiking"),
        (("faults.apart=true", "faults.lost=1"), "faults.apart breaks copies one by one, but target 'sample' has none"),
        (("faults.dead=1.5",), "faults.dead = 1.5: must be a share or probability in 0 .. 1"),
        (("faults.seed=-1",), "faults.seed = -1: must be an integer in 0 .."),
        (("faults.deat=0.1",), r"unknown key faults.deat = 0.1; did you mean dead\?"),
        (("faults.dead=true",), "faults.dead = True: input should be a valid number"),
        (("loihi.node=a", "loihi.host=b"), "loihi: partition, node and host each say where to run; give one of them"),
        (("target=lava-stock",), "target 'lava-stock' delivers spikes before it learns, .*network.chip_order = true"),
        (("network.guarded=1",), "network.guarded = 1: must be true or false"),
        (("network.gaurded=true",), r"unknown key network.gaurded = True; did you mean guarded\?"),
        (
            ("network.nonsense=3",),
            "unknown key network.nonsense = 3; allowed are circuit, .*, guarded, chip_order",
        ),
    ],
)
def test_what_the_whole_refuses_is_one_line(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=f"config.toml: {message}") as caught:
        config(tmp_path, GOOD, *settings)
    assert "{" not in str(caught.value)


def test_sections_are_the_dataclasses_of_the_library(tmp_path):
    """Whole numbers are taken for real ones, as TOML writes them."""
    nbp = config(tmp_path, GOOD, "faults.dead=1", "faults.seed=3")
    assert nbp.faults == Faults(dead=1.0, seed=3)
    assert isinstance(nbp.faults.dead, float)
    timed = config(tmp_path, YINYANG, "neuron.tau_m=10", "encoding.bias=2")
    assert timed.neurons == [NeuronParameters(tau_m=10.0)] * 2
    assert isinstance(timed.encoding, Encoding)
    assert (timed.encoding.early, timed.encoding.late, timed.encoding.bias, timed.encoding.end) == (
        0.0,
        30.0,
        2.0,
        60.0,
    )
    assert timed.data.options == DataOptions(source="generated", validation=40, train=200, test=60)


def test_a_target_of_ones_own_is_one_more_choice(tmp_path):
    with TARGETS.registered(Target("mine", "my simulator", makes={"nbp": lambda *_: None}, faults=True)):
        assert config(tmp_path, GOOD, "target=mine", "faults.dead=0.1").target == "mine"
    with pytest.raises(ConfigError, match="target is 'mine', but must be one of reference, sample"):
        config(tmp_path, GOOD, "target=mine")


def test_checkpoints_have_what_the_file_says(tmp_path):
    """A configuration that is written into a checkpoint is read as the same."""
    for text in (GOOD, YINYANG, SLAYER, MAX_VOLTAGE):
        first = config(tmp_path, text)
        assert parse_config(first.model_dump(mode="json", exclude_none=True), "checkpoint") == first


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seed = " + "[" * 400 + "]" * 400, "nested more than 64 deep"),
        ("a" + ".a" * 400 + " = 1", "nested more than 64 deep"),
        ("seed = " + "9" * 5000, "not valid TOML"),
        ("seed = " + "9" * 50, "seed = 9999"),
        ("epochs = 1\0", "not valid TOML"),
        ("algorithm = []", "algorithm is"),
        ("data = 3", "data = 3: must be a section"),
        ('target = "' + "x" * 100_000 + '"', "target is 'xxx"),
        ("x" * 100_000 + " = 1", "unknown key xxx"),
    ],
)
def test_files_that_lie(tmp_path, content, message):
    path = tmp_path / "config.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"^configuration {path}.*{message}") as caught:
        load_config(path)
    assert len(str(caught.value)) < 900


def test_what_is_no_configuration(tmp_path):
    path = tmp_path / "config.toml"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"cannot be read: it is a FIFO \(pipe\), no file"):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read: File name too long"):
        load_config(tmp_path / ("n" * 300))
    for content in (None, [], "text"):
        with pytest.raises(ConfigError, match="configuration here is .*, but must be a dictionary"):
            parse_config(content, "here")


@pytest.mark.parametrize(
    "override",
    [
        "a" + ".a" * 400 + "=1", "seed=" + "[" * 400, "seed=" + "9" * 5000, "seed=" + "9" * 50, "data.name=\ud800",
        "seed=\0", "=", "x" * 10_000,
    ],
)  # fmt: skip
def test_overrides_that_lie(tmp_path, override):
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, GOOD, override)
    assert len(str(caught.value)) < 500


def test_a_file_with_a_mark_of_its_byte_order(tmp_path):
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_config(tmp_path / "config.toml") == config(tmp_path, GOOD)
