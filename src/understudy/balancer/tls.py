"""TLS of checks, without a socket: bytes of the wire in and out, through OpenSSL's memory buffers."""

from __future__ import annotations

import ssl

from ..service_checks import Tls
from .copied import stamp

_PIECE = 65536


class Contexts:
    """One for each way of asking, while its files are the same: reading the authorities of a machine takes some 10 ms."""

    def __init__(self) -> None:
        self._known: dict[Tls, tuple[list[tuple[int, ...]], ssl.SSLContext]] = {}

    def of(self, tls: Tls) -> ssl.SSLContext:
        """Raises OSError (ssl.SSLError is one) when a file of it cannot be read."""
        found = self._known.get(tls)
        stamps = [stamp(path) for path in (tls.ca, tls.certificate, tls.key) if path]
        if found is None or found[0] != stamps:
            found = self._known[tls] = stamps, _context(tls)
        return found[1]

    def drop(self, tls: Tls) -> None:
        """Read the authorities anew the next time: those of the machine may be others now."""
        self._known.pop(tls, None)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.verify and bool(tls.name)
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    if tls.verify and tls.ca:
        context.load_verify_locations(tls.ca)
    elif tls.verify:
        context.load_default_certs()
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key or None)
    return context


class TlsPipe:
    """One connection. ``standing``: the handshake is over. Every method raises ssl.SSLError where the other side goes wrong."""

    __slots__ = ("_in", "_object", "_out", "ended", "standing")

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=name or None)
        self.standing = False
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """What ``data`` of the wire says; ``out`` may have to be sent then. ``ended``: the other side says no more."""
        if data:
            self._in.write(data)
        said = []
        try:
            if not self.standing:
                self._object.do_handshake()
                self.standing = True
            while piece := self._object.read(_PIECE):
                said.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:
            self.ended = True
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(said)

    def say(self, data: bytes) -> bytes:
        """What goes on the wire for ``data``, and whatever else is waiting."""
        if data:
            self._object.write(data)
        return self._out.read()


def complaint(error: ssl.SSLError) -> str:
    """A sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {error.verify_message or error}"
    return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
