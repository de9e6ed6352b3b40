"""A fence agent's own description of itself: which parameters it knows and needs, and which actions it has."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from ..model import FenceDevice

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
    parameters: frozenset[str]
    required: frozenset[str]
    actions: frozenset[str]
    takes_plug: bool


def read_metadata(text: str) -> Metadata | None:
    """None when it is not the XML that such agents print."""
    try:
        root = ElementTree.fromstring(text[max(0, text.find("<")) :])
    except ElementTree.ParseError:
        return None
    if root.tag != "resource-agent":
        return None
    names, required = set(), set()
    for parameter in root.iter("parameter"):
        name = parameter.get("name", "")
        names.add(name)
        content = parameter.find("content")
        if parameter.get("required") == "1" and (content is None or content.get("default") is None):
            required.add(name)
    actions = frozenset(action.get("name", "") for action in root.iter("action"))
    return Metadata(frozenset(names), frozenset(required), actions, bool(names & {"port", "plug"}))


def complaints(device: FenceDevice, metadata: Metadata) -> Iterator[str]:
    """What the file says otherwise than the agent."""
    given = {name for name, _ in device.parameters}
    known = metadata.parameters | {OTHER_NAMES[name] for name in metadata.parameters if name in OTHER_NAMES}
    for name in sorted(given - known):
        near = difflib.get_close_matches(name, sorted(known - SET_BY_US), n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        yield f'{device.program} has no parameter "{name}" ({device.name}){hint}'
    for name in sorted(metadata.required - SET_BY_US):
        if name not in given and OTHER_NAMES.get(name, name) not in given:
            yield f'{device.program} needs the parameter "{name}" ({device.name})'
    plugs = [node for node, plug in device.targets if plug]
    bare = [node for node, plug in device.targets if not plug]
    if plugs and not metadata.takes_plug:
        yield f"{device.program} takes no plug, but one is given for {', '.join(plugs)} ({device.name})"
    if len(bare) > 1:
        yield f"{device.name} would do the same for {', '.join(bare)}: give each its plug, or its own device"
    if metadata.actions and "off" not in metadata.actions:
        yield f"{device.program} cannot switch off: it is no fence device by itself ({device.name})"
