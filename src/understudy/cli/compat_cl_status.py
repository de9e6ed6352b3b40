"""``cl_status``: what Heartbeat's monitoring tool asks, answered from the daemon's status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import NotRunning, UnderstudyError
from ..snapshot import HeartbeatNode
from . import compat
from .compat_files import Source, has_ipfail, parameter, pings, source, version
from .compat_view import View, view

BAD = 11
"""A parameter is missing or wrong, or there is no such sub-command or node."""
FAILED = 13
"""The question cannot be answered."""
LIMIT = 5.0
"""Seconds; the old tool gave up after as many."""
TIMED_OUT = 12

USAGE = """\
Usage: cl_status <sub-command> [<options>] [<parameters>]

Sub-commands:
clientstatus <node> <client> [<milliseconds>]
\tWhether a client of the daemon is online on that node.
hblinkstatus <node> <link>
\tWhether a heartbeat link of that node is up.
hbstatus [-v]
\tWhether the daemon runs on this machine; -v: its version and nodes, too.
listnodes [-n|-p] [-v]
\tThe nodes; -n: no ping nodes, -p: only ping nodes, -v: with status and links.
listhblinks [-v] <node>
\tThe heartbeat links of that node; -v: with their status.
nodestatus <node>
\tinit, up, active, dead or ping.
nodeweight <node>
\tAlways 100: only the old quorum plugins had weights.
nodesite <node>
\tAlways empty.
nodetype <node>
\tnormal or ping.
rscstatus
\tWhich resources this node holds: none, local, foreign, all or transition.
hbparameter -p <parameter>
\tA parameter of the cluster.

