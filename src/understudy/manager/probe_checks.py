"""One question of a probe, asked once: is the answer good, and why is it not, in a sentence for people.

Each takes no longer than its limit, whatever the other side does; what may block (files, a regular expression that never ends)
is done in a thread or in a process of its own. The HTTP client is loaded when the first probe needs it.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import os
import random
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..adapters import fence_program
from ..adapters.refusals import OURS, sentence
from ..probes import Check, CommandCheck, HttpCheck, PingCheck, TcpCheck
from ..units import MILLISECOND, SECOND, Duration, format_duration
from ..wire.heard import plain, quoted
from ..wire.ping import echo_request, is_answer

if TYPE_CHECKING:
    import aiohttp

MOST_BODY = 256 * 1024
"""Bytes of a body that are looked at."""

MOST_ANSWER = 64 * 1024
"""Bytes of a TCP answer that are looked at."""

_SEARCH = 'import re, sys; sys.exit(not re.search(sys.argv[1], sys.stdin.buffer.read().decode("utf-8", "replace")))'
"""Python's regular expressions hold the interpreter for as long as they run, which can be for ever: so in another process."""


LATE: Duration = 100 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Answer:
    """``failure`` "" is a good answer. ``ours``: nobody knows, because of a trouble of our own; it counts for nothing."""

    failure: str = ""
    ours: bool = False


class _OwnTrouble(Exception):
    """Could not ask."""


