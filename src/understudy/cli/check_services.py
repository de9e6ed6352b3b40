"""``understudy check`` of what is balanced: what was read, which plane each service gets, and what that plane does not do.

Nothing of the kernel is asked, for the machine that runs the file may be another one.
"""

from __future__ import annotations

from typing import Any

from ..core.pools import planes
from ..core.pools.planes import differs, foreseen
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
from ..services import Forward, Plane, RealServer, ServiceFiles, VirtualService
from ..units import format_duration

FORWARD = {way: way.value for way in Forward}
LDIRECTORD = {Forward.DIRECT: "gate", Forward.NAT: "masq", Forward.TUNNEL: "ipip"}

_SHOWN = 8
"""Servers of a service, in words; the JSON form has all."""


def judge(path: str, files: ServiceFiles) -> list[Problem]:
    """Services that no plane can serve are errors; what a plane does otherwise than may be expected are warnings."""

    def plane_of(service: VirtualService) -> Plane | str:
        plane, why = foreseen(service, files.sync is not None)
        return why if plane is None else plane

    hints = {"error": "It would stand in no table, and nobody would be served."}
    found = planes.judge(files, plane_of)
    return [Problem(path, 0, 0, text, hints.get(level, ""), level) for text, level in found]


def summary(files: ServiceFiles, forward: dict[Forward, str] = FORWARD) -> list[str]:
    """What was read, a few lines for each service."""
    lines = []
    for service in files.services:
        persistence = f", persistent {format_duration(service.persistence)}" if service.persistence else ""
        keys = ", ".join(map(str, service.keys))
        held = f", while {service.group} is held" if service.group else ""
        lines.append(f"service {service.name}: {keys}, {service.scheduler}{persistence}{held}")
        plane, why = foreseen(service, files.sync is not None)
        lines.append(f"    plane: {why}" if plane is not None else f"    plane: none: {why}")
        lines += [
            f"    {_server(real, forward)}{'' if real.checks else ', not checked: always up'}"
            for real in service.reals[:_SHOWN]
        ]
        if len(service.reals) > _SHOWN:
            lines.append(f"    and {len(service.reals) - _SHOWN} servers more")
        if service.fallback is not None:
            lines.append(f"    {_server(service.fallback, forward)}, when no other is up")
    return lines


def as_json(files: ServiceFiles) -> list[dict[str, Any]]:
    """What was read, for programs; no password."""
    return [_service_json(service, files.sync is not None) for service in files.services]


def _service_json(service: VirtualService, synchronised: bool) -> dict[str, Any]:
    plane, why = foreseen(service, synchronised)
    return {
        "name": service.name,
        "keys": [str(key) for key in service.keys],
        "scheduler": service.scheduler,
        "plane": None if plane is None else plane.value,
        "plane_why": why,
        "differs": [] if plane is None else differs(service, plane),
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


def _server(real: RealServer, forward: dict[Forward, str]) -> str:
    parts = [f"{real.name} {forward[real.forward]}"]
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
