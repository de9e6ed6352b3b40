"""IPVS's synchronisation of connections: whether this machine tells its connections, takes up those of another, or both.

The holder tells them (master), whoever stands by takes them up (backup), so that they go on after a take-over. Where nobody is
named whose holder that is, both daemons run all the time; they do not hear themselves.
"""

from __future__ import annotations

from ...balance import PoolNote, Synchronise
from ...services import SyncDaemon
from ...units import Duration
from .table import FIRST_WAIT, LONGEST_WAIT

NEITHER = Synchronise(None, False, False, "the configuration does not ask for it")


def roles(daemon: SyncDaemon | None, held: frozenset[str] | None) -> Synchronise | None:
    """What is to run. ``held``: the groups that are here, None while nobody knows; then None, which means: leave it as it is."""
    if daemon is None:
        return NEITHER
    if not daemon.router:
        return Synchronise(daemon, True, True, "no group or virtual router is named whose holder is the master")
    if held is None:
        return None
    here = daemon.router in held
    return Synchronise(daemon, here, not here, f"the address of {daemon.router} is {'' if here else 'not '}here")


class Synchronising:
    """What was asked for last, and what came of it."""

    def __init__(self) -> None:
        self.wanted = NEITHER
        self.trouble = ""
        self._told = ""
        self._tries = 0

    def follow(self, wanted: Synchronise | None) -> list[Synchronise | PoolNote]:
        """What follows from other files, or from another holder."""
        if wanted is None or wanted == self.wanted:
            return []
        before, self.wanted, self.trouble, self._told, self._tries = self.wanted, wanted, "", "", 0
        told = (before.daemon, before.master, before.backup) != (wanted.daemon, wanted.master, wanted.backup)
        return [wanted, PoolNote(sentence(wanted))] if told else []

    def again(self) -> list[Synchronise]:
        """It is asked for once more: somebody may have stopped it, or the kernel may take it now."""
        self.trouble = ""
        return [self.wanted] if self.wanted.daemon is not None else []

    def refused(self, text: str) -> tuple[Duration, list[PoolNote]]:
        """In how long it is tried again; the same trouble is told once."""
        new, self.trouble, self._told = text != self._told, text, text
        wait = min(FIRST_WAIT << min(self._tries, 6), LONGEST_WAIT)
        self._tries += 1
        return wait, [PoolNote(f"connections are not synchronised: {text}", "warning")] if new else []


def sentence(wanted: Synchronise) -> str:
    """For the history."""
    if wanted.daemon is None:
        return f"connections are not synchronised any more: {wanted.why}"
    does = [
        *(["told (master)"] if wanted.master else []),
        *(["taken up from others (backup)"] if wanted.backup else []),
    ]
    return f"connections are {' and '.join(does)} by {wanted.daemon.device}: {wanted.why}"
