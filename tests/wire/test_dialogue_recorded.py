"""Conversations that were held with real servers, once more: we say the same to the same, and judge the same.

With PostgreSQL 15.18, MariaDB 10.11.18, OpenLDAP 2.5.13, vsftpd 3.0.3, BIND 9.18.49 and FreeRADIUS 3.2.1, as Debian 12 has them.
What was said inside TLS is there as it came out of it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dialogue_samples import RANDOM, drive

from understudy.service_checks import Pattern, Service, ServiceQuestion, Target, Tls
from understudy.wire.dialogues.make import make, over_udp

FILE = Path(__file__).with_name("dialogues_recorded.jsonl")


@cache
def recorded() -> dict[str, dict[str, Any]]:
    records = map(json.loads, FILE.read_text("utf-8").splitlines())
    return {record["name"]: record for record in records}


def question_of(record: dict[str, Any]) -> ServiceQuestion:
    given = dict(record["question"])
    service, tls, expect = Service(given.pop("service")), given.pop("tls"), given.pop("expect")
    secret = "xyzzy5461" if service is Service.RADIUS else ""
    pattern = Pattern("x") if expect else None
    return ServiceQuestion(
        service, secret=secret, tls=Tls() if tls else None, expect=pattern, udp=service is Service.DNS, **given
    )


def found_of(record: dict[str, Any]) -> tuple[str, ...] | None:
    return None if record["found"] is None else tuple(record["found"])


@pytest.mark.parametrize("name", recorded())
def test_same_conversation(name: str) -> None:
    record = recorded()[name]
    dialogue = make(question_of(record), Target("127.0.0.1", record["port"]), RANDOM)
    said = [dialogue.begin()]
    for who, text in record["steps"]:
        data = bytes.fromhex(text)
        match who:
            case "they":
                said.append(dialogue.feed(data))
            case "second":
                said.append(dialogue.feed_second(data))
            case "second closed":
                said.append(dialogue.closed_second())
            case "tls":
                assert dialogue.wants_tls
                said.append(dialogue.begin_tls())
    spoken = [bytes.fromhex(text) for who, text in record["steps"] if who == "us"]
    assert [data for data in said if data] == spoken
    assert (dialogue.verdict, dialogue.to_search) == (record["verdict"], found_of(record))


def streams() -> list[str]:
    """Of one stream of bytes: a datagram comes whole, TLS begins between two bytes, and a file comes beside."""
    asked = ((name, question_of(record)) for name, record in recorded().items())
    return [name for name, question in asked if not over_udp(question) and not question.tls and name != "ftp file"]


@pytest.mark.parametrize("name", streams())
def test_any_cutting_is_judged_the_same(name: str) -> None:
    record = recorded()[name]
    question = question_of(record)
    stream = b"".join(bytes.fromhex(text) for who, text in record["steps"] if who == "they")
    wanted = (record["verdict"], found_of(record))
    target = Target("127.0.0.1", record["port"])
    assert drive(question, *(bytes([byte]) for byte in stream), target=target).seen[1:] == wanted
    for cut in range(0, len(stream), 7):
        assert drive(question, stream[:cut], stream[cut:], target=target).seen[1:] == wanted
