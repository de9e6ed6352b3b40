"""A weight that stands in a file (keepalived's FILE_CHECK): the file is read at each asking."""

from __future__ import annotations

from ..adapters.track_files import read_number
from ..service_checks import FileQuestion
from .asker import Ears

LEAST, MOST = -(2**31), 2**31 - 1
"""keepalived's bounds for real servers; the least is down."""


class File:
    """Asks a file. One that is missing, or has no number in it, counts as 0, as with keepalived."""

    def __init__(self, ears: Ears, question: FileQuestion) -> None:
        self._ears, self._question = ears, question

    def ask(self) -> None:
        found = read_number(self._question.path, -LEAST)
        value = found.value * self._question.factor
        if value <= LEAST or (not self._question.factor and found.value):
            self._ears.over(f"{self._question.path} says {found.value}, which takes it out", None)
        else:
            self._ears.over("", min(value, MOST))

    def expire(self) -> None:
        self._ears.ours(f"{self._question.path} could not be read in time")

    def cancel(self) -> None:
        pass
