"""What this machine has of what Heartbeat's files may name. Looks and changes nothing."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import socket
from ipaddress import ip_address

from ..adapters.addresses import links_and_addresses
from ..adapters.agent_script import SCRIPT_DIRECTORIES
from ..adapters.installed import UNIT_DIRECTORIES, is_program
from ..config.heartbeat_machine import Machine, Network
from ..heartbeat_files import DEFAULT_PORT

_AGENTS = "/usr/lib/ocf/resource.d/heartbeat"


def look(folder: str) -> Machine:
    """This machine, for the Heartbeat files in ``folder``, whose own ``resource.d`` is searched first."""
    return Machine(
        host=_host(folder),
        devices=frozenset(name for _, name in socket.if_nameindex()),
        networks=_networks(),
        hosts=_hosts(),
        users=frozenset(entry.pw_name for entry in pwd.getpwall()),
        groups=frozenset(entry.gr_name for entry in grp.getgrall()),
        scripts=_scripts(folder),
        units=frozenset(_units()),
        agents=frozenset(path.rpartition("/")[2] for path in glob.glob(f"{_AGENTS}/*")),
        is_program=is_program,
        exists=os.path.exists,
        port=_port(),
    )


def _host(folder: str) -> str:
    """The first line of ``nodeinfo`` where there is one, else the host name."""
    try:
        with open(os.path.join(folder, "nodeinfo"), encoding="ascii", errors="replace") as file:
            return file.readline(200).strip() or socket.gethostname()
    except OSError:
        return socket.gethostname()


def _networks() -> tuple[Network, ...]:
    links, addresses = links_and_addresses()
    names = {link.index: link.name for link in links}
    found = []
    for item in addresses:
        address = ip_address(item.packed)
        alone = item.prefix == address.max_prefixlen  # a virtual address, most likely
        if item.index in names and not address.is_loopback and not address.is_link_local and not alone:
            found.append(Network(names[item.index], str(address), item.prefix))
    return tuple(found)


def _hosts() -> dict[str, str]:
    """The first address of each name in /etc/hosts. No name server is asked."""
    found: dict[str, str] = {}
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return found
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            found.setdefault(name.lower(), address)
    return found


def _scripts(folder: str) -> dict[str, str]:
    own = os.path.join(os.path.abspath(folder), "resource.d")
    found: dict[str, str] = {}
    for place in dict.fromkeys((own, *SCRIPT_DIRECTORIES)):
        for path in sorted(glob.glob(os.path.join(glob.escape(place), "*"))):
            if is_program(path):
                found.setdefault(path.rpartition("/")[2], path)
    return found


def _units() -> set[str]:
    places = [os.path.join("/", place) for place in UNIT_DIRECTORIES]
    return {path.rpartition("/")[2] for place in places for path in glob.glob(os.path.join(place, "*.service"))}


def _port() -> int:
    try:
        return socket.getservbyname("ha-cluster", "udp")
    except OSError:
        return DEFAULT_PORT
