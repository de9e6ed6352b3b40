"""What a configuration promises, in plain sentences: how safe it is, and which outage to expect.

Every sentence follows from the configuration alone. Where a number depends on the machine (how long a program takes to
start), the sentence says so and does not guess.
"""

from __future__ import annotations

from ..model import (
    AddressResource,
    Cluster,
    Group,
    NotifyResource,
    Quorum,
    RealServerResource,
    RouteResource,
    SourceAddressResource,
)
from ..units import format_duration
from .lookups import looked_up
from .router_advice import router_advice


def advice(cluster: Cluster) -> tuple[str, ...]:
    """Sentences for ``understudy check`` and the log: safety first, then speed."""
    routers = () if cluster.routers is None else router_advice(cluster.routers)
    if cluster.routers is not None and not cluster.key_file:
        if cluster.services is not None and not cluster.routers.routers:
            return (
                "There is no virtual router: the services are always served here, whoever sees to their addresses.",
            )
        return routers
    policies = {Quorum.PAIR: _pair, Quorum.FENCE: _fence, Quorum.MAJORITY: _majority}
    safety = policies[cluster.quorum](cluster)
    twice = (_twice(group) for group in cluster.groups)
    return (
        *safety,
        *_paths(cluster),
        *_outage(cluster),
        *filter(None, twice),
        _planned(cluster),
        _frozen(cluster),
        *_names(cluster),
        *routers,
    )


def safety(cluster: Cluster) -> str:
    """The first thing to know, as one sentence for the log at start."""
    return advice(cluster)[0]


def _majority(cluster: Cluster) -> tuple[str, ...]:
    votes, needed = len(cluster.members), cluster.majority
    spare = votes - needed
    witnesses = [name for name in cluster.names if name not in {node.name for node in cluster.nodes}]
    can = f"any {_number(spare)} of the {_number(votes)} may fail"
    text = (
        "Safe: no two machines have the right to serve one group at the same time, whatever fails, because "
        f"{_number(needed)} of {_number(votes)} votes are needed ({', '.join(cluster.names)}); {can} and the groups go on."
    )
    rest = (
        f"A machine that is in contact with fewer than {_number(needed)} of the votes, its own included, "
        "stops serving: better nobody than two."
    )
    if len(witnesses) == 1:
        rest += f" The witness {witnesses[0]} only votes; without it the nodes go on, as long as they reach each other."
    return text, rest


def _pair(cluster: Cluster) -> tuple[str, ...]:
    names = " and ".join(cluster.names)
    also = " and the service network between them" if any(group.addresses for group in cluster.groups) else ""
    text = (
        f"Not safe if every heartbeat path between {names}{also} fails while both machines go on: "
        "then neither can tell a dead peer from a cut cable, and both may serve the same group."
    )
    probe = (
        "Before a machine takes an address it asks the service network whether anybody uses it, so cut heartbeat "
        "cables alone do not give an address two owners. Programs without an address have no such check."
    )
    if cluster.ping:
        ping = f"A machine that reaches neither its peer nor any ping target ({', '.join(cluster.ping)}) lets go of its groups."
    else:
        ping = "There are no ping targets, so a machine that is cut off from everything goes on serving."
    remedy = (
        'Remedy: a witness, one small process on any third machine ([witness.NAME], quorum = "majority"); '
        "then this cannot happen."
    )
    return text, probe, ping, remedy


def _fence(cluster: Cluster) -> tuple[str, ...]:
    one, other = cluster.names
    text = (
        f"Safe as long as fence devices tell the truth: of {one} and {other}, a node takes a group only with the other's vote, "
        "or once a device has confirmed that the other is off."
    )
    keeps = (
        "A holder keeps its groups when the other fails or cannot be reached. When a holder falls silent, the other asks the "
        "service network whether anybody answers for its addresses, and only if nobody does has it switched off."
    )
    first = f"When both may want that, {one} goes first and {other} waits {format_duration(cluster.fence_delay)}."
    met = (
        "A node that has not met the other since it started fences nobody, so that a machine that was fenced does not shoot the "
        "one that serves when it comes back. A start of one machine alone waits for the other, or for "
        "`understudy confirm-off NODE` by somebody who has seen that it is off."
    )
    return text, keeps, first, met


