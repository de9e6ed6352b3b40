"""Every move has a cause that the history names: before a group has another holder, it was noted why the former one lost it.

The truth of who holds a group is the kernel lease; what is searched is only what people can read. A note counts that was made
since the former holder took the group, and that says of it one of: it lets go (with the reason), it was lost, is off or counts as
silent, it is a new incarnation. What the taker said of it earlier counts as long as it has not said that it is up again; and so
does that the taker has not heard of it since its own start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..effects import Effect, Mark, Note
from .host import Host
from .world import Observer, World, WorldTime

KEPT = 20_000
"""Notes that are looked at: of more than the longest time that a group stays between two moves in a search."""

OF_THE_GROUP = ("leaves ", "let go of it", "released ballot")
OF_THE_MACHINE = ("is lost", "is off", "new incarnation", "started; it grants nothing", "counts as silent")
UNHEARD = "not heard since"
AGAIN = "is up, "


@dataclass(frozen=True, slots=True)
class Told:
    """A note as it was made. ``counter``: of the last datagram that its machine had sent before that turn."""

    at: WorldTime
    host: str
    note: Note
    counter: int

    def explains(self, group: str, former: str) -> bool:
        """Whether it says why ``former`` does not hold ``group`` any more."""
        if self.note.group == group and self.host == former:
            return any(words in self.note.why for words in OF_THE_GROUP)
        return self.note.node == former and any(words in self.note.why for words in OF_THE_MACHINE)

    @property
    def stamp(self) -> tuple[Mark, ...]:
        """As the daemon completes it."""
        own, *others = self.note.stamp
        return (Mark(own.member, own.incarnation, own.number, self.counter), *others)


@dataclass(frozen=True, slots=True)
class Move:
    """``taken`` is the taker's own note, ``cause`` the newest one before it that names why."""

    group: str
    former: str
    holder: str
    taken: Told | None
    cause: Told | None


class Causes(Observer):
    """Calls ``add`` for each move without a cause. ``moves`` and ``notes`` are for those who want to read on."""

    heeds = (Note,)

    def __init__(self, add: Callable[[World, str, str], None]) -> None:
        self._add = add
        self.notes: deque[Told] = deque(maxlen=KEPT)
        self.moves: list[Move] = []
        self._holders: dict[str, tuple[str, WorldTime]] = {}
        self._ends: dict[tuple[str, str], WorldTime] = {}

    def wished(self, host: Host, effect: Effect) -> None:
        if isinstance(effect, Note):
            self.notes.append(Told(host.world.now, host.name, effect, host.sealed_before))

    def lease_changed(self, host: Host, group: str, until: WorldTime) -> None:
        now = host.world.now
        before = self._ends.get((group, host.name), 0)
        self._ends[group, host.name] = until
        if until <= now or before > now:  # ended, or renewed: under ``pair`` two may go on renewing theirs for a while
            return
        former, since = self._holders.get(group, ("", 0))
        if former == host.name:
            return
        self._holders[group] = (host.name, now)
        if former:
            self._moved(host, group, former, since)

    def _moved(self, host: Host, group: str, former: str, since: WorldTime) -> None:
        taken = cause = None
        standing = True  # what the taker said of the former holder has not been overtaken by better news of it
        for told in reversed(self.notes):
            if cause is not None or (told.at < since and not standing):
                break
            by_taker = told.host == host.name
            if taken is None and by_taker and told.note.group == group and "ballot" in told.note.why:
                taken = told
                _, unheard, names = told.note.why.partition(UNHEARD)
                if unheard and former in names:
                    cause = told
            elif by_taker and told.note.why.startswith(f"{former} {AGAIN}"):
                standing = False
            elif (told.at >= since or (standing and by_taker)) and told.explains(group, former):
                cause = told
        self.moves.append(Move(group, former, host.name, taken, cause))
        if cause is None:
            self._add(
                host.world, "move-without-cause", f"{group} went from {former} to {host.name}, and no note says why"
            )
