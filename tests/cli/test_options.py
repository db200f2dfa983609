import pytest

from lava_nbp import InputError
from lava_nbp.cli.options import layers_of


def test_any_number_of_layers():
    assert layers_of("400-400-10") == (400, 400, 10)
    assert layers_of("4-2") == (4, 2)
    assert layers_of("9-8-7-6-5") == (9, 8, 7, 6, 5)


@pytest.mark.parametrize(
    "text", ["", "400", "400-", "-10", "400--10", "4-x-2", "4-2.5", "²-3", "1e3-2", "nan-2", "4-" + 5000 * "9"]
)
def test_what_are_no_layers(text):
    with pytest.raises(InputError, match="must be two or more sizes like 400-400-10"):
        layers_of(text)
