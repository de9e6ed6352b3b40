"""A fence agent's own description of itself: which parameters it knows and needs, and which actions it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..fence_devices import FenceDevice
from .agent_advice import Complaint, judge_parameters
from .agent_metadata import Description, NotMetadata, read_description

SET_BY_US = frozenset({"action", "port", "plug", "nodename"})
OTHER_NAMES = {
    "ipaddr": "ip",
    "ip": "ipaddr",
    "login": "username",
    "username": "login",
    "passwd": "password",
    "password": "passwd",
    "passwd_script": "password_script",
    "password_script": "passwd_script",
    "port": "plug",
    "plug": "port",
}
"""Names that mean the same; agents accept both, and their metadata may mention one of them."""


@dataclass(frozen=True, slots=True)
class Metadata:
    description: Description
    actions: frozenset[str]
    takes_plug: bool


def read_metadata(text: str) -> Metadata | None:
    """None when it is not the XML that such agents print."""
    try:
        return metadata_from(read_description(text))
    except NotMetadata:
        return None


def metadata_from(description: Description) -> Metadata:
    actions = frozenset(action.name for action in description.actions)
    plugs = any(item.name in ("port", "plug") for item in description.parameters)
    return Metadata(description, actions, plugs)


def complaints(device: FenceDevice, metadata: Metadata) -> Iterator[Complaint]:
    """What the file says otherwise than the agent."""
    given = dict(device.parameters)
    yield from judge_parameters(device.program, given, metadata.description, OTHER_NAMES, SET_BY_US)
    plugs = [node for node, plug in device.targets if plug]
    bare = [node for node, plug in device.targets if not plug]
    if plugs and not metadata.takes_plug:
        text = f"{device.program} takes no plug, but one is given for {', '.join(plugs)}"
        yield Complaint("nodes", text, "Write nodes as a list.", grave=False)
    if len(bare) > 1 and not device.is_gate:  # a gate asks the same for every node
        text = f"{device.program} would do the same for {', '.join(bare)}"
        yield Complaint("nodes", text, "Give each its plug, or its own device.", grave=False)
    if metadata.actions and "off" not in metadata.actions and not device.is_gate:
        text = f"{device.program} cannot switch off: it is no fence device by itself"
        yield Complaint("agent", text, grave=False)
