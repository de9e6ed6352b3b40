"""The channel between pulse and manager: packets whole, nobody waits, and what must not be lost is not."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.adapters import channel
from understudy.adapters.channel import LONGEST_QUEUE, Listener, Peer


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(str(tmp_path / "pulse.sock"))
    yield made
    made.close()


@pytest.fixture
def ends(listener: Listener) -> Iterator[tuple[Peer, Peer]]:
    manager = channel.connect(listener.path)
    pulse = listener.accept()
    assert pulse is not None
    yield pulse, manager
    pulse.close()
    manager.close()


def test_packets_arrive_whole_and_in_order(ends: tuple[Peer, Peer]) -> None:
    pulse, manager = ends
    sent = [{"t": "note", "why": "é" * size} for size in (0, 1, 70_000)]
    assert all(pulse.send(packet) for packet in sent)
    assert manager.receive() == sent
    assert manager.send({"t": "pings", "answering": []})
    assert pulse.receive() == [{"t": "pings", "answering": []}]


def test_only_the_user_itself_may_open_the_socket(listener: Listener) -> None:
    assert os.stat(listener.path).st_mode & 0o777 == 0o600


def test_a_reader_that_does_not_read_loses_notes_first(ends: tuple[Peer, Peer]) -> None:
    pulse, manager = ends
    note = {"t": "note", "why": "x" * 1000}
    taken = 0
    while pulse.send(note, droppable=True):
        taken += 1
        assert taken < 100_000, "the socket never fills"
    assert pulse.dropped == 1
    assert not pulse.lost
    order = {"t": "run_agent", "op": 1}
    assert pulse.send(order), "an order waits where a note is dropped"
    assert pulse.waiting
    found = manager.receive()
    last = {"t": "note", "why": "last"}
    assert pulse.send(last, droppable=True), "there is room again"
    while True:
        packets = manager.receive()
        pulse.flush()
        if not packets:
            break
        found += packets
    assert found == [note] * taken + [order, last], "a note may not overtake the order"
    assert not pulse.waiting


def test_a_reader_that_takes_no_orders_is_lost(ends: tuple[Peer, Peer]) -> None:
    pulse, manager = ends
    order = {"t": "run_agent", "text": "x" * 1000}
    sent = 0
    while pulse.send(order):
        sent += 1
        assert sent < 100_000, "the queue never fills"
    assert sent > LONGEST_QUEUE
    assert pulse.lost == "does not read what it is sent"
    assert not pulse.waiting
    while manager.receive():
        pass
    assert manager.lost


def test_a_packet_that_is_too_large_is_refused_and_counted(ends: tuple[Peer, Peer]) -> None:
    pulse, manager = ends
    assert not pulse.send({"t": "snapshot", "x": "y" * channel.LARGEST_PACKET})
    assert pulse.dropped == 1
    assert pulse.send({"t": "after"})
    assert manager.receive() == [{"t": "after"}]


def test_the_other_sides_end_is_seen(ends: tuple[Peer, Peer]) -> None:
    pulse, manager = ends
    manager.close()
    assert pulse.receive() == []
    assert pulse.lost == "closed the connection"
    assert not pulse.send({"t": "note"})
    assert pulse.receive() == []


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"{}", b'{"t": 1}', b"\xff\xfe", b"[" * 50_000, b'{"t":"x","y":"' + b"z" * 70_000 + b'"}']
)
def test_what_is_no_packet_is_counted_and_skipped(ends: tuple[Peer, Peer], data: bytes) -> None:
    pulse, manager = ends
    manager.handle.send(data)
    manager.send({"t": "shutdown"})
    assert pulse.receive() == [{"t": "shutdown"}]
    assert pulse.malformed == 1


def test_the_newest_connection_wins(listener: Listener) -> None:
    first = channel.connect(listener.path)
    second = channel.connect(listener.path)
    pulse = listener.accept()
    assert pulse is not None
    assert first.receive() == []
    assert first.lost
    assert pulse.send({"t": "x"})
    assert second.receive() == [{"t": "x"}]
    pulse.close()
    second.close()


def test_a_dead_socket_file_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "pulse.sock")
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    dead.bind(path)
    dead.close()
    with pytest.raises(ConnectionRefusedError):
        channel.connect(path)
    listener = Listener(path)
    peer = channel.connect(path)
    peer.close()
    listener.close()
    assert not os.path.exists(path)


def test_another_user_is_refused() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        listener = Listener(f"{directory}/pulse.sock")
        os.chmod(listener.path, 0o666)  # the permissions alone must not be what keeps strangers out
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            handle = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                handle.connect(listener.path)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert listener.accept() is None
        assert listener.refused == 1
        listener.close()
