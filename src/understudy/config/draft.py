"""The first configuration of a new cluster as text, with comments for whoever opens it next.

``understudy init`` fills a ``Draft`` from answers; the text is judged by ``config.validate`` like any other file. Nothing
here knows this machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..model import Quorum, Role

HEARTBEATS_PER_DEAD_TIME = 5


@dataclass(frozen=True, slots=True)
class DraftMember:
    """A machine and the addresses that its heartbeats use, IPv4 or IPv6 without a prefix length."""

    name: str
    role: Role
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """``dead_time`` is text with a unit (``"1s"``); ``addresses`` are virtual ones with prefix length, all on ``device``.

    ``command`` is one line as a shell splits it, "" for none. ``ping`` matters to a pair only.
    """

    name: str
    key_file: str
    members: tuple[DraftMember, ...]
    dead_time: str
    group: str
    addresses: tuple[str, ...]
    device: str
    command: str = ""
    ping: tuple[str, ...] = ()
    admin_group: str = ""

    @property
    def quorum(self) -> Quorum:
        """Two machines can only be a pair; three and more decide by majority."""
        return Quorum.PAIR if len(self.members) == 2 else Quorum.MAJORITY


def draft_text(draft: Draft) -> str:
    """Native TOML, in the order in which the documentation explains it."""
    lines = [
        "# The same file on every machine of the cluster; docs/configuration.md explains every word.",
        "",
        "[cluster]",
    ]
    lines.append(f"name = {_text(draft.name)}")
    lines.append(
        f"key_file = {_text(draft.key_file)}".ljust(32) + "# the cluster's secret, mode 0600, beside this file"
    )
    lines.append(
        f"dead_time = {_text(draft.dead_time)}".ljust(32) + "# a client sees an outage of this and a few milliseconds"
    )
    lines.append(f"quorum = {_text(draft.quorum.value)}")
    if draft.ping:
        lines.append(f"ping = {_texts(draft.ping)}".ljust(32) + "# who reaches neither the peer nor these lets go")
    if draft.admin_group:
        text = f"admin_group = {_text(draft.admin_group)}".ljust(32)
        lines.append(text + "# members of this Unix group may use status, move and so on without being root")
    for member in draft.members:
        lines += _member(member)
    lines += ["", f"[groups.{draft.group}]", f"prefer = {_texts(_nodes(draft))}", "resources = ["]
    lines += [f"  {{ address = {_text(address)}, device = {_text(draft.device)} }}," for address in draft.addresses]
    if draft.command:
        lines.append(f"  {{ command = {_text(draft.command)} }},")
    else:
        lines.append(
            '  # { command = ["/usr/sbin/apache2", "-DFOREGROUND"] },   # a program that runs where the address is'
        )
    return "\n".join([*lines, "]"]) + "\n"


def _member(member: DraftMember) -> list[str]:
    if member.role is Role.WITNESS:
        head = f"[witness.{member.name}]".ljust(32) + "# votes, runs nothing"
    else:
        head = f"[nodes.{member.name}]"
    return ["", head, f"links = {_texts(member.addresses)}"]


def _nodes(draft: Draft) -> tuple[str, ...]:
    return tuple(member.name for member in draft.members if member.role is Role.NODE)


def _texts(items: tuple[str, ...]) -> str:
    return f"[{', '.join(_text(item) for item in items)}]"


def _text(text: str) -> str:
    """For printable text a JSON string is a TOML string too; what is not printable is refused when the text is judged."""
    return json.dumps(text, ensure_ascii=False)
