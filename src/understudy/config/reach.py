"""``[groups.NAME.stays_where]``: ping targets, and how long nodes have to differ before the group moves for it."""

from __future__ import annotations

from ..probes import Reach
from ..units import HOUR, SECOND, Duration
from .addresses import Wrong, read_host
from .report import Report, Scope
from .tree import Place, Table

DEFAULT_DAMPING: Duration = 5 * SECOND
SHORTEST_DAMPING: Duration = SECOND
LONGEST_DAMPING: Duration = HOUR


def read_addresses(report: Report, scope: Scope) -> tuple[tuple[str, Place], ...]:
    """The list of addresses under ``ping``, each once."""
    found: dict[str, Place] = {}
    for text, place in scope.texts("ping", "addresses") or []:
        host = read_host(text)
        if isinstance(host, Wrong):
            report.error(place, host.text, host.hint)
            continue
        address = str(host[0]) if host[1] is None else f"{host[0]}%{host[1]}"
        if address in found:
            report.error(place, f'"ping" lists {address} twice', "Keep one of them.")
        found[address] = place
    return tuple(found.items())


def read_reach(report: Report, scope: Scope, group: str) -> tuple[Reach | None, tuple[tuple[str, Place], ...]]:
    """What the section says, and where its addresses stand; None without it, or after reporting what is wrong."""
    value = scope.value("stays_where")
    if value is None:
        return None, ()
    if not isinstance(value.data, Table):
        hint = f'Write [groups.{group}.stays_where] with ping = ["192.168.58.1"].'
        scope.wrong("stays_where", "a section", value, hint)
        return None, ()
    own = Scope(report, value.data, f"[groups.{group}.stays_where]", value.place)
    targets = read_addresses(report, own)
    damping = own.duration("damping", SHORTEST_DAMPING, LONGEST_DAMPING)
    if "ping" not in own:
        own.missing("ping", 'Write ping = ["192.168.58.1"], a machine outside the cluster such as the router.')
    own.finish()
    if not targets:
        return None, ()
    return Reach(tuple(address for address, _ in targets), DEFAULT_DAMPING if damping is None else damping), targets