def _paths(cluster: Cluster) -> tuple[str, ...]:
    """How many separate paths the nodes have, for the pair with the fewest."""
    fewest: tuple[int, str] | None = None
    nodes = cluster.nodes
    for index, one in enumerate(nodes):
        for other in nodes[index + 1 :]:
            shared = {link.network for link in one.links} & {link.network for link in other.links}
            count = (len(shared), f"{one.name} and {other.name}")
            if fewest is None or count[0] < fewest[0]:
                fewest = count
    if fewest is None:
        return ()
    paths, pair = fewest
    if paths >= 2:
        return (f"Every two nodes have {_number(paths)} heartbeat paths or more; one broken cable silences nobody.",)
    if paths == 1:
        return (
            f"{pair} have a single heartbeat path: one broken cable and they hear of each other only through others, if at all.",
        )
    return (f"{pair} share no network and hear of each other only through others.",)


def _outage(cluster: Cluster) -> tuple[str, ...]:
    dead_time = format_duration(cluster.dead_time)
    text = (
        f"When the serving machine loses power, its addresses are silent for at most the dead time ({dead_time}) plus "
        "a few milliseconds; programs of the group that are not already running elsewhere add the time they take to start."
    )
    waits = [_wait(cluster, group) for group in cluster.groups if group.exclusive]
    return (text, *waits)


def _wait(cluster: Cluster, group: Group) -> str:
    """What happens when a machine falls silent that runs parts which must not run twice."""
    fenced = [node.name for node in cluster.nodes if cluster.fence_levels(node.name)]
    watched = [node.name for node in cluster.nodes if node.watchdog]
    bare = [node.name for node in cluster.nodes if node.name not in fenced and node.name not in watched]
    if len(bare) == len(cluster.nodes):
        return _wait_by_time(group)
    parts = _listed([resource.id for resource in group.resources if resource.exclusive])
    ways = []
    if fenced:
        ways.append(f"until a fence device has confirmed that it is off ({_listed(fenced)})")
    if watched:
        span = format_duration(cluster.watchdog_timeout)
        ways.append(f"until its watchdog has reset it, at most twice {span} later ({_listed(watched)})")
    text = f"{group.name}: {parts} must never run twice. When its machine falls silent, the next one waits {' or '.join(ways)}."
    if bare:
        span = format_duration(group.stop_timeout)
        text += f" For {_listed(bare)} there is neither: the next machine waits stop_timeout ({span})."
    return text


def _wait_by_time(group: Group) -> str:
    parts = [resource.id for resource in group.resources if resource.exclusive]
    return (
        f"{group.name}: {_listed(parts)} must never run twice. When its machine falls silent and cannot say that "
        f"{'it is' if len(parts) == 1 else 'they are'} over, the next machine waits a further stop_timeout "
        f"({format_duration(group.stop_timeout)}) before it starts the group. If something of it should still run "
        "after that, nothing stops it there: a fence device or a watchdog would."
    )


_OWN_END = (AddressResource, RouteResource, SourceAddressResource, NotifyResource, RealServerResource)
"""An address ends with the right to it; a route serves nobody by itself, a program that is told does not stay, and real servers
may be many."""


def _twice(group: Group) -> str:
    """Which programs and mounts no proof of stop protects; "" for none."""
    parts = [
        resource.id for resource in group.resources if not resource.exclusive and not isinstance(resource, _OWN_END)
    ]
    if not parts:
        return ""
    they, them, are = ("it", "it", "is") if len(parts) == 1 else ("they", "them", "are")
    return (
        f"{group.name}: {_listed(parts)} {are} not exclusive and may run on two machines for a while: when one falls silent or "
        f"cannot stop {them}, the next one does not wait for proof that {they} {are} over. "
        "Where two at once do damage, write exclusive = true."
    )


def _planned(cluster: Cluster) -> str:
    programs = [group.name for group in cluster.groups if len(group.addresses) < len(group.resources)]
    text = (
        "A planned move (move, standby, fail back) waits for no dead time: the holder stops the group and hands it over"
    )
    if programs:
        return f"{text}, so the interruption is the time that stopping and starting its programs takes."
    return f"{text}, so the interruption is the time of that hand-over."


def _frozen(cluster: Cluster) -> str:
    dead_time = format_duration(cluster.dead_time)
    return (
        "A machine that freezes, or whose daemon hangs or stays dead, stops answering for its addresses by itself: "
        f"the kernel ends its right to serve no later than the dead time ({dead_time}) after it was last renewed. "
        "This needs nftables; without it addresses expire in whole seconds."
    )


def _names(cluster: Cluster) -> tuple[str, ...]:
    names = looked_up(cluster)
    if not names:
        return ()
    return (
        f"Looked up by name: {_listed(list(names))}. While no name server answers, what needs them fails: write addresses, or "
        "put the names into /etc/hosts on every node. Understudy itself looks up no host names.",
    )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _number(value: int) -> str:
    small = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return small[value] if value < len(small) else str(value)
