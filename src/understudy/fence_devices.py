"""Devices that end a machine which cannot be asked, as a configuration names them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .units import SECOND, Duration


class FenceKind(Enum):
    """How a fence device is spoken to: a fence agent (parameters on standard input), a legacy ``external/`` STONITH plugin
    (parameters in the environment), a command of one's own (``argv``, then the action and the node's name), or a type of the
    program ``stonith`` of cluster-glue (parameters in a file).
    """

    AGENT = "agent"
    EXTERNAL = "external"
    COMMAND = "command"
    STONITH = "stonith"


BY_HAND = "meatware"
"""The type whose device is a human: confirmed by ``understudy confirm-off`` alone."""

_WITHOUT_PROOF = frozenset({"ssh", "external/ssh"})
"""Types that ask the machine itself to restart, and call it success as well when it cannot be reached (cluster-glue 1.0.12)."""


@dataclass(frozen=True, slots=True)
class FenceDevice:
    """Something that can power nodes off and say so.

    ``program``: the agent's name or path (``fence_ipmilan``), the plugin's (``external/ipmi``), for a command its argv[0], the
    type for the program ``stonith``. ``arguments``: the rest of a command's argv; for a type its parameters, in the order in
    which ``stonith -t TYPE -n`` names them, or ``parameters_file`` has them in its first line. ``targets``: (node, plug) of the
    nodes that it can fence; plug "" where the device takes none. All devices of one ``level`` (1 is tried first) must confirm;
    then the next level is tried. ``timeout`` limits one action, ``retries`` how often a failed one is tried again. ``reboot``:
    switched on again after "off" was confirmed. ``resets``: in place of "off" a type is told to ``reset``, as Heartbeat 3 does:
    only beside its protocol, where nothing starts on a machine that was reset before it has said so.
    """

    name: str
    kind: FenceKind
    program: str
    arguments: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    level: int = 1
    timeout: Duration = 60 * SECOND
    retries: int = 2
    reboot: bool = False
    parameters_file: str = ""
    resets: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether only a human can confirm what it is asked for."""
        return self.kind is FenceKind.STONITH and self.program == BY_HAND

    @property
    def proves(self) -> bool:
        """Whether its success says that the machine was off; else it also counts a machine that it cannot reach."""
        return self.kind is not FenceKind.STONITH or self.program not in _WITHOUT_PROOF

    @property
    def is_gate(self) -> bool:
        """Whether it switches nothing itself, only permits the other devices of its level."""
        return self.kind is FenceKind.AGENT and self.program.rpartition("/")[2] == "fence_heuristics_ping"
