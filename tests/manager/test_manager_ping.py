"""Ping targets: packets as the RFCs want them, and a real answer from this machine's own loopback."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterable

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from understudy.manager.ping import Pinger
from understudy.units import MILLISECOND, SECOND
from understudy.wire.checksum import checksum
from understudy.wire.ping import echo_request, is_answer


def test_checksum_of_rfc_1071() -> None:
    """The worked example of RFC 1071, section 3: sum ddf2, complement 220d."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def test_an_echo_request_checks_out() -> None:
    packet = echo_request(4, 0x1234, 7)
    assert packet[:2] == b"\x08\x00"
    assert checksum(packet) == 0
    assert echo_request(6, 0x1234, 7)[:2] == b"\x80\x00"


def test_what_counts_as_an_answer() -> None:
    reply = b"\x00\x00" + b"\x00\x00" + b"\x12\x34" + b"\x00\x07"
    header = b"\x45" + b"\x00" * 19
    assert is_answer(4, True, header + reply, 0x1234)
    assert not is_answer(4, True, header + reply, 0x1235), "somebody else's ping"
    assert not is_answer(4, True, header + b"\x08" + reply[1:], 0x1234), "our own request"
    assert not is_answer(4, True, header + b"\x03" + reply[1:], 0x1234), "destination unreachable"
    assert is_answer(4, False, reply, 0x9999), "the kernel has matched it already"
    assert is_answer(6, True, b"\x81" + reply[1:], 0x1234)
    assert not is_answer(6, True, reply, 0x1234)


@given(st.binary(max_size=80), st.sampled_from([4, 6]), st.booleans())
def test_garbage_is_no_answer_and_no_exception(data: bytes, version: int, raw: bool) -> None:
    assert is_answer(version, raw, data, 0x1234) in (True, False)


NOBODY = "255.255.255.255"
"""Broadcasting is not permitted without asking for it, so nothing leaves this machine."""


def pinged(targets: tuple[str, ...], wanted: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Which targets answered, each time that was told, until just ``wanted`` do."""
    told: list[tuple[str, ...]] = []

    async def scene() -> None:
        pinger = Pinger(targets, 20 * MILLISECOND, SECOND, told.append)
        task = asyncio.ensure_future(pinger.run())
        async with asyncio.timeout(10):
            while wanted not in told:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert pinger.trouble == ""

    uvloop.run(scene())
    return told


def may_ping() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    except OSError:
        return os.geteuid() == 0
    return True


@pytest.mark.kernel
def test_who_answers_is_told(tmp_path: object) -> None:
    if not may_ping():
        pytest.skip("this user may not send ICMP echo requests")
    told = pinged((NOBODY, "127.0.0.1"), ("127.0.0.1",))
    assert all(NOBODY not in answering for answering in told)


def test_a_name_server_that_is_silent_stops_nothing() -> None:
    """The look-up was within the event loop, and the answer was booked under the address."""
    silent = threading.Event()
    told: list[tuple[str, ...]] = []

    def look(names: Iterable[str]) -> dict[str, str]:
        assert tuple(names) == ("router",)
        silent.wait(30)
        return {"router": NOBODY}

    async def scene() -> None:
        pinger = Pinger(("router",), MILLISECOND, SECOND, told.append, again=0, look=look)
        task = asyncio.ensure_future(pinger.run())
        async with asyncio.timeout(10):
            while len(told) < 3:
                await asyncio.sleep(0)
            assert "nobody knows an address of the ping node router" in pinger.trouble
            silent.set()
            while "nobody knows" in pinger.trouble:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    uvloop.run(scene())
    assert set(told) == {()}


@pytest.mark.kernel
def test_a_target_with_a_name_answers_by_its_name() -> None:
    if not may_ping():
        pytest.skip("this user may not send ICMP echo requests")
    pinged(("localhost",), ("localhost",))
