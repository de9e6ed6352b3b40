"""The listening socket by itself: who is slow is hung up on, who is one too many waits, and trouble with HTTP is JSON."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from understudy.manager.listener import Connection, Listener, answer, peer

Story = Callable[[Listener, str], Awaitable[None]]


async def hello(_request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
    return answer(200, {"ok": True, "user": connection.user})


def listening(tmp_path: Path, story: Story, most: int = 4, head: float = 30.0) -> None:
    async def run() -> None:
        path = str(tmp_path / "socket")
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        handle.bind(path)
        handle.listen(16)
        listener = Listener(handle, hello, None, most, head)
        try:
            async with asyncio.timeout(20):
                await story(listener, path)
        finally:
            await listener.stop()

    asyncio.run(run())


async def answered(path: str, data: bytes) -> tuple[int, dict[str, object]]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = json.loads(await reader.readexactly(length))
    writer.close()
    return int(head.split()[1]), body


def test_half_a_head_is_not_waited_for(tmp_path: Path) -> None:
    async def story(_listener: Listener, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET / HTTP/1.1\r\nHost:")
        assert await reader.read() == b""
        writer.close()

    listening(tmp_path, story, head=0.05)


def test_who_has_asked_keeps_the_connection(tmp_path: Path) -> None:
    """The limit is for the first head only: a client that is being answered is not slow."""

    async def story(_listener: Listener, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"}")
        closed = asyncio.ensure_future(reader.read())
        done, _ = await asyncio.wait({closed}, timeout=0.2)  # four times the limit
        assert not done
        closed.cancel()
        writer.close()

    listening(tmp_path, story, head=0.05)


def test_one_too_many_waits_until_another_goes(tmp_path: Path) -> None:
    async def story(_listener: Listener, path: str) -> None:
        idle = [await asyncio.open_unix_connection(path) for _ in range(4)]
        fifth = asyncio.ensure_future(answered(path, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        done, _ = await asyncio.wait({fifth}, timeout=0.2)
        assert not done
        idle[0][1].close()
        assert (await fifth)[0] == 200
        for _, writer in idle[1:]:
            writer.close()

    listening(tmp_path, story, most=4)


def test_places_come_free_again_and_again(tmp_path: Path) -> None:
    async def story(_listener: Listener, path: str) -> None:
        for _ in range(20):
            assert (await answered(path, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200

    listening(tmp_path, story, most=1)


def test_what_is_not_http_is_refused_in_json(tmp_path: Path) -> None:
    async def story(_listener: Listener, path: str) -> None:
        status, body = await answered(path, b"HELO there\r\n\r\n")
        assert (status, body["ok"]) == (400, False)
        assert str(body["text"]).startswith("this is not HTTP as the manager understands it")

    listening(tmp_path, story)


def test_the_kernel_says_who_asks(tmp_path: Path) -> None:
    import os

    async def story(_listener: Listener, path: str) -> None:
        assert (await answered(path, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))[1]["user"] == os.geteuid()

    listening(tmp_path, story)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        other, _ = server.accept()
        with other:
            assert peer(other) == (-1, ()), "nobody vouches for who comes over TCP"
