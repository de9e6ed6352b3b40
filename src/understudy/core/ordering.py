"""Order between groups (``after``): a group starts when those that it comes after have started, wherever they are, and are up
if they have probes.

Where both leave one machine, it also stops before them. It is an order of starting and stopping, nothing more: a group that runs
goes on when one that it came after moves or fails. (What must share a machine says ``with``.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..messages import NodeState, Phase
from ..units import Instant
from .charge import Charge
from .placement import Decision

if TYPE_CHECKING:
    from .steward import Steward


def started(
    steward: Steward,
    states: Mapping[str, NodeState],
    decisions: Mapping[str, Decision],
    holders: Mapping[str, str],
) -> frozenset[str]:
    """The groups that are started and to stay where they are; nothing is read where no group asks for it."""
    wanted = {name for charge in steward.charges.values() for name in charge.group.after}
    found = set()
    for name in wanted:
        holder = holders.get(name)
        if holder is None or name not in decisions:
            continue
        decision = decisions[name]
        # Another's that would be better elsewhere may have been put there by an operator, which only its holder knows.
        if decision.node != holder and (holder == steward.me or holder not in decision.order):
            continue
        if holder == steward.me:
            charge = steward.charges[name]
            phase, up = charge.execution.phase(), charge.health.up
        else:
            reports = states[holder].groups if holder in states else ()
            phase = next((item.phase for item in reports if item.group == name), Phase.UNKNOWN)
            up = holder in states and name not in states[holder].not_up
        if phase is Phase.STARTED and up:
            found.add(name)
    return frozenset(found)


def not_up(steward: Steward) -> tuple[str, ...]:
    """Of the groups held here that others come after: those whose probes do not say that they are up."""
    wanted = {name for charge in steward.charges.values() for name in charge.group.after}
    if not wanted:
        return ()
    held = (name for name in steward.charges if name in wanted and steward.claims.held(name) is not None)
    return tuple(name for name in held if not steward.charges[name].health.up)


def waits_for(steward: Steward, charge: Charge) -> str:
    """The groups that have to start first, as a sentence, or "". Of one that was started here once, none."""
    if not charge.group.after:
        return ""
    if charge.execution.phase() is Phase.STARTED:
        charge.was_started = True
    missing = [name for name in charge.group.after if name not in steward.started]
    if charge.was_started or not missing:
        return ""
    probed = [name for name in missing if name in steward.charges and steward.charges[name].group.probes]
    plain = [name for name in missing if name not in probed]
    words = [f"{' and '.join(plain)} {'have' if len(plain) > 1 else 'has'} started"] if plain else []
    if probed:
        words.append(
            f"{' and '.join(probed)} {'are' if len(probed) > 1 else 'is'} up by {'their' if len(probed) > 1 else 'its'} probes"
        )
    return f"waits until {' and '.join(words)}"


def stop_first(steward: Steward, charge: Charge, decisions: Mapping[str, Decision], now: Instant) -> tuple[str, ...]:
    """Groups that leave this machine as well and come after this one: they stop before it, within their stop timeouts."""
    found = []
    for name, other in steward.charges.items():
        if charge.group.name not in other.group.after or steward.claims.held(name) is None:
            continue
        if decisions[name].node == steward.me or other.execution.stopped():
            continue
        since = other.execution.stop_since
        if since is None or now < since + other.group.stop_timeout:
            found.append(name)
            steward.wake(now + other.group.stop_timeout if since is None else since + other.group.stop_timeout)
    return tuple(found)