-m makes sentences of the answers.
"""

_OFFLINE = {"online": 0, "offline": 1, "join": 2, "leave": 3}
_SAY_CODE = ("listnodes", "listhblinks", "hbparameter")
_NODE_UP = ("up", "active", "ping")


@dataclass(slots=True)
class Asked:
    """One call: options by letter (with their value, or ""), the rest, and letters that are not known."""

    command: str
    options: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    trouble: str = ""

    @property
    def sentences(self) -> bool:
        return "m" in self.options


class Answer(Exception):
    """The end of a call: an exit code, and what is said on standard error as it is."""

    def __init__(self, code: int, plain: str = "") -> None:
        super().__init__(plain)
        self.code = code
        self.plain = plain


def complain(text: str) -> None:
    compat.complain("cl_status", f"ERROR: {text}")


def run(called: str, words: list[str]) -> int:
    """Returns the exit code; docs/heartbeat.md has the table."""
    if not words or words[0] == "-h":
        sys.stdout.write(USAGE)
        return 0
    command, *rest = words
    if command != "hbstatus" and command not in COMMANDS:
        complain(f"{command}: invalid sub-command.")
        return BAD
    try:
        if command == "hbstatus":
            return hbstatus(read(command, rest, "mv"))
        letters, answer = COMMANDS[command]
        here = sign_on()
        asked = read(command, rest, letters)
        if asked.trouble:
            code = "code " if command in _SAY_CODE else ""
            print(asked.trouble, file=sys.stderr)
            complain(f"Error: getopt returnedcharacter {code}?.")
            return BAD
        return answer(asked, here)
    except Answer as end:
        if end.plain:
            print(end.plain, file=sys.stderr)
        return end.code


def read(command: str, words: list[str], letters: str) -> Asked:
    """As getopt(3) does: options anywhere, letters together, a value behind or in the next word. ``letters`` as it takes them."""
    asked = Asked(command)
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            asked.words += left
            break
        if not word.startswith("-") or word == "-":
            asked.words.append(word)
            continue
        for place, letter in enumerate(word[1:], 2):
            if letter == ":" or letter not in letters:
                asked.trouble = asked.trouble or f"{command}: invalid option -- '{letter}'"
            elif f"{letter}:" not in letters:
                asked.options[letter] = ""
            elif word[place:] or left:
                asked.options[letter] = word[place:] or left.pop(0)
                break
            else:
                asked.trouble = asked.trouble or f"{command}: option requires an argument -- '{letter}'"
    return asked


@dataclass(slots=True)
class Here:
    view: View
    source: Source


def sign_on() -> Here:
    """The status of the daemon. Ends the call when there is none to be had."""
    try:
        return _status()
    except UnderstudyError as error:
        complain("Cannot signon with heartbeat")
        complain(f"REASON: {error.text}")
        raise Answer(TIMED_OUT if error.exit_code == 5 else 1) from None


def _status() -> Here:
    status = compat.client().get("/v1/status", LIMIT)
    if status["pulse"] == "away":
        raise NotRunning("the part of the daemon that speaks with other nodes does not run")
    found = source(compat.runtime_dir(), status.get("heartbeat") is not None)
    return Here(view(status, pings(found)), found)


def hbstatus(asked: Asked) -> int:
    if asked.trouble:
        print(asked.trouble, file=sys.stderr)  # and it goes on, as the old tool did
    try:
        here = _status()
    except NotRunning as error:
        print("Heartbeat is stopped on this machine.")
        if "v" in asked.options:
            print(f"({error.text})")
        return 1
    except UnderstudyError as error:  # whether it runs is not known: neither sentence would be true
        complain("Cannot signon with heartbeat")
        complain(f"REASON: {error.text}")
        return TIMED_OUT if error.exit_code == 5 else 1
    print("Heartbeat is running on this machine.")
    if "v" in asked.options:
        print(f'version:\t{version()}\nmanaged by:\t"{"haresources" if here.view.old else "understudy"}"')
        _nodes(here.view, asked, here.view.nodes, verbose=True)
    return 0


def listnodes(asked: Asked, here: Here) -> int:
    nodes = here.view.nodes
    kinds = {"p": "ping", "n": "normal"}
    wanted = next((kinds[letter] for letter in asked.options if letter in kinds), None)
    if asked.sentences:
        print("The nodes are as follow:")
    _nodes(here.view, asked, tuple(node for node in nodes if wanted in (None, node.kind)), "v" in asked.options)
    return 0


def _nodes(view: View, asked: Asked, nodes: tuple[HeartbeatNode, ...], verbose: bool) -> None:
    for node in reversed(nodes):  # the old tool begins with the last one
        if not verbose:
            print(node.name)
            continue
        print(f"\n{node.name}\t{node.status}\t(nodetype: {node.kind})")
        _links(node, asked, verbose=True)


def _links(node: HeartbeatNode, asked: Asked, verbose: bool) -> None:
    if asked.sentences:
        print("\tthis node has the following heartbeat links:")
    for name, word in node.links.items():
        print(f"\t{name}\t{word}" if verbose else f"\t{name}")


def _named(asked: Asked, here: Here, few: str, unknown: str) -> HeartbeatNode:
    """The node that the call names. Ends the call when it names none, or one that there is not."""
    if not asked.words:
        raise Answer(BAD, few)
    node = here.view.node(asked.words[0])
    if node is None:
        raise Answer(BAD, unknown)
    return node


_FEW = ("Not enough parameters.", "Error. May be due to incorrect node name")


def nodestatus(asked: Asked, here: Here) -> int:
    node = _named(asked, here, *_FEW)
    print(f"The cluster node {asked.words[0]} is {node.status}" if asked.sentences else node.status)
    return 0 if node.status in _NODE_UP else 1


def nodetype(asked: Asked, here: Here) -> int:
    node = _named(asked, here, "No enough parameter.", _FEW[1])
    print(f"The node {asked.words[0]}'s type: {node.kind}" if asked.sentences else node.kind)
    return 0


def nodeweight(asked: Asked, here: Here) -> int:
    _named(asked, here, _FEW[0], "Error. Maybe due to incorrect node name.")
    print(f"The weight of the cluster node {asked.words[0]} is 100" if asked.sentences else "100")
    return 0


def nodesite(asked: Asked, here: Here) -> int:
    _named(asked, here, *_FEW)
    print(f"The site of the cluster node {asked.words[0]} is " if asked.sentences else "")
    return 0


def listhblinks(asked: Asked, here: Here) -> int:
    if not asked.words:
        raise Answer(BAD, "No enough parameter.")
    node = here.view.node(asked.words[0])
    if node is None:
        complain("Cannot start heartbeat link interface walk.")
        complain("REASON: EINVAL")
        return FAILED
    _links(node, asked, "v" in asked.options)
    return 0


def hblinkstatus(asked: Asked, here: Here) -> int:
    if len(asked.words) < 2:
        raise Answer(BAD, "No enough parameter.")
    name, link = asked.words[:2]
    node = here.view.node(name)
    word = None if node is None else node.links.get(link)
    if word is None:
        complain("Cannot get heartbeat link status")
        complain("REASON: ")
        return FAILED
    print(f"The node {name}'s heartbeat link {link} is {word}" if asked.sentences else word)
    return 0 if word == "up" else 1


def clientstatus(asked: Asked, here: Here) -> int:
    """ipfail is part of the daemon; programs of others do not sign on here. Another node that lives is not asked."""
    if len(asked.words) < 2:
        raise Answer(BAD, "No enough parameter.")
    name, client = asked.words[:2]
    node = here.view.node(name)
    mine = node is not None and node.name == here.view.me
    if node is None or not (mine or node.status == "dead"):
        complain(f"Cannot get heartbeat client {client}'s status")
        complain("REASON: No timely response.")
        return FAILED
    word = "online" if mine and client == "ipfail" and has_ipfail(here.source) else "offline"
    print(word)
    return _OFFLINE[word]


def rscstatus(asked: Asked, here: Here) -> int:
    word = here.view.resources
    print(f"This node is holding {word} resources." if asked.sentences else word)
    return 0


def hbparameter(asked: Asked, here: Here) -> int:
    name = asked.options.get("p")
    if name is None:
        complain("parameter name required")
        return BAD
    value = parameter(here.source, name)
    if value is None:
        complain(f"Cannot get parameter {name}'s value")
        complain("REASON: ")
        return 1
    print(f"Heartbeat parameter {name}'s value: {value}" if asked.sentences else value)
    return 0


COMMANDS: dict[str, tuple[str, Callable[[Asked, Here], int]]] = {
    "listnodes": ("pnvm", listnodes),
    "nodestatus": ("m", nodestatus),
    "nodetype": ("m", nodetype),
    "nodeweight": ("m", nodeweight),
    "nodesite": ("m", nodesite),
    "listhblinks": ("vm", listhblinks),
    "hblinkstatus": ("m", hblinkstatus),
    "clientstatus": ("m", clientstatus),
    "rscstatus": ("m", rscstatus),
    "hbparameter": ("mp:", hbparameter),
}
"""Each sub-command but hbstatus: its options, and its answer once the daemon is there."""
