"""The connection over which a joining machine gets configuration and key: TLS 1.3 with a certificate made for one invitation.

The joining side knows the certificate's fingerprint from the code and says nothing before it has compared it. One line of JSON
each way, and a third by which the joining machine says what became of it:

    joining   {"version": 1, "secret": "...", "host": "ha02"}
    inviting  {"ok": true, "config": "...", "key": "...", "mode": 420}   or   {"ok": false, "text": "...", "hint": "..."}
    joining   {"done": true}
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..config.addresses import is_name
from ..errors import NotRunning, Refused, TimedOut
from .invitation import SECRET_BITS, Code, Invitation, Refusal, fingerprint

VERSION = 1
ANSWER_LIMIT = 10.0
"""Seconds that either side waits for the other's next line."""
LARGEST = 4_000_000
"""Bytes of a line: a configuration and a key, written as JSON."""
MOST_AT_ONCE = 16
_LARGEST_QUESTION = 4096


def make_certificate() -> tuple[ssl.SSLContext, bytes]:
    """A server's context with a fresh key that is never on a disk, and its certificate in DER form."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "understudy invitation")])
    # Nobody looks at these dates: the machines' clocks may differ, and the invitation has its own end.
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin)
    certificate = builder.not_valid_after(begin.replace(year=2120)).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    memory = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(memory, pem)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context, certificate.public_bytes(serialization.Encoding.DER)


# -- the inviting side --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Inviter:
    """Serves one Invitation. ``files`` is what a machine gets that has the code; ``say`` tells the person at the terminal."""

    invitation: Invitation
    context: ssl.SSLContext
    files: dict[str, Any]
    say: Callable[[str], None]
    _busy: int = 0
    _over: asyncio.Event | None = None

    def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Until every member has joined, too many codes were wrong, or the time has passed."""
        asyncio.run(self._serve(sockets))

    async def _serve(self, sockets: Sequence[socket.socket]) -> None:
        # Whoever scans ports or breaks off a handshake is no news.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        self._over = asyncio.Event()
        servers = [
            await asyncio.start_server(
                self._meet, sock=each, ssl=self.context, ssl_handshake_timeout=ANSWER_LIMIT, limit=_LARGEST_QUESTION
            )
            for each in sockets
        ]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), self.invitation.ends - time.monotonic())
        for server in servers:
            server.close()
        while self._busy and time.monotonic() < self.invitation.ends + ANSWER_LIMIT:
            await asyncio.sleep(0.02)  # who was given the files in the last moment says whether it has them

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        try:
            if self._busy <= MOST_AT_ONCE:
                await self._answer(reader, writer)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            pass  # not one of ours, or gone again
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), ANSWER_LIMIT)
            self._busy -= 1
            if self.invitation.closed and self._over is not None:
                self._over.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await _line(reader)
        peer = str(writer.get_extra_info("peername")[0])
        verdict = self._judge(question, peer)
        if isinstance(verdict, Refusal):
            self.say(f"Refused a machine at {peer}: {verdict.text}.")
            await _send(writer, {"ok": False, "text": verdict.text, "hint": verdict.hint})
            return
        await _send(writer, {"ok": True, **self.files})
        done: object = None
        with suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            done = (await _line(reader)).get("done")
        if done is True:
            self.say(f"{verdict} has joined, from {peer}.")
        else:
            self.say(
                f"{verdict} at {peer} was sent the files and did not say that it wrote them: look there, or invite it again."
            )

    def _judge(self, question: dict[str, Any], peer: str) -> str | Refusal:
        secret, host = question.get("secret"), question.get("host")
        if question.get("version") != VERSION or not isinstance(secret, str) or not isinstance(host, str):
            return Refusal("the machines run different versions of understudy", "Install the same version on both.")
        number = int(secret, 16)
        if not 0 <= number < 1 << SECRET_BITS or not is_name(host):
            raise ValueError("nothing that we say")
        return self.invitation.judge(number, host, peer, time.monotonic())


async def _line(reader: asyncio.StreamReader) -> dict[str, Any]:
    value = json.loads(await asyncio.wait_for(reader.readuntil(b"\n"), ANSWER_LIMIT))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


async def _send(writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
    writer.write(json.dumps(value).encode() + b"\n")
    await asyncio.wait_for(writer.drain(), ANSWER_LIMIT)


# -- the joining side ---------------------------------------------------------------------------------------------------


class Visit:
    """A connection to an inviter that has proved to be the one of the code. Use with ``with``."""

    def __init__(self, address: str, port: int, code: Code) -> None:
        """Raises NotRunning when nobody invites there, Refused when it is somebody else."""
        place = f"{address} port {port}"
        again = "It may be over: codes used, time passed, or too many codes wrong. Start another one there: understudy invite"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the fingerprint below is the verification
        try:
            plain = socket.create_connection((address, port), ANSWER_LIMIT)
        except TimeoutError:
            raise NotRunning(
                f"no answer from {place}", "Is the address right, and may TCP pass a firewall there?"
            ) from None
        except OSError as error:
            raise NotRunning(f"nobody invites at {place}: {error.strerror or error}", again) from None
        try:
            self._socket = context.wrap_socket(plain)
        except OSError:  # also every error of TLS
            plain.close()
            raise NotRunning(f"what listens at {place} is no invitation", again) from None
        if fingerprint(self._socket.getpeercert(binary_form=True) or b"") != code.fingerprint:
            self.close()
            text = f"the code is not from the invitation at {place}"
            hint = "It may be from an earlier invitation; or another machine has that address. Nothing was told to it."
            raise Refused(text, hint)
        self._file = self._socket.makefile("rb")
        self._secret = code.secret

    def ask(self, host: str) -> dict[str, Any]:
        """Name the secret and get the files. Raises Refused with the inviter's reason, TimedOut when it does not answer."""
        unknown = TimedOut(
            "the inviting machine did not answer", "The code may be used up; look there, and invite again."
        )
        try:
            self._say({"version": VERSION, "secret": f"{self._secret:x}", "host": host})
            line = self._file.readline(LARGEST)
            answer = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            raise unknown from None
        if not isinstance(answer, dict):
            raise unknown
        if answer.get("ok") is not True:
            raise Refused(str(answer.get("text", "refused")), str(answer.get("hint", "")))
        return answer

    def done(self) -> None:
        """Tell the inviter that the files are written, and let it hang up first, so that this is not lost."""
        with suppress(OSError):
            self._say({"done": True})
            self._file.read(1)

    def _say(self, value: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(value).encode() + b"\n")

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
