"""Devices that end a machine which cannot be asked, as a configuration names them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .units import SECOND, Duration


class FenceKind(Enum):
    """How a fence device is spoken to: a fence agent (parameters on standard input), a legacy ``external/`` STONITH plugin
    (parameters in the environment), or a command of one's own (``argv``, then the action and the node's name).
    """

    AGENT = "agent"
    EXTERNAL = "external"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class FenceDevice:
    """Something that can power nodes off and say so.

    ``program``: the agent's name or path (``fence_ipmilan``), the plugin's (``external/ipmi``), or for a command its argv[0].
    ``arguments``: the rest of a command's argv. ``targets``: (node, plug) of the nodes that it can fence; plug "" where the
    device takes none. All devices of one ``level`` (1 is tried first) must confirm; then the next level is tried.
    ``timeout`` limits one action, ``retries`` how often a failed one is tried again. ``reboot``: switched on again after "off"
    was confirmed.
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

    @property
    def is_gate(self) -> bool:
        """Whether it switches nothing itself, only permits the other devices of its level."""
        return self.kind is FenceKind.AGENT and self.program.rpartition("/")[2] == "fence_heuristics_ping"
