"""What a child leaves out of Lava's own work."""

from types import SimpleNamespace

from lava_nbp.on_lava.channels import DirectSelector
from lava_nbp.on_lava.children import _hasten

from lava.magma.core.model.py.model import AbstractPyProcessModel


def model(**methods):
    kind = type("Model", (AbstractPyProcessModel,), {"add_ports_for_polling": None, **methods})
    return kind(SimpleNamespace())


def test_a_built_model_sets_attributes_plainly_and_waits_for_one_channel():
    made = model()
    _hasten(made, direct=True)
    assert type(made).__setattr__ is object.__setattr__
    assert AbstractPyProcessModel.__setattr__ is not object.__setattr__
    made.step = 3
    assert made.step == 3
    assert isinstance(made._selector, DirectSelector)


def test_what_a_model_does_itself_stays():
    seen = []

    def own(self, name, value):
        seen.append(name)
        AbstractPyProcessModel.__setattr__(self, name, value)

    made = model(__setattr__=own)
    selector = made._selector
    _hasten(made, direct=False)
    made.step = 3
    assert seen[-1] == "step"
    assert made._selector is selector
