"""Whether this machine passes packets on: without that real servers by NAT get nothing, and no plane says so."""

from __future__ import annotations

from ..services import Forward, ServiceFiles

SETTINGS = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


def not_forwarded(files: ServiceFiles, root: str = "/proc/sys") -> list[str]:
    """A sentence for each address family of which servers are reached by NAT while the kernel passes nothing on.

    Only this machine's network namespace is looked at. One that cannot be asked is not complained of.
    """
    found = []
    for family, setting in SETTINGS.items():
        names = [
            f"{real.name} of {service.name}"
            for service in files.services
            for real in service.reals
            if real.forward is Forward.NAT and (":" in real.address) is (family == 6) and not _loopback(real.address)
        ]
        if names and _is_off(f"{root}/{setting.replace('.', '/')}"):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            found.append(f"{setting} is 0: nothing comes to servers by NAT ({names[0]}{more}); sysctl -w {setting}=1")
    return found


def _loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _is_off(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() == "0"
    except (OSError, ValueError):
        return False
