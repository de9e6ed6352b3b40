"""``apiauth`` of ha.cf as rights at the control socket: who may ask, and who may command.

Heartbeat lets named clients, and nameless ones (``anon``), onto its API; without a word about these the members of the group
haclient. Its clients are gone, their users stay: whoever may be any client may ask here. To command was root's affair, as only
root could write to the FIFO; here also that of the users and groups of ``apiauth understudy``.
"""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..heartbeat_files import ApiAccess

COMMANDING = "understudy"
"""The client whose users may command."""

NAMELESS = "anon"
NAMELESS_GROUP = "haclient"
"""Who may be a nameless client when ``apiauth`` does not say."""


@dataclass(frozen=True, slots=True)
class Access:
    """Numbers of users and Unix groups. root and our own user may do everything, whatever stands here."""

    asking_users: frozenset[int] = frozenset()
    asking_groups: frozenset[int] = frozenset()
    commanding_users: frozenset[int] = frozenset()
    commanding_groups: frozenset[int] = frozenset()
    missing: tuple[str, ...] = ()
    """A sentence for each user and group that is not there, but for the default one."""

    @property
    def anybody(self) -> bool:
        """Whether there is anyone but root and our own user."""
        return bool(self.asking_users or self.asking_groups or self.commanding_users or self.commanding_groups)

    def right(self, user: int, groups: Iterable[int]) -> bool | None:
        """True: may command; False: may ask; None: neither."""
        found = frozenset(groups)
        if user in self.commanding_users or found & self.commanding_groups:
            return True
        return False if user in self.asking_users or found & self.asking_groups else None


def access_of(entries: Iterable[ApiAccess]) -> Access:
    """May wait for the name service."""
    missing: list[str] = []
    given = tuple(entries)
    users: dict[bool, set[int]] = {True: set(), False: set()}
    groups: dict[bool, set[int]] = {True: set(), False: set()}
    if not any(item.client == NAMELESS for item in given):
        number = _number(NAMELESS_GROUP, lambda name: grp.getgrnam(name).gr_gid)
        groups[False] |= set() if number is None else {number}
    for item in given:
        commands = item.client == COMMANDING
        for kind, names, known in (
            ("user", item.users, lambda name: pwd.getpwnam(name).pw_uid),
            ("group", item.groups, lambda name: grp.getgrnam(name).gr_gid),
        ):
            for name in names:
                number = _number(name, known)
                if number is None:
                    missing.append(f"apiauth {item.client}: there is no {kind} {name} on this machine")
                else:
                    (users if kind == "user" else groups)[commands].add(number)
    return Access(
        frozenset(users[False]),
        frozenset(groups[False]),
        frozenset(users[True]),
        frozenset(groups[True]),
        tuple(missing),
    )


def _number(name: str, known: Callable[[str], int]) -> int | None:
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return known(name)
    except KeyError:
        return None
