"""``understudy check`` of an ldirectord.cf: what was read, in words, and what this machine has of it."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    FixedQuestion,
    HttpQuestion,
    PingQuestion,
    ProgramQuestion,
    Question,
    SayQuestion,
    ServiceQuestion,
)
from ..services import Forward, RealServer, ServiceFiles, VirtualService
from ..units import format_duration

if TYPE_CHECKING:
    from ..config.ldirectord import LdirectordReading

_FORWARD = {Forward.DIRECT: "gate", Forward.NAT: "masq", Forward.TUNNEL: "ipip"}


def examine(path: str) -> LdirectordReading:
    """The file, names looked up as ldirectord does: that may wait for a name server. And what it names that is not here."""
    from ..config.load import examine_ldirectord

    reading = examine_ldirectord(path, look_up)
    return replace(reading, problems=(*reading.problems, *lacking(path, reading.partly)))


def look_up(name: str, family: int) -> str | None:
    """The first address of a name; waits for a name server."""
    from ..adapters.host_names import addresses

    return next(iter(addresses(name, socket.AF_INET6 if family == 6 else socket.AF_INET)), None)


def lacking(path: str, files: ServiceFiles) -> list[Problem]:
    """Programs and folders that are not on this machine: it may not be the one that the file is for."""
    from ..adapters.installed import is_program

    programs = {
        check.question.argv[0]: "checkcommand"
        for service in files.services
        for real in service.reals
        for check in real.checks
        if isinstance(check.question, ProgramQuestion) and not check.question.perl
    }
    if files.callback.argv:
        programs[files.callback.argv[0]] = "callback"
    found = [
        Problem(path, 0, 0, f"{word}: {name} is no program on this machine", "", "warning")
        for name, word in programs.items()
        if not is_program(name)
    ]
    if files.maintenance and not os.path.isdir(files.maintenance):
        text = f"maintenancedir: {files.maintenance} is no folder on this machine"
        found.append(Problem(path, 0, 0, text, "ldirectord warns of it as well.", "warning"))
    for service in files.services:
        folder = os.path.dirname(service.monitor_file)
        if service.monitor_file and not os.path.isdir(folder or "."):
            text = f"monitorfile: {folder} is no folder on this machine"
            found.append(Problem(path, 0, 0, text, "ldirectord does not start without it.", "warning"))
    return list(dict.fromkeys(found))


def summary(files: ServiceFiles | None) -> list[str] | None:
    """What was read, a few lines for each service; None when nothing is good."""
    if files is None:
        return None
    lines = []
    for service in files.services:
        persistence = f", persistent {format_duration(service.persistence)}" if service.persistence else ""
        held = f", while {service.group} is held" if service.group else ""
        lines.append(f"service {service.name}: {service.keys[0]}, {service.scheduler}{persistence}{held}")
        lines += [f"    {_server(real)}" for real in service.reals]
        if service.fallback is not None:
            lines.append(f"    {_server(service.fallback)}, when no other is up")
    return lines


def as_json(files: ServiceFiles | None) -> list[dict[str, Any]] | None:
    """What was read, for programs; no password."""
    if files is None:
        return None
    return [_service_json(service) for service in files.services]


def _service_json(service: VirtualService) -> dict[str, Any]:
    return {
        "name": service.name,
        "keys": [str(key) for key in service.keys],
        "scheduler": service.scheduler,
        "persistence_ms": service.persistence / 1e6,
        "servers": [
            {
                "server": real.name,
                "forward": real.forward.value,
                "weight": real.weight,
                "checks": [_asked(check) for check in real.checks],
            }
            for real in service.reals
        ],
        "fallback": None if service.fallback is None else service.fallback.name,
    }


def _server(real: RealServer) -> str:
    parts = [f"{real.name} {_FORWARD[real.forward]}"]
    if real.weight != 1:
        parts.append(f"weight {real.weight}")
    parts += [_asked(check) for check in real.checks]
    return ", ".join(parts)


def _asked(check: Check) -> str:
    question = check.question
    said = _question(question)
    if isinstance(question, FixedQuestion):
        return said
    where = ""
    if not isinstance(question, PingQuestion | ProgramQuestion):
        port = check.target.port
        where = (
            f" at [{check.target.address}]:{port}"
            if ":" in check.target.address
            else f" at {check.target.address}:{port}"
        )
    every = f"every {format_duration(check.interval)}, within {format_duration(check.timeout)}"
    return f"{said}{where} {every}"


def _question(question: Question) -> str:
    match question:
        case HttpQuestion():
            page = question.pages[0]
            what = f"{page.method} {page.path}" + (" over TLS" if question.tls else "")
            return what + (f" for {page.pattern.text!r}" if page.pattern is not None else "")
        case ConnectQuestion():
            return "a connection"
        case SayQuestion():
            return "what it answers"
        case ServiceQuestion():
            return question.service.value + (" over TLS" if question.tls else "")
        case PingQuestion():
            return "ping"
        case ProgramQuestion():
            return question.argv[0]
        case CombinedQuestion():
            return f"{_question(question.seldom)}, and {question.each} connections between"
        case FixedQuestion():
            return "always up" if question.up else "never up"
    return type(question).__name__
