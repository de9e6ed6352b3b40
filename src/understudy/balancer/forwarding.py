"""Whether this machine forwards packets: without that, servers behind NAT are up by every check, and no client gets an answer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..services import Forward, ServiceFiles, VirtualService

_SETTINGS = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}


def lacking(files: ServiceFiles, folder: str = "/proc/sys/net") -> list[str]:
    """Sentences about services whose clients do not reach their servers. ``folder``: of the kernel's settings."""
    return list(_lacking(files, folder))


def _lacking(files: ServiceFiles, folder: str) -> Iterator[str]:
    for family, setting in _SETTINGS.items():
        names = [service.name for service in files.services if family in _behind_nat(service)]
        if names and not _is_on(os.path.join(folder, setting)):
            word = "net." + setting.replace("/", ".")
            who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
            yield f"{word} is 0: no client of {who} reaches a server, for they are behind NAT; type sysctl -w {word}=1"


def _behind_nat(service: VirtualService) -> set[int]:
    """The families of servers that are reached by NAT, and on other machines."""
    reals = [real for real in service.reals if real.forward is Forward.NAT]
    return {6 if ":" in real.address else 4 for real in reals if real.address != "::1" and real.address[:4] != "127."}


def _is_on(path: str) -> bool:
    """A setting that cannot be read accuses nobody."""
    with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        return int(file.read()) != 0
    return True
