"""The section [loihi] of configurations: which board a chip's target means."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import model_validator

from lava_nbp.errors import InputError, unknown_name
from lava_nbp.loihi.boards import BOARDS, board_of
from lava_nbp.loihi.host import BoardAddress
from lava_nbp.training.config import ConfigSection, Samples


class LoihiConfig(ConfigSection):
    """[loihi]: for targets that are chips; what is not said is the target's: `lava_nbp.loihi.host.default_address`."""

    board: str | None = None
    partition: str | None = None
    node: str | None = None
    generation: str | None = None
    host: str | None = None
    #: Samples that are loaded and run at once.
    chunk: Samples = 500

    #: Keys that say nothing of the board.
    own: ClassVar[frozenset[str]] = frozenset({"chunk"})

    def address(self, default: BoardAddress) -> BoardAddress:
        """How to reach the board: the default, but for what is said here."""
        return replace(default, **self.model_dump(exclude=set(self.own), exclude_none=True))

    @model_validator(mode="after")
    def _possible_address(self) -> LoihiConfig:
        self.address(BoardAddress(""))
        if self.board is not None and self.board not in BOARDS:
            raise ValueError(unknown_name("board", self.board, BOARDS))
        return self

    def check_target(self, target: str) -> None:
        """Raise InputError for a board whose chip is not the target's."""
        usual = board_of(target)
        if self.board is not None and usual is not None and BOARDS[self.board].chip != usual.chip:
            raise InputError(
                f"target {target!r} is for {usual.chip.name}, but loihi.board = {self.board!r} has "
                f"{BOARDS[self.board].chip.name}; change one of them"
            )
