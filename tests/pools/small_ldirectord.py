"""ServiceFiles of the ldirectord.cf texts that the recordings have: only their directives, and no mistake is seen."""

from __future__ import annotations

from collections.abc import Iterable

from understudy.service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    FixedQuestion,
    HttpQuestion,
    Page,
    Pattern,
    ProgramQuestion,
    Question,
    Target,
)
from understudy.services import Forward, Notice, OnFailure, RealServer, ServiceFiles, ServiceKey, VirtualService
from understudy.units import SECOND

FORWARD = {"gate": Forward.DIRECT, "masq": Forward.NAT, "ipip": Forward.TUNNEL}

# fmt: off
WORDS = frozenset((
    "virtual", "virtual6", "real", "real6", "fallback", "fallback6", "fallbackcommand", "scheduler", "persistent",
    "netmask", "schedflags", "ops", "protocol", "service", "checktype", "checkcommand", "checkport", "receive",
    "quiescent", "readdquiescent", "cleanstop", "failurecount", "maintenancedir", "checkinterval", "checktimeout",
    "negotiatetimeout",
))
# fmt: on


def read(lines: Iterable[str]) -> ServiceFiles:
    """Raises KeyError for what it does not know."""
    common: dict[str, list[str]] = {}
    blocks: list[dict[str, list[str]]] = []
    for line in lines:
        word, _, value = line.strip().partition("=")
        if word not in WORDS:
            raise KeyError(word)
        if word in ("virtual", "virtual6"):
            blocks.append({})
        inside = line.startswith((" ", "\t")) or word in ("virtual", "virtual6")
        (blocks[-1] if inside else common).setdefault(word.removesuffix("6"), []).append(value.strip('"'))
    return ServiceFiles(
        tuple(_service(block, common) for block in blocks), maintenance=common.get("maintenancedir", [""])[0]
    )


def _service(block: dict[str, list[str]], common: dict[str, list[str]]) -> VirtualService:
    def value(name: str, default: str = "") -> str:
        return (block.get(name) or common.get(name) or [default])[0]

    key = _key(block["virtual"][0], value("protocol", "tcp"))
    quiet = OnFailure.QUIET if value("quiescent", "no") == "yes" else OnFailure.REMOVE
    reals = [real for line in block["real"] for real in _reals(line, key, value, quiet)]
    return VirtualService(
        str(key),
        (key,),
        tuple(reals),
        scheduler=value("scheduler", "wrr"),
        flags=tuple(value("schedflags").split(",")) if value("schedflags") else (),
        persistence=int(value("persistent", "0")) * SECOND,
        granularity=_prefix(value("netmask")) if value("netmask") else 0,
        one_packet=value("ops") == "yes",
        fallback=_fallback(value("fallback"), key.port) if value("fallback") else None,
        by_count=True,
        fallback_command=Notice((value("fallbackcommand"),)) if value("fallbackcommand") else Notice(),
        clean_stop=value("cleanstop", "yes") == "yes",
        readd_quiet=value("readdquiescent", "no") == "yes",
    )


def _key(text: str, protocol: str) -> ServiceKey:
    if text.isdigit():
        return ServiceKey(mark=int(text))
    address, port = _place(text)
    return ServiceKey(protocol, address, port, family=6 if ":" in address else 4)


def _place(text: str, default: int = 0) -> tuple[str, int]:
    if text.startswith("["):
        address, _, port = text[1:].partition("]:")
        return address, int(port or default)
    address, _, port = text.partition(":")
    return address, int(port or default)


def _fallback(text: str, port: int) -> RealServer:
    words = text.split()
    return RealServer(*_place(words[0], port), FORWARD[words[1] if len(words) > 1 else "gate"])


def _reals(line: str, key: ServiceKey, value, quiet: OnFailure) -> list[RealServer]:  # type: ignore[no-untyped-def]
    words = line.split()
    weight = next((int(word) for word in words[2:] if word.isdigit()), 1)
    limits = {word[0]: int(word[2:]) for word in words[2:] if word[1:2] == ":"}
    first, _, rest = words[0].partition("->")
    address, port = _place(rest or first)
    addresses = [address]
    if rest:
        head, _, low = first.rpartition(".")
        addresses = [f"{head}.{last}" for last in range(int(low), int(address.rpartition(".")[2]) + 1)]
    upper, lower = limits.get("u", 0), limits.get("l", 0)
    return [
        RealServer(
            each, port, FORWARD[words[1]], weight, upper, lower, checks=(_check(each, port, value),), on_failure=quiet
        )
        for each in addresses
    ]


def _check(address: str, port: int, value) -> Check:  # type: ignore[no-untyped-def]
    target = Target(address, int(value("checkport", str(port)) or 0) or 80)
    http = HttpQuestion((Page(pattern=Pattern(value("receive"))),))
    kind = value("checktype", "negotiate")
    question: Question
    if kind.isdigit():
        question = CombinedQuestion(ConnectQuestion(), http, int(kind))
    elif kind == "external":
        question = ProgramQuestion((value("checkcommand"), address, str(port)))
    else:
        simple: dict[str, Question] = {"negotiate": http, "connect": ConnectQuestion()}
        question = simple.get(kind) or FixedQuestion({"on": True, "off": False}[kind])
    return Check(question, target, fall=int(value("failurecount", "1")), pause=True)


def _prefix(mask: str) -> int:
    return sum(bin(int(part)).count("1") for part in mask.split("."))
