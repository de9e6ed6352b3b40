"""What a change of a virtual router's state means to scripts, FIFO and mail: their words. Plain functions.

keepalived's interface (2.2.7): ``notify_master`` and the others get their own arguments only; ``notify`` gets four more, INSTANCE
or GROUP, the name, the state and the priority (0 for groups). In the FIFO stand the same four, the name in quotation marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..adapters.mailer import Mail
from ..vrrp_files import Notified, RouterFiles, RouterGlobals

ANY = "any"
"""The field of ``Notified`` that ``notify`` fills."""

FIELDS = {
    "MASTER": "master",
    "BACKUP": "backup",
    "FAULT": "fault",
    "STOP": "stop",
    "DELETED": "deleted",
    "MASTER_RX_LOWER_PRI": "lower_priority",
}
"""The field of ``Notified`` for each state that has one."""

STATES = frozenset({"MASTER", "BACKUP", "FAULT", "STOP", "DELETED"})
"""Those that ``notify`` is called for; the FIFO has more."""

MAILED = frozenset({"MASTER", "BACKUP", "FAULT"})


@dataclass(frozen=True, slots=True)
class Told:
    """One ``vrrp.Tell`` as it came from the pulse."""

    what: str
    name: str
    state: str
    priority: int
    why: str = ""
    ballot: int = 0

    @classmethod
    def of(cls, packet: Mapping[str, Any]) -> Told | None:
        """None when the packet makes no sense."""
        texts = [packet.get(name) for name in ("what", "name", "state")]
        numbers = [packet.get("priority"), packet.get("ballot", 0)]
        if not all(isinstance(item, str) for item in texts) or not all(type(item) is int for item in numbers):
            return None
        what, name, state = texts
        priority, ballot = numbers
        return cls(str(what), str(name), str(state), int(priority or 0), str(packet.get("why", "")), int(ballot or 0))

    @property
    def line(self) -> bytes:
        """For the FIFO."""
        return f'{self.what} "{self.name}" {self.state} {self.priority}\n'.encode("utf-8", "surrogateescape")

    @property
    def environment(self) -> dict[str, str]:
        """Besides keepalived's arguments: what they do not say."""
        found = {
            "UNDERSTUDY_ROUTER": self.name,
            "UNDERSTUDY_KIND": self.what,
            "UNDERSTUDY_STATE": self.state,
            "UNDERSTUDY_PRIORITY": str(self.priority),
            "UNDERSTUDY_WHY": self.why.replace("\0", ""),
        }
        return found | ({"UNDERSTUDY_BALLOT": str(self.ballot)} if self.ballot else {})


@dataclass(frozen=True, slots=True)
class Call:
    """One script to run. ``user``: "" for the usual one."""

    argv: tuple[str, ...]
    user: str
    field: str


def notified_of(files: RouterFiles, what: str, name: str) -> Notified | None:
    """None: nothing of that name is configured (any more)."""
    found = files.sync_groups if what == "GROUP" else files.routers
    return next((item.notified for item in found if item.name == name), None)


def calls(notified: Notified, told: Told) -> tuple[Call, ...]:
    """The scripts for it, in their order: that of the state, then ``notify``."""
    users = dict(notified.users)
    own = FIELDS.get(told.state)
    found = []
    if own is not None and getattr(notified, own):
        found.append(Call(getattr(notified, own), users.get(own, notified.user), own))
    if notified.any and told.state in STATES:
        more = (told.what, told.name, told.state, str(told.priority))
        found.append(Call((*notified.any, *more), users.get(ANY, notified.user), ANY))
    return tuple(found)


def every_call(notified: Notified) -> tuple[Call, ...]:
    """All its scripts, whatever happens; without the arguments that ``notify`` gets besides."""
    users = dict(notified.users)
    found = ((name, getattr(notified, name)) for name in (*FIELDS.values(), ANY))
    return tuple(Call(argv, users.get(name, notified.user), name) for name, argv in found if argv)


def subject(told: Told, router_id: str) -> str:
    """As keepalived has it, for whoever sorts mail by it."""
    kind = "Group" if told.what == "GROUP" else "Instance"
    text = f"[{router_id}] VRRP {kind} {told.name} - Entering {told.state} state"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def body(told: Told, node: str, at: str) -> str:
    """What happened and why. ``at``: when, in words."""
    priority = f"Priority: {told.priority}\n" if told.what == "INSTANCE" else ""
    kind = "Sync group" if told.what == "GROUP" else "Virtual router"
    return f"{kind} {told.name} on {node} is {told.state}.\n\nWhy: {told.why or 'not said'}\n{priority}When: {at}\n"


def mail_of(settings: RouterGlobals, subject: str, text: str, node: str) -> Mail:
    """To whom the settings say; to nobody when they name nobody."""
    return Mail(settings.mail_from or f"understudy@{node}", settings.mails, subject, text, settings.mail_server)
