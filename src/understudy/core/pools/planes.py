"""Which part of the kernel serves a virtual service, and why: nf_tables where it can do all that is asked, else IPVS.

Nothing is approximated: a service that asks for what its plane cannot do gets a sentence for each such thing, with what to write
instead. What a plane does, but not as somebody may expect, is said as well (``differs``). What the two do alike stands at
``cannot_nft``. ``check`` asks ``foreseen``, which knows nothing of the kernel; the balancer asks ``choose``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ...services import (
    SCHEDULERS,
    Forward,
    OnFailure,
    Plane,
    Protocol,
    RealServer,
    ServiceFiles,
    Timeouts,
    VirtualService,
)

IN_NFT = ("rr", "wrr", "random", "sh")
_MOST_TURNS = 1 << 31
_WORDS = 'scheduler "rr" (in turn), "wrr" (by weight), "random" or "sh" (by the client\'s address)'


def cannot_nft(service: VirtualService) -> list[str]:
    """What nf_tables cannot do of the service, as sentences; [] when it can serve it.

    As IPVS does it: rr, wrr, sh (a client whose server has weight 0 gets another one, as with sh-fallback), persistence with
    granularity, firewall marks, weight 0, servers removed. ``random`` only nf_tables has.
    """
    found = []
    servers = _servers(service)
    if service.scheduler not in IN_NFT:
        there = "which IPVS has" if service.scheduler in SCHEDULERS else "which IPVS may have as a module of its own"
        found.append(f'nftables has no scheduler "{service.scheduler}", {there}: write {_WORDS}')
    strange = [flag for flag in service.flags if service.scheduler != "sh" or flag not in ("sh-fallback", "sh-port")]
    if strange:
        found.append(f'nftables knows no scheduler flag {", ".join(strange)} with "{service.scheduler}": leave it out')
    if service.persistence_engine:
        found.append(f"nftables has no persistence engine {service.persistence_engine}: leave it out")
    found += _servers_nft(servers)
    odd = [server.name for server in _here_by_nat(service) if server.address not in ("127.0.0.1", "::1")]
    if odd:
        found.append(f"nftables knows this machine as 127.0.0.1 and ::1 only ({', '.join(odd)}): write one of them")
    if others := _of_other_family(service, servers):
        found.append(f"nftables does not reach servers of the other address family ({', '.join(others)})")
    away = {server.forward for server in servers if not _loopback(server)}
    if len(away) > 1:
        found.append(
            "nftables reaches all servers of a service in the same way: write one of nat and direct for all of them"
        )
    if service.one_packet and Forward.NAT in away:
        found.append("nftables cannot schedule single datagrams by NAT: leave one-packet scheduling out, or use direct")
    sctp = any(key.protocol == Protocol.SCTP.value for key in service.keys)
    if sctp and service.persistence and Forward.DIRECT in away:
        found.append("nftables does not see where a connection of SCTP begins by direct routing: leave persistence out")
    if service.one_packet and service.persistence:
        found.append("one-packet scheduling and persistence contradict each other: leave one of them out")
    weights = [server.weight for server in servers if server.weight]
    if weights and sum(weights) // math.gcd(*weights) >= _MOST_TURNS:
        found.append("the weights are too many together: write smaller ones of the same ratio")
    for key in service.keys:
        if not key.mark and not key.port and not service.persistence:
            found.append(f"{key} serves every port and needs persistence: write a port, or a persistence")
    return found


def _servers(service: VirtualService) -> list[RealServer]:
    return [*service.reals, *([service.fallback] if service.fallback is not None else [])]


def _here_by_nat(service: VirtualService) -> list[RealServer]:
    return [server for server in _servers(service) if _loopback(server) and server.forward is Forward.NAT]


def _loopback(server: RealServer) -> bool:
    return server.address.startswith("127.") or server.address == "::1"


def _of_other_family(service: VirtualService, servers: Sequence[RealServer]) -> list[str]:
    families = {key.family for key in service.keys}
    return [server.name for server in servers if families != {6 if ":" in server.address else 4}]


def _servers_nft(servers: Sequence[RealServer]) -> list[str]:
    found = []
    tunnelled = [server.name for server in servers if server.forward is Forward.TUNNEL]
    limited = [server.name for server in servers if server.upper or server.lower]
    if tunnelled:
        found.append(f"nftables has no tunnels ({', '.join(tunnelled)}): write nat or direct")
    if limited:
        found.append(f"nftables does not count open connections ({', '.join(limited)}): leave their thresholds out")
    return found


def cannot_ipvs(service: VirtualService) -> list[str]:
    """What IPVS cannot do of the service, as sentences; [] when it can serve it. Kernels may lack single schedulers."""
    found = []
    if service.scheduler == "random":
        found.append('IPVS has no scheduler "random": write "rr", "wrr" or "wlc", or plane nftables')
    untunnelled = [server for server in _servers(service) if server.forward is not Forward.TUNNEL]
    if others := _of_other_family(service, untunnelled):
        found.append(f"IPVS reaches servers of the other address family by tunnels only ({', '.join(others)})")
    for key in service.keys:
        if not key.mark and not key.port and not service.persistence:
            found.append(f"{key} serves every port and needs persistence: write a port, or a persistence")
    return found


def choose(
    service: VirtualService, has_ipvs: bool, has_nft: bool, synchronised: bool = False
) -> tuple[Plane | None, list[str]]:
    """Which plane serves it, and why; None when none can, with what to do about it.

    ``synchronised``: connections are told to the other machine, which IPVS alone can do; so it is taken where there is one.
    """
    nft, ipvs = cannot_nft(service), cannot_ipvs(service)
    if service.plane is Plane.NFTABLES:
        if not has_nft:
            return None, ["this kernel has no nftables"]
        return (None, nft) if nft else (Plane.NFTABLES, ["nftables, as the configuration says"])
    if service.plane is Plane.IPVS:
        if not has_ipvs:
            return None, ["this kernel has no IPVS: load ip_vs, or leave the plane out"]
        return (None, ipvs) if ipvs else (Plane.IPVS, ["IPVS, as the configuration says"])
    if synchronised and has_ipvs and not ipvs:
        return Plane.IPVS, ["IPVS, because connections are synchronised, which nftables cannot do"]
    if has_nft and not nft:
        return Plane.NFTABLES, ["nftables can do all that the service asks for"]
    if has_ipvs and not ipvs:
        return Plane.IPVS, ["IPVS, because " + reason for reason in nft] or [
            "IPVS, because this kernel has no nftables"
        ]
    why = nft if has_nft else ["this kernel has no nftables"]
    return None, [
        *why,
        *(ipvs if has_ipvs else ["this kernel has no IPVS, which could do it" if not ipvs else ipvs[0]]),
    ]


def foreseen(service: VirtualService, synchronised: bool) -> tuple[Plane | None, str]:
    """As ``choose`` for a kernel that has both, in a sentence, with what only the machine that runs it decides."""
    plane, why = choose(service, True, True, synchronised)
    text = "; ".join(why)
    if plane is None:
        return None, text
    if plane is Plane.IPVS:
        if choose(service, False, True)[0] is Plane.NFTABLES:
            return plane, f"{text} (when it runs: by nftables, not synchronised, where the kernel has no ip_vs)"
        return plane, f"{text} (when it runs: not served where the kernel has no ip_vs)"
    if service.plane is Plane.NFTABLES:
        return plane, f"{text} (when it runs: not served where the kernel has no nf_tables)"
    other = "not served" if cannot_ipvs(service) else "by IPVS"
    return plane, f"{text} (when it runs: {other} where the kernel has no nf_tables)"


def differs(service: VirtualService, plane: Plane) -> list[str]:
    """What ``plane`` does of the service otherwise than the words say or the other plane does it, as sentences."""
    found = []
    here = [server.name for server in _here_by_nat(service)]
    if here and plane is Plane.NFTABLES:
        found.append(
            f"NAT to {', '.join(here)} leads to that port of the address of the device by which a packet comes: "
            "the program must listen on all addresses, one that listens on the loopback address alone is not reached"
        )
    elif here:
        found.append(
            f"IPVS drops what it would translate to a loopback address ({', '.join(here)}): "
            "write direct, and let the program listen at the service's own address and port"
        )
    ports = {key.port for key in service.keys if key.port}
    as_is = [server for server in _servers(service) if server.forward is not Forward.NAT]
    moved = [server.name for server in as_is if ports - {server.port}]
    if moved:
        found.append(
            f"without NAT no port is rewritten: {', '.join(moved)} gets its packets at the service's port; "
            "write that port, or nat"
        )
    if plane is Plane.NFTABLES:
        found += _differs_nft(service)
    return found


def _differs_nft(service: VirtualService) -> list[str]:
    found = []
    quiet = any(not real.weight or real.on_failure is OnFailure.QUIET for real in service.reals)
    if service.scheduler == "sh" and "sh-fallback" not in service.flags and quiet:
        found.append(
            'clients whose server has weight 0 get another one, as with the flag "sh-fallback"; without it IPVS refuses them'
        )
    away = {server.forward for server in _servers(service) if not _loopback(server)}
    ports = {key.port for key in service.keys if key.port}
    moved = [server.name for server in _here_by_nat(service) if ports - {server.port}]
    if moved and Forward.DIRECT in away:
        found.append(
            f"while servers by direct routing stand beside it, {', '.join(moved)} is reached at the service's port"
        )
    own = [real.name for real in service.reals if _loopback(real)]
    if own and service.persistence:
        found.append(f"persistence does not hold for this machine as a server ({', '.join(own)})")
    if service.persistence and Forward.DIRECT in away and any(key.mark for key in service.keys):
        found.append("persistence of a firewall mark by direct routing holds for TCP only")
    return found


def judge(files: ServiceFiles, plane_of: Callable[[VirtualService], Plane | str]) -> list[tuple[str, str]]:
    """(sentence, level) of what no plane serves, an error, and of what is done otherwise than may be expected, a warning.

    ``plane_of``: which plane a service gets, or why none.
    """
    found: list[tuple[str, str]] = []
    planes: dict[str, Plane | None] = {}
    for service in files.services:
        plane = plane_of(service)
        planes[service.name] = plane if isinstance(plane, Plane) else None
        if isinstance(plane, Plane):
            where = f"service {service.name}, {plane.value}"
            found += [(f"{where}: {text}", "warning") for text in differs(service, plane)]
        else:
            found.append((f"service {service.name}: no plane can serve it: {plane}", "error"))
    return found + [(text, "warning") for text in beside(files, planes)]


def beside(files: ServiceFiles, planes: Mapping[str, Plane | None]) -> list[str]:
    """Settings of IPVS that mean nothing for services of nftables. ``planes``: by the services' names."""
    names = [service.name for service in files.services if planes.get(service.name) is Plane.NFTABLES]
    if not names:
        return []
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    found = []
    if files.timeouts != Timeouts():
        found.append(f"the time-outs of IPVS do not hold for services of nftables ({shown})")
    if files.sync is not None:
        found.append(
            f"connections of services of nftables are not synchronised ({shown}): after a take-over they are reset; "
            'write plane = "ipvs" where they are to go on'
        )
    return found
