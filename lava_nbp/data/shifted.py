"""Training images that are moved by whole pixels, anew in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.fields import settle
from lava_nbp.data.encodings import check_shift, shift_images
from lava_nbp.errors import InputError


@dataclass(frozen=True)
class ShiftedTraining:
    """Images, and what an epoch makes of them.

    Attributes
    ----------
    images : (n, height, width)
        As the data set has them: what is shifted in may come from what is cropped later.
    y : (n,) int64
        Their labels.
    shift : int
        Each image moves by -shift .. shift pixels down and to the right, all equally likely.
    encode : callable
        Makes a split of images and labels.
    stream : tuple of int
        Tells what is drawn here from what else is drawn of the same seed and epoch.

    Raises
    ------
    InputError
        For a shift that leaves nothing of an image.
    """

    images: NDArray[Any]
    y: NDArray[np.int64]
    shift: int
    encode: Callable[[NDArray[Any], NDArray[np.int64]], Any]
    stream: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        settle(self, "shifted samples", InputError, only=("shift",))
        check_shift(self.shift, self.images.shape[1:])

    def of_epoch(self, seed: int, epoch: int) -> Any:
        """What an epoch trains with: the offset of each image follows from seed, epoch and its place."""
        rng = np.random.default_rng([seed, epoch, *self.stream, self.shift])
        offsets = rng.integers(-self.shift, self.shift + 1, (len(self.images), 2))
        return self.encode(shift_images(self.images, offsets), self.y)