class Question:
    """``check`` with its ``limit``, to be asked again and again. ``environment`` is for commands."""

    def __init__(self, check: Check, limit: Duration, environment: Mapping[str, str]) -> None:
        self.check = check
        self.limit = limit
        self._environment = environment
        self._stage = ""
        self._reading: asyncio.Future[ssl.SSLContext] | None = None
        self._tls: ssl.SSLContext | None = None
        """Kept, because reading the authorities of a machine takes some 10 ms."""

    async def ask(self) -> Answer:
        """Never raises for what the other side does, and never takes longer than the limit (and what a kill takes).

        A manager that was late itself, or at the limits of its machine, accuses nobody.
        """
        self._stage = "not even begun"
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limit / SECOND
        try:
            async with asyncio.timeout_at(end):
                return Answer(plain(await self._ask()))
        except TimeoutError:
            late = int((loop.time() - end) * SECOND)
            if late > max(LATE, self.limit // 4):
                return Answer(
                    f"the manager itself was late by {format_duration(late // MILLISECOND * MILLISECOND)}", True
                )
            return Answer(f"no answer within {format_duration(self.limit)} ({self._stage})")
        except _OwnTrouble as trouble:
            return Answer(str(trouble), True)
        except OSError as error:
            return Answer(sentence(error), error.errno in OURS)
        except Exception as error:  # a probe that cannot be asked must not end the others
            return Answer(plain(f"cannot be asked: {error!r}"))

    async def _ask(self) -> str:
        match self.check:
            case HttpCheck():
                return await self._http(self.check)
            case TcpCheck():
                return await self._tcp(self.check)
            case CommandCheck(argv):
                self._stage = f"{argv[0]} still runs"
                said = await self._run(argv, "")
                return "" if said.status == 0 else said.sentence()
            case PingCheck(address):
                self._stage = "no reply"
                return await _ping(address)

    async def _run(self, words: Sequence[str], stdin: str) -> fence_program.Said:
        """The limit is that of the question; the one given here is never reached."""
        said = await fence_program.run(words, self._environment, stdin, 2 * self.limit + SECOND)
        if said.status is None and any(os.strerror(number) in said.trouble for number in (*OURS, errno.EAGAIN)):
            raise _OwnTrouble(said.trouble)
        return said

    # -- tcp

    async def _tcp(self, check: TcpCheck) -> str:
        self._stage = "no connection"
        try:
            reader, writer = await asyncio.open_connection(check.address, check.port)
        except OSError as error:
            return f"cannot connect: {_checked(error)}"
        try:
            if check.send:
                writer.write(check.send.encode())
            if not check.expect:
                await writer.drain()
                return ""
            self._stage = "connected, but nothing was said"
            wanted, heard = check.expect.encode(), b""
            while wanted not in heard:
                more = await reader.read(4096)
                heard += more
                if not more or len(heard) > MOST_ANSWER:
                    return f"{quoted(heard)} instead of {check.expect!r}"
                self._stage = f"connected, but only {quoted(heard)} was said"
            return ""
        finally:
            # Not waited for: a peer that does not read must not hold this up.
            writer.transport.abort()

    # -- http

    async def _http(self, check: HttpCheck) -> str:
        loop = asyncio.get_running_loop()
        self._stage = "still loading"
        http = await loop.run_in_executor(None, importlib.import_module, "aiohttp")
        yarl = sys.modules["yarl"]
        if check.url.startswith("https:") and check.verify:
            try:
                self._tls = self._tls or await self._authorities(check.ca)
            except OSError as error:
                return f"cannot read {check.ca or 'the authorities of this machine'}: {sentence(error)}"
        headers = {**({"Host": check.host} if check.host else {}), **dict(check.send_headers)}
        self._stage = "no connection, or no answer"
        connector = http.TCPConnector(force_close=True, use_dns_cache=False)
        session = http.ClientSession(connector=connector, cookie_jar=http.DummyCookieJar(), trust_env=False)
        try:
            async with session.request(
                check.method,
                yarl.URL(check.url, encoded=True),
                headers=headers,
                allow_redirects=False,
                ssl=self._tls or False,
                server_hostname=check.host or None if check.url.startswith("https:") else None,
                timeout=http.ClientTimeout(total=None),
            ) as response:
                return await self._judge(check, response)
        except http.ClientConnectorCertificateError as error:
            self._tls = None  # read the authorities anew: they may have been replaced
            reason = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
            return f"the certificate is not good: {reason}"
        except http.ClientConnectorError as error:
            return f"cannot connect: {_checked(error.os_error)}"
        except http.ServerDisconnectedError:
            return "the connection was closed without an answer"
        except http.ClientError as error:
            # Not its full text, which may repeat the URL with what stands behind the question mark.
            return f"no proper answer: {getattr(error, 'message', '') or type(error).__name__}"
        finally:
            await session.close()

    async def _authorities(self, ca: str) -> ssl.SSLContext:
        """Read in a thread, one at a time: a file on a server that is away must not take up every thread there is."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().run_in_executor(None, _tls_context, ca)
        self._stage = f"{ca or 'the authorities of this machine'} cannot be read"
        reading = self._reading
        try:
            return await asyncio.shield(reading)
        finally:
            if reading.done():
                self._reading = None

    async def _judge(self, check: HttpCheck, response: aiohttp.ClientResponse) -> str:
        if not any(low <= response.status <= high for low, high in check.status):
            return f"status {response.status} {response.reason or ''}".rstrip()
        for name, wanted in check.expect_headers:
            values = response.headers.getall(name, [])
            if not any(wanted in value for value in values):
                return (
                    f"header {name} is {quoted(', '.join(values).encode('utf-8', 'surrogateescape'))}"
                    if values
                    else f"there is no header {name}"
                )
        if not check.text and not check.regex:
            return ""
        self._stage = "the answer began, and did not end"
        body = bytearray()
        while len(body) < MOST_BODY and (chunk := await response.content.read(MOST_BODY - len(body))):
            body += chunk
            if check.text and not check.regex and check.text.encode() in body:
                return ""
        if check.text and check.text.encode() not in body:
            return f"the text {check.text!r} is not in the body, which begins {quoted(bytes(body))}"
        return await self._search(check.regex, bytes(body)) if check.regex else ""

    async def _search(self, regex: str, body: bytes) -> str:
        self._stage = f"the regular expression {regex!r} takes too long"
        said = await self._run((sys.executable, "-I", "-S", "-c", _SEARCH, regex), body.decode("utf-8", "replace"))
        if said.status == 0:
            return ""
        return f"{regex!r} is not in the body, which begins {quoted(body)}" if said.status == 1 else said.sentence()


def _tls_context(ca: str) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) when the authorities cannot be read."""
    return ssl.create_default_context(cafile=ca or None)


def _checked(error: OSError) -> str:
    """Why a connection could not be made. Raises _OwnTrouble when that says nothing of the other side."""
    if error.errno in OURS:
        raise _OwnTrouble(sentence(error))
    return sentence(error)


# -- ping


async def _ping(address: str) -> str:
    """Raw sockets, or the kernel's unprivileged ones. Comes back only with a reply; the caller has the time limit."""
    version = 6 if ":" in address else 4
    family, protocol = (
        (socket.AF_INET, socket.IPPROTO_ICMP) if version == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    )
    trouble = OSError(errno.EPERM, os.strerror(errno.EPERM))
    for kind, raw in ((socket.SOCK_RAW, True), (socket.SOCK_DGRAM, False)):
        try:
            handle = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        except OSError as error:
            if error.errno in OURS:
                raise _OwnTrouble(sentence(error)) from None
            trouble = error
            continue
        with handle:
            return await _echo(handle, version, raw, address)
    raise _OwnTrouble(f"cannot ping: {sentence(trouble)}")


async def _echo(handle: socket.socket, version: int, raw: bool, address: str) -> str:
    loop = asyncio.get_running_loop()
    identifier = random.getrandbits(16)  # a raw socket hears the replies to everybody's pings
    replied: asyncio.Future[None] = loop.create_future()

    def receive() -> None:
        for _ in range(64):
            try:
                data, source = handle.recvfrom(2048)
            except OSError:
                return
            ours = source[0].partition("%")[0] == address.partition("%")[0]
            if ours and is_answer(version, raw, data, identifier) and not replied.done():
                replied.set_result(None)

    loop.add_reader(handle.fileno(), receive)
    try:
        handle.sendto(echo_request(version, identifier, 1), (address, 0))
        await replied
        return ""
    except OSError as error:
        return f"cannot be reached: {_checked(error)}"
    finally:
        loop.remove_reader(handle.fileno())
