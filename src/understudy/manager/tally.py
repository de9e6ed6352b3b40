"""Rise and fall: when answers that come one by one make a probe up or down. Pure."""

from __future__ import annotations


class Tally:
    """``rise`` good answers in a row make it up, ``fall`` bad ones in a row make it down; before either it is neither."""

    def __init__(self, rise: int, fall: int) -> None:
        self._rise = rise
        self._fall = fall
        self._row = 0
        self._row_of: bool | None = None
        self.up: bool | None = None

    def add(self, good: bool) -> bool:
        """Count one answer; whether that changed what it is."""
        self._row = self._row + 1 if good is self._row_of else 1
        self._row_of = good
        if good is self.up or self._row < (self._rise if good else self._fall):
            return False
        self.up = good
        return True

    def pass_over(self) -> None:
        """A failure that shall not count: what was good before it is no longer in a row, and nothing is bad."""
        self._row, self._row_of = 0, None
