"""What virtual routers promise, in plain sentences: how safe they are, which outage to expect, what to know of them."""

from __future__ import annotations

from collections.abc import Iterator

from ..units import SECOND, Duration, format_duration
from ..vrrp_files import RouterFiles, VirtualRouter


def router_advice(files: RouterFiles) -> tuple[str, ...]:
    """Sentences for ``understudy check`` and the log: safety first, then speed."""
    if not files.routers:
        return ("There is no virtual router: nothing is done.",)
    return (
        *_safety(files),
        *_authentication(files),
        *_intervals(files),
        *_outage(files),
        *_faults(files),
        *_priorities(files),
        *_scripts(files),
        *_rest(files),
    )


def down_time(router: VirtualRouter) -> Duration:
    """How long after the last advertisement it takes over: the intervals and the skew (RFC 3768 5.2.3, RFC 9568 section 6.1)."""
    base = SECOND if router.version == 2 else router.interval
    return router.down_adverts * router.interval + (256 - router.priority) * base // 256


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _names(routers: list[VirtualRouter]) -> str:
    """At most a few of them: a file may have hundreds."""
    names = [router.name for router in routers]
    return _listed(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _safety(files: RouterFiles) -> Iterator[str]:
    bare = [router for router in files.routers if not router.lease_group and router.second_path is None]
    second = [router for router in files.routers if not router.lease_group and router.second_path is not None]
    if second:
        yield (
            f"{_names(second)}: as long as one of both paths is whole, routers that have both have one master. When both fail "
            "together, each is: VRRP cannot tell a dead router from cut cables."
        )
    leased = [router for router in files.routers if router.lease_group]
    if leased:
        yield (
            f"{_names(leased)}: only the node that holds the lease may be master, so when the path of the advertisements or any "
            "other fails, the nodes of this cluster have one master, as far as its votes promise it for a group (above). A "
            "router that is no node of the cluster asks nobody: with a higher priority it is master, and cut off from the holder "
            "a second one."
        )
    if bare:
        yield (
            f"Not safe by itself: VRRP cannot tell a dead router from a cut cable. {_names(bare)}: when only the path of the "
            "advertisements fails, both machines become master and both answer for the addresses."
        )
        yield (
            "Remedy: a second path between the routers (second_path), by which they hear that the master lives; or two "
            "Understudy machines with a [cluster] in their file have one master, whatever is cut."
        )
    yield (
        "A machine that freezes, or whose daemon hangs or is killed, stops answering for its addresses by itself: the kernel "
        "ends its right to serve before another router can take over. This needs nftables."
    )


def _authentication(files: RouterFiles) -> Iterator[str]:
    plain = [router for router in files.routers if router.auth == "PASS"]
    signed = [router for router in files.routers if router.auth == "AH"]
    none = [router for router in files.routers if not router.auth]
    if plain:
        yield (
            f"PASS protects nothing ({_names(plain)}): the password is in every advertisement, readable by anybody on that "
            "network. It only keeps two configurations apart that do not belong together."
        )
    if signed:
        yield (
            f"AH is weak ({_names(signed)}): it is signed with MD5 and a key of eight characters, and a router that starts "
            "takes old advertisements for new ones. Keep strangers off that network all the same."
        )
    if none:
        yield (
            f"Nothing protects the advertisements of {_names(none)}: whoever can send on that network can become master. Keep "
            "it to the routers; version 3 has no authentication at all."
        )


def _intervals(files: RouterFiles) -> Iterator[str]:
    two = sorted({(router.interval, router.vrid) for router in files.routers if router.version == 2})
    if two:
        spans = _listed(sorted({format_duration(interval) for interval, _ in two}))
        yield (
            f"Version 2: every router of a virtual router must have the same advert_int ({spans} here). A keepalived refuses "
            "one with another interval, and both would be master."
        )
    versions = {router.version for router in files.routers}
    if len(versions) > 1:
        yield "Both versions are used: routers of different versions do not hear each other, so each group needs one of them."


def _outage(files: RouterFiles) -> Iterator[str]:
    slowest = max(files.routers, key=down_time)
    quickest = min(files.routers, key=down_time)
    longest, shortest = format_duration(down_time(slowest)), format_duration(down_time(quickest))
    span = f"{longest}" if longest == shortest else f"{shortest} ({quickest.name}) to {longest} ({slowest.name})"
    yield (
        f"When the master loses power, this machine takes over {span} after its last advertisement: "
        f"{'three' if slowest.down_adverts == 3 else slowest.down_adverts} intervals and a skew that grows as the priority "
        "falls. A planned stop is answered at once."
    )
    if any(router.lease_group for router in files.routers):
        yield "The lease of the cluster is waited for as well, a dead time: the longer of both counts."
    if any(router.version == 2 for router in files.routers):
        yield "Version 2 has at most one advertisement a second; version 3 has up to a hundred, on every router of the group."


def _faults(files: RouterFiles) -> Iterator[str]:
    for kind, word in (("script", "script"), ("process", "process"), ("interface", "interface")):
        found = sorted(
            {
                track.name
                for router in files.routers
                for track in router.tracks
                if track.kind == kind and not track.weight
            }
        )
        if found:
            names = _listed(found[:4])
            yield (
                f"Without a weight a failure is FAULT: when the {word} {names} fails, its routers let go of their addresses, "
                "even if no other machine is there to take them. A weight only lowers or raises the priority."
            )


def _priorities(files: RouterFiles) -> Iterator[str]:
    owners = [router for router in files.routers if router.priority == 255]
    masters = [router for router in files.routers if router.begins_as_master and router.priority != 255]
    waiting = [router for router in files.routers if not router.preempt]
    if owners:
        yield (
            f"Priority 255 is for the one machine that owns the address ({_names(owners)}): nothing that is tracked lowers it, "
            "it takes over in any case, and two of them fight."
        )
    if masters:
        yield f"state MASTER decides nothing here ({_names(masters)}): the priority does, after one full wait at the start."
    if waiting:
        yield (
            f"nopreempt ({_names(waiting)}): who is master stays it. A priority that rises or falls by tracking changes nothing "
            "then before the master is gone."
        )
    strict = [router for router in files.routers if not router.accept and router.priority != 255]
    if strict:
        yield (
            f"The addresses of {_names(strict)} do not answer here, not even to ping: strict mode and no_accept say so. Only "
            "what is forwarded passes."
        )


def _scripts(files: RouterFiles) -> Iterator[str]:
    notified = [router.notified for router in files.routers] + [group.notified for group in files.sync_groups]
    commands = [script.command for script in files.scripts]
    commands += [
        each for item in notified for each in (item.master, item.backup, item.fault, item.stop, item.any) if each
    ]
    settings = files.settings
    if commands and not settings.script_user:
        more = "" if settings.script_security else " and enable_script_security is off"
        yield (
            f"No script_user is named{more}: scripts run as keepalived_script if there is such a user, else as root. Whoever can "
            "change one of them or its folder is root then. Write script_user."
        )
    slow = [script.name for script in files.scripts if script.timeout > script.interval]
    if slow:
        yield f"The script {_listed(slow)} may run longer than its interval: while it runs the next run is left out."


def _rest(files: RouterFiles) -> Iterator[str]:
    synced = {name for group in files.sync_groups for name in group.members}
    alone = [router for router in files.routers if router.name not in synced]
    if len(files.routers) > 1 and alone and len({router.device for router in files.routers}) > 1:
        yield (
            f"{_names(alone)} move each by itself: where traffic comes in by one and leaves by another, put them into one "
            "vrrp_sync_group."
        )
