"""What the tests of ldirectord.cf share: names that nobody has, reading a text, and its meaning as lines to be reviewed."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

from understudy.config.ldirectord import LdirectordReading, read_ldirectord
from understudy.config.ldirectord_names import Names, services_of
from understudy.services import ServiceFiles, VirtualService
from understudy.units import format_duration

STANDARD = "quiescent=no\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n"
SERVICES = """
domain 53/tcp
domain 53/udp
http 80/tcp www   # WorldWideWeb HTTP
tftp 69/udp
ldap 389/tcp
mysql 3306/tcp
"""
HOSTS = {
    ("www.example.net", 4): "192.0.2.80",
    ("www.example.net", 6): "2001:db8::80",
    ("sql01", 4): "10.1.0.1",
    ("sql03", 4): "10.1.0.3",
}
NAMES = Names(lambda name, family: HOSTS.get((name, family)), services_of(SERVICES), "lb01")
SPANS = frozenset({"persistence", "interval", "timeout", "repeat"})


def read_text(text: str) -> LdirectordReading:
    return read_ldirectord(text, "ldirectord.cf", NAMES)


def read_case(text: str) -> LdirectordReading:
    """A case of refusals/ldirectord.txt, with its marks."""
    for mark, meant in (("␣", " "), ("␍", "\r"), ("␀", "\ufffd"), ("␂", "\ufeff")):
        text = text.replace(mark, meant)
    return read_text("".join(STANDARD if line == "+\n" else line for line in text.splitlines(keepends=True)))


def one(lines: str, head: str = "virtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n") -> VirtualService:
    """The service of a file with one virtual server, and these lines in it."""
    body = "".join(f"\t{line}\n" for line in lines.splitlines())
    reading = read_text(f"{head}{body}")
    if reading.files is None:
        raise AssertionError("\n".join(str(problem) for problem in reading.problems))
    return reading.files.services[0]


def meaning(files: ServiceFiles) -> str:
    """Every field that is not at its default, a line each; what all servers of a service share stands once."""
    usual = defaults(ServiceFiles)
    lines = [
        f"{each.name} {_shown(getattr(files, each.name))}"
        for each in fields(files)
        if each.name != "services" and usual[each.name] != getattr(files, each.name)
    ]
    for service in files.services:
        lines.append(f"service {service.name}")
        usual = defaults(VirtualService)
        for each in fields(service):
            value = getattr(service, each.name)
            if each.name in ("name", "reals") or (each.name in usual and usual[each.name] == value):
                continue
            shown = format_duration(value) if each.name in SPANS else _shown(value)
            lines.append(f"  {each.name} {shown}")
        lines += [f"  real {_shown(item)}" for item in service.reals]
    return "\n".join(lines) + "\n"


def defaults(kind: type) -> dict[str, Any]:
    return {each.name: each.default for each in fields(kind) if each.default is not MISSING}


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    if isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
        return "; ".join(_shown(item) for item in value)
    if isinstance(value, Enum):
        return str(value.value)
    if not hasattr(value, "__dataclass_fields__"):
        return repr(value)
    usual = defaults(type(value))
    words = [(each.name, getattr(value, each.name)) for each in fields(value)]
    parts = [
        f"{name}={format_duration(item) if name in SPANS else _shown(item)}"
        for name, item in words
        if name not in usual or usual[name] != item
    ]
    return f"{type(value).__name__}({' '.join(parts)})"
