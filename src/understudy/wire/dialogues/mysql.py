"""MySQL and MariaDB: a login and a statement that gives at least one row (the client/server protocol, handshake version 10).

Of the ways to log in: ``mysql_native_password``, and the fast path of ``caching_sha2_password``, which needs a server that has
seen this login since it was started; its full path is taken inside TLS only (``question.tls``: the client asks for TLS after
the greeting), never with RSA. Not handled: other plugins (``client_ed25519``, ``sha256_password``), compression.
"""

from __future__ import annotations

import hashlib

from ..said import printable, quoted
from .talk import Talk, octets

_WITH_DATABASE, _PROTOCOL_41, _TLS, _TRANSACTIONS, _SECURE, _PLUGINS = 0x8, 0x200, 0x800, 0x2000, 0x8000, 0x80000
_LONG_PASSWORD, _LONG_FLAG = 0x1, 0x4
_OK, _MORE, _LOCAL_FILE, _SWITCH, _ERROR = 0x00, 0x01, 0xFB, 0xFE, 0xFF
_FAST_ENOUGH, _FULL_WANTED = b"\3", b"\4"
_UTF8 = 33
NATIVE, SHA2 = b"mysql_native_password", b"caching_sha2_password"


class Mysql(Talk):
    """``database`` "": none. ``tls``: asked for after the greeting."""

    def __init__(self, login: str, password: str, database: str, statement: str, tls: bool) -> None:
        super().__init__()
        self._login = octets(login)
        self._password = octets(password)
        self._database = octets(database)
        self._statement = octets(statement)
        self._tls = tls
        self._data = b""
        self._number = 0
        self._response = b""
        self._step = self._greeted
        self._columns = 0

    def _heard(self, data: bytes) -> bytes:
        self._data += data
        at = 0
        said = b""
        while self.verdict is None and len(self._data) >= at + 4:
            size = int.from_bytes(self._data[at : at + 3], "little")
            self._number = (self._data[at + 3] + 1) & 0xFF
            end = at + 4 + size
            if self._step == self._row and len(self._data) > at + 4 and self._is_row(size, self._data[at + 4]):
                return said + self._good(_packet(0, b"\1"))  # long before a great row is whole; COM_QUIT
            if end > len(self._data):
                break
            said += self._step(self._data[at + 4 : end])
            at = end
        self._data = self._data[at:]
        return said

    def _packet(self, content: bytes) -> bytes:
        return _packet(self._number, content)

    # -- the handshake

    def _greeted(self, packet: bytes) -> bytes:
        if packet[:1] == b"\xff":
            return self._bad(f"it refused the connection: {_error(packet)}")
        version, _, rest = packet[1:].partition(b"\0")
        if packet[:1] != b"\x0a" or len(rest) < 15:
            return self._bad(f"it does not greet as MySQL does (handshake version 10): {quoted(packet)}")
        low, high = rest[13:15], rest[18:20]
        capabilities = int.from_bytes(low + high, "little")
        if not capabilities & _PROTOCOL_41 or not capabilities & _SECURE:
            return self._bad(f"it is older than MySQL 4.1: {printable(version, 60)}")
        size = max(12, rest[20] - 9) if len(rest) > 20 else 12
        nonce = rest[4:12] + rest[31 : 31 + size]
        plugin = rest[31 + size :].partition(b"\0")[2].partition(b"\0")[0] if capabilities & _PLUGINS else NATIVE
        flags = (
            _LONG_PASSWORD
            | _LONG_FLAG
            | _PROTOCOL_41
            | _TRANSACTIONS
            | _SECURE
            | (_WITH_DATABASE if self._database else 0)
        )
        flags |= (capabilities & _PLUGINS) | (_TLS if self._tls else 0)
        plugin = plugin if plugin in (NATIVE, SHA2) else NATIVE  # another is offered, so the server will ask to switch
        proof = self._proof(plugin, nonce)
        head = flags.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + bytes((_UTF8,)) + bytes(23)
        body = (
            head
            + self._login
            + b"\0"
            + bytes((len(proof),))
            + proof
            + (self._database + b"\0" if self._database else b"")
        )
        self._response = body + (plugin + b"\0" if capabilities & _PLUGINS else b"")
        if not self._tls:
            return self._answer()
        if not capabilities & _TLS:
            return self._bad("it offers no TLS")
        self.wants_tls = True
        return self._packet(head)

    def begin_tls(self) -> bytes:
        self.wants_tls = False
        self._number = (self._number + 1) & 0xFF
        return self._answer()

    def _answer(self) -> bytes:
        self._step, self.awaits = self._logged_in, "its answer to the login"
        return self._packet(self._response)

    def _proof(self, plugin: bytes, nonce: bytes) -> bytes:
        if not self._password:
            return b""
        return native_proof(self._password, nonce[:20]) if plugin == NATIVE else sha2_proof(self._password, nonce[:20])

    def _logged_in(self, packet: bytes) -> bytes:
        kind = packet[0] if packet else _ERROR
        if kind == _OK:
            self._step, self.awaits = self._answered, "its answer to the statement"
            return _packet(0, b"\3" + self._statement)  # COM_QUERY
        if kind == _SWITCH:
            plugin, _, nonce = packet[1:].partition(b"\0")
            if plugin not in (NATIVE, SHA2):
                return self._bad(f"it wants a login with {quoted(plugin, 40)}, which is not known here")
            return self._packet(self._proof(plugin, nonce))
        if kind == _MORE and packet[1:2] == _FAST_ENOUGH:
            return b""
        if kind == _MORE and packet[1:2] == _FULL_WANTED:
            if self._tls:
                return self._packet(self._password + b"\0")
            return self._bad("it wants the whole login of caching_sha2_password, which is said inside TLS only")
        return self._bad(f"it refused the login: {_error(packet)}")

    # -- the statement

    def _answered(self, packet: bytes) -> bytes:
        kind = packet[0] if packet else _ERROR
        if kind == _ERROR:
            return self._bad(f"it refused the statement: {_error(packet)}")
        if kind == _OK:
            return self._bad("the statement gives no rows")
        if kind == _LOCAL_FILE:
            return self._bad("it asked for a file of ours instead of answering the statement")
        self._columns = int.from_bytes(packet[1:3], "little") if kind == 0xFC else kind
        self._step = self._column
        return b""

    def _column(self, packet: bytes) -> bytes:
        """The columns, and the EOF behind them."""
        if packet[:1] == b"\xff":
            return self._bad(f"it refused the statement: {_error(packet)}")
        if self._columns:
            self._columns -= 1
        else:
            self._step = self._row
        return b""

    def _row(self, packet: bytes) -> bytes:
        if packet[:1] == b"\xff":
            return self._bad(f"it refused the statement: {_error(packet)}")
        return self._bad("the statement gave no row")

    def _is_row(self, size: int, first: int) -> bool:
        return size > 0 and first != _ERROR and not (first == _SWITCH and size < 9)


def native_proof(password: bytes, nonce: bytes) -> bytes:
    """SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))); ``nonce`` of 20 bytes."""
    once = _sha1(password)
    return _xor(once, _sha1(nonce + _sha1(once)))


def sha2_proof(password: bytes, nonce: bytes) -> bytes:
    """SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce); ``nonce`` of 20 bytes."""
    once = hashlib.sha256(password).digest()
    return _xor(once, hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest())


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes((number,)) + content


def _error(packet: bytes) -> str:
    """Number and words of an ERR packet; its SQL state (# and five letters) is left out."""
    if packet[:1] != b"\xff" or len(packet) < 3:
        return f"an answer that cannot be read ({quoted(packet, 40)})"
    words = packet[9:] if packet[3:4] == b"#" else packet[3:]
    return f"error {int.from_bytes(packet[1:3], 'little')}, {quoted(words)}"
