"""``hb_addnode``, ``hb_delnode``, ``hb_setweight`` and ``hb_setsite``: what they change comes from a file here.

What is so already is done, in silence, as with the old scripts; the rest is refused, with what to do instead. Nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..errors import UnderstudyError
from . import compat
from .compat_view import View, view

WEIGHT = "100"
"""Of every node, as ``cl_status nodeweight`` answers."""


def addnode(called: str, words: list[str]) -> int:
    """Exit codes: 0 all are nodes already; 1 wrong use, refused, or no daemon answers."""
    return _run("hb_addnode <node> <node> ...", words, _addnode)


def delnode(called: str, words: list[str]) -> int:
    """Exit codes: 0 none of them is a node; 1 wrong use, refused, or no daemon answers."""
    return _run("hb_delnode <node> <node> ...", words, _delnode)


def setweight(called: str, words: list[str]) -> int:
    """Exit codes: 0 it is the weight that the node has; 1 wrong use, refused, or no daemon answers."""
    return _run("hb_setweight <node> <weight>", words, _setweight)


def setsite(called: str, words: list[str]) -> int:
    """Exit codes: 0 it is the site that the node has (none); 1 wrong use, refused, or no daemon answers."""
    return _run("hb_setsite <node> <site>", words, _setsite)


def _run(usage: str, words: list[str], judge: Callable[[View, list[str]], str]) -> int:
    if not words or words == ["--help"]:
        print(f"usage: {usage}")
        return 1
    try:
        refused = judge(view(compat.client().get("/v1/status")), words)
    except UnderstudyError as error:
        refused = error.text
    if refused:
        sys.stdout.flush()
        compat.say_as_script(f"ERROR: {refused}")
    return 1 if refused else 0


def _is_node(here: View, name: str) -> bool:
    node = here.node(name)
    return node is not None and node.kind == "normal"


def _addnode(here: View, names: list[str]) -> str:
    new = [name for name in names if not _is_node(here, name)]
    if not new:
        return ""
    if here.old:
        return f'{_are(new)}: write "node {new[0]}" into ha.cf on all machines, and start their daemons anew'
    return f"{_are(new)}: write [nodes.{new[0]}] into the configuration on all machines, then `understudy reload`"


def _are(names: list[str]) -> str:
    return f"{', '.join(names)} {'is no node' if len(names) == 1 else 'are no nodes'}"


def _delnode(here: View, names: list[str]) -> str:
    left = [name for name in names if _is_node(here, name)]
    if not left:
        return ""
    if here.old:
        return f"{', '.join(left)} stays a node: take it out of ha.cf on all machines, and start their daemons anew"
    return (
        f"{', '.join(left)} stays a node: take [nodes.{left[0]}] out of the configuration on all machines, "
        "then `understudy reload`"
    )


def _setweight(here: View, words: list[str]) -> str:
    if not _is_node(here, words[0]):
        return _are(words[:1])
    if words[1:] == [WEIGHT]:
        return ""
    return (
        f"the weight of {words[0]} stays {WEIGHT}: weights were for the old quorum plugins. What a node can carry is "
        "`capacity` of a native configuration"
    )


def _setsite(here: View, words: list[str]) -> str:
    if not _is_node(here, words[0]):
        return _are(words[:1])
    if not "".join(words[1:]):
        return ""
    return f"{words[0]} gets no site: sites were for the old quorum plugins, and nothing here looks at them"
