"""What the readers of Heartbeat's files may know of the machine: plain facts, gathered by the command line, invented by tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface

from ..heartbeat_files import DEFAULT_PORT


def _nothing(path: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Network:
    """An address of this machine with the prefix length of its network, and the interface that has it."""

    device: str
    address: str
    prefix: int


@dataclass(frozen=True, slots=True)
class Machine:
    """``scripts``: the file of each resource script by its name, as Heartbeat's search order gives it. ``units``: the names of
    all units of systemd that have a file. ``agents``: the OCF agents of the provider heartbeat. ``hosts``: addresses by name,
    from /etc/hosts. ``is_program``: whether a path is a program; ``exists``: whether there is anything.
    """

    host: str
    devices: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    scripts: Mapping[str, str] = field(default_factory=dict)
    units: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    is_program: Callable[[str], bool] = _nothing
    exists: Callable[[str], bool] = _nothing
    port: int = DEFAULT_PORT
    """Of the services entry ``ha-cluster``, if there is one."""
    named: bool = False
    """Somebody has said that this is its name; the machine was not asked, whose host name may be set later."""

    def network_of(self, address: str, device: str = "") -> Network | None:
        """The network in which an address lies (the smallest, when several do), on ``device`` where one is named."""
        try:
            wanted = ip_address(address)
        except ValueError:
            return None
        fitting = [
            network
            for network in self.networks
            if device in ("", network.device) and wanted in ip_interface(f"{network.address}/{network.prefix}").network
        ]
        return max(fitting, key=lambda network: network.prefix) if fitting else None

    @property
    def name(self) -> str:
        """What Heartbeat calls this machine: the host name in lower case."""
        return self.host.lower()
