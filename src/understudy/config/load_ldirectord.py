"""ldirectord.cf and the files that it names, read from where ldirectord looks for them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..model import Cluster
from .files import read_file, text_of
from .report import Report
from .tree import WHOLE_FILE

if TYPE_CHECKING:
    from .ldirectord import LdirectordReading
    from .ldirectord_files import Find

LDIRECTORD_FOLDERS = ("/etc/ha.d", "/etc/ha.d/conf")
"""Where ldirectord looks for a file that is named by no path."""

_LDIRECTORD_LINE = re.compile(rb"^virtual6?[ \t]*=[ \t]*[^\s\"'{]", re.MULTILINE)
"""A native file has quotation marks or braces there."""


def examine_ldirectord(path: str, look_up: Callable[[str, int], str | None] | None = None) -> LdirectordReading:
    """An ldirectord.cf and those that it names by ``execute``, with every problem.

    ``look_up``: as in ``Names``, asked where /etc/hosts has none.
    """
    from .ldirectord_files import with_others

    folders, own = (*LDIRECTORD_FOLDERS, os.path.dirname(os.path.abspath(path))), _one_ldirectord(path, look_up)

    def other(name: str) -> LdirectordReading | None:
        found = find_ldirectord(name, folders)
        if found is None:
            return None
        return own if os.path.samefile(found, path) else _one_ldirectord(found, look_up)

    return with_others(own, other)


def _one_ldirectord(path: str, look_up: Callable[[str, int], str | None] | None) -> LdirectordReading:
    from ..services import ServiceFiles
    from .ldirectord import LdirectordReading, read_ldirectord
    from .ldirectord_names import Names, hosts_of, services_of

    found = read_file(path)
    if isinstance(found, Problem):
        return LdirectordReading(None, (found,), ServiceFiles())
    known = hosts_of(text_of("/etc/hosts"))

    def address(name: str, family: int) -> str | None:
        there = known.get((name.lower(), family))
        return look_up(name, family) if there is None and look_up is not None else there

    names = Names(address, services_of(text_of("/etc/services")), os.uname().nodename)
    reading = read_ldirectord(found[0].decode("utf-8", "replace"), path, names)
    report = Report(path)
    report.problems += reading.problems
    if found[1] & 0o022:
        hint = f"Whoever changes it decides what runs as root. Mend it with: chmod go-w {path}"
        report.warning(WHOLE_FILE, f"the file may be changed by others (mode {found[1]:04o})", hint)
    if found[1] & 0o044 and re.search(rb"^\s+(?:passwd|secret)\s*=", found[0], re.MULTILINE):
        text = f"the file may be read by others (mode {found[1]:04o}), and has passwords in it"
        report.warning(WHOLE_FILE, text, f"Mend it with: chmod 600 {path}")
    return replace(reading, problems=report.in_order())


def find_ldirectord(name: str, folders: Iterable[str]) -> str | None:
    """Where ldirectord's file of that name is: in the first of ``folders`` that has it, or as it is written, if that is whole."""
    places = [os.path.join(folder, name) for folder in folders]
    return next((path for path in places if os.path.isfile(path)), None)


def finder(folders: tuple[str, ...]) -> Find:
    """Reads a file each time only once: the names in it may have to be asked for."""

    @cache
    def find(name: str) -> LdirectordReading | None:
        path = find_ldirectord(name, folders)
        return None if path is None else examine_ldirectord(path, look_up)

    return find


def ldirectord_cluster(path: str, with_services: bool = True) -> tuple[Cluster | None, tuple[Problem, ...]]:
    """A machine that balances, and has nothing else of ours: its services are always served, whoever sees to their addresses."""
    from ..vrrp_files import RouterFiles
    from .keepalived_cluster import cluster_of

    source, me = os.path.abspath(path), os.uname().nodename
    if not with_services:  # nothing is left to read, and no name to ask for
        return cluster_of(RouterFiles(), source, me), ()
    reading = examine_ldirectord(path, look_up)
    if reading.files is None:
        return None, reading.problems
    return cluster_of(replace(RouterFiles(), services=reading.files), source, me), reading.problems


def look_up(name: str, family: int, ask: Callable[..., Any] = socket.getaddrinfo) -> str | None:
    """The first address by the name service, for which this may wait; as in ``Names``."""
    from .ldirectord_names import NO_SUCH

    wanted = socket.AF_INET6 if family == 6 else socket.AF_INET
    try:
        return str(ask(name, None, wanted, socket.SOCK_STREAM)[0][4][0])
    except UnicodeError:
        return NO_SUCH
    except OSError as error:
        return NO_SUCH if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY) else None


def is_ldirectord(path: str) -> bool:
    """Whether this is an ldirectord.cf, by its name and by what stands in it."""
    if path.endswith(".toml") or os.path.isdir(path):
        return False
    found = read_file(path)
    if isinstance(found, Problem):
        return False
    name = os.path.basename(path)
    return (name.startswith("ldirectord") and name.endswith(".cf")) or _LDIRECTORD_LINE.search(found[0]) is not None
