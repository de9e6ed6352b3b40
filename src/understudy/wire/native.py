"""Sealed datagrams: a clear header, and a body that only members can read or write. docs/protocol.md has the layout.

Every datagram is sealed with AES-256-GCM; the header is authenticated with it. The sealing key belongs to one process of
one member: HKDF-SHA256 (RFC 5869) over the cluster's key, the cluster's name, the member's name and its incarnation, a
random 64-bit number drawn when the process starts. Under that key the nonce is the datagram's counter, so a nonce repeats
only if one incarnation counts the same number twice, which a process cannot do to itself.

What this does not cover: a machine restored from a snapshot *of its memory* goes on with the same incarnation and an old
counter (the receivers discard those as replays, but the two datagrams of one number betray the difference of their
contents, and may betray enough to forge others of that incarnation); restart the daemon after such a restore. And a
recorded datagram opens again: the core refuses replays by (sender, incarnation, counter).

Opening works on values from strangers: it never raises, and what a stranger can make it compute is bounded. A key is
derived for known members only (some microseconds), and remembered only after a datagram was really sealed with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ..errors import check
from ..messages import Message
from .decode import decode
from .encode import encode
from .layout import NAME_LIMIT
from .reject import Reason, Reject

__all__ = [
    "OLDEST",
    "SOFT_LIMIT",
    "VERSION",
    "Envelope",
    "Opener",
    "Outside",
    "Reason",
    "Reject",
    "Sealer",
    "agreed_version",
    "key_name",
    "outside",
]

VERSION = 1
"""The newest version that this program writes. It reads one more: what it has no word for is skipped."""

OLDEST = 1
"""The oldest version that it reads and can be told to write."""

SOFT_LIMIT = 1400
"""Wished length of a whole datagram in bytes: one Ethernet frame, with room for a tunnel's header."""

LAST_COUNTER = 2**40
"""No incarnation seals more datagrams: 350 years at 100 a second, and far below what AES-GCM allows under one key."""

_MAGIC = b"USDY"
_HEADER = Struct("!4sBBBB4s4sQQ")
_TAG = 16
_KEY = 32
_NONCE_PREFIX = bytes(4)
_SHORTEST = _HEADER.size + 1 + _TAG + 1
_KEYS_PER_MEMBER = 4


@dataclass(frozen=True, slots=True)
class Envelope:
    """A datagram with a good seal. ``counter`` is larger with each datagram of one ``incarnation`` of ``sender``.

    ``version`` is the newest that the sender speaks, which may be newer than that of the datagram itself.
    """

    sender: str
    incarnation: int
    counter: int
    version: int
    message: Message


@dataclass(frozen=True, slots=True)
class Outside:
    """What stands in the clear in a datagram, whoever wrote it. ``key`` is the name of the key (``key_name``)."""

    sender: str
    incarnation: int
    counter: int
    version: int
    key: str


def outside(data: bytes) -> Outside | None:
    """What a datagram says of itself to everybody; None when it is none of ours. For people who look, never to act on."""
    if data[:4] != _MAGIC or len(data) < _SHORTEST:
        return None
    _, version, _, _, name_length, _, key_id, incarnation, counter = _HEADER.unpack_from(data)
    name = data[_HEADER.size : _HEADER.size + name_length].decode("utf-8", "replace")
    return Outside(name, incarnation, counter, version, key_id.hex())


def agreed_version(versions: tuple[int, ...]) -> int:
    """The newest version that we and all live members (their ``Envelope.version``) can write and read."""
    return max(OLDEST, min((VERSION, *versions)))


def key_name(key: bytes) -> str:
    """Eight hexadecimal digits by which people tell keys apart; they stand in the clear in every datagram that it seals.

    Raises InternalError for a key that has not 32 bytes.
    """
    return _master_id(_extract(key)).hex()


class Sealer:
    """Seals what one incarnation of one member says. Keep one for the life of the process: it owns the counter.

    ``keys``: 32 bytes each; the first one seals. ``incarnation``: 1 to 2**64-1, random, new for each process. ``counter``
    is the number used last, 0 in a new process; a Sealer that replaces another (new keys) is given the old one's counter.
    Raises InternalError for a key of another length, no key, or a name that is empty or beyond 255 bytes.
    """

    newest = VERSION
    """The newest version that it speaks, and says that it does."""

    def __init__(
        self, cluster_name: str, keys: tuple[bytes, ...], sender: str, incarnation: int, *, counter: int = 0
    ) -> None:
        check(len(keys) > 0, "a sealer needs a key")
        master = _Master(cluster_name, keys[0])
        self._cluster, self._sender = cluster_name, sender
        name = sender.encode()
        check(0 < len(name) <= NAME_LIMIT, "a member's name has 1 to 255 bytes")
        check(0 < incarnation < 2**64, "an incarnation is a 64-bit number, not 0")
        self._cipher = master.cipher(name, incarnation)
        self._name = name
        self._tag = _cluster_tag(cluster_name)
        self._key_id = master.id
        self._incarnation = incarnation
        self._room = SOFT_LIMIT - _HEADER.size - len(name) - _TAG
        self._version = self.newest
        self.counter = counter

    @property
    def version(self) -> int:
        """The version written. Setting it takes the nearest one that this program can write."""
        return self._version

    @version.setter
    def version(self, wanted: int) -> None:
        self._version = max(OLDEST, min(self.newest, wanted))

    def with_keys(self, keys: tuple[bytes, ...]) -> Sealer:
        """What takes this one's place when the keys change: the same incarnation, and its counter goes on."""
        found = type(self)(self._cluster, keys, self._sender, self._incarnation, counter=self.counter)
        found.version = self._version
        return found

    def seal(self, message: Message) -> bytes:
        """One datagram, the same for all receivers and links: they recognise copies by its counter.

        At most 1400 bytes where the message permits (``encode.encode`` says how), never above 60 400. Raises InternalError for a
        message that cannot be encoded; that is our bug.
        """
        counter = self.counter + 1
        check(counter <= LAST_COUNTER, "this incarnation has used up its counters")
        body = self.body(message, counter)
        self.counter = counter
        header = _HEADER.pack(
            _MAGIC,
            self._version,
            self.newest,
            0,
            len(self._name),
            self._tag,
            self._key_id,
            self._incarnation,
            counter,
        )
        header += self._name
        return header + self._cipher.encrypt(_NONCE_PREFIX + header[24:32], body, header)

    def body(self, message: Message, counter: int) -> bytes:
        """What is sealed. Another version of the program writes it differently (``sim/versions.py``)."""
        return encode(message, self._room, counter)


class Opener:
    """Opens what the members of one cluster have sealed with any of ``keys`` (32 bytes each; two during a rotation).

    Raises InternalError for a key of another length.
    """

    def __init__(self, cluster_name: str, keys: tuple[bytes, ...], members: tuple[str, ...]) -> None:
        masters = [_Master(cluster_name, key) for key in keys]
        self._masters = {master.id: master for master in masters}
        self._tag = _cluster_tag(cluster_name)
        self._cluster = cluster_name
        self._members = {name.encode(): name for name in members}
        self._ciphers: dict[bytes, AESGCM] = {}
        self._most = _KEYS_PER_MEMBER * max(1, len(members))

    def with_keys(self, keys: tuple[bytes, ...]) -> Opener:
        """What takes this one's place when the keys change."""
        return Opener(self._cluster, keys, tuple(self._members.values()))

    def with_members(self, members: tuple[str, ...]) -> Opener:
        """What takes this one's place when members come or go; the keys are those in use now."""
        found = Opener(self._cluster, (), members)
        found._masters = self._masters
        return found

    @property
    def remembered(self) -> int:
        """How many derived keys are kept: at most four for each member, whatever strangers send."""
        return len(self._ciphers)

    def open(self, data: bytes) -> Envelope | Reject:
        """The message and who said it, or why not. Never raises, for any bytes; keeps nothing of a refused datagram."""
        if data[:4] != _MAGIC:
            return _NOT_OURS
        if len(data) < _SHORTEST:
            return _TOO_SHORT
        _, version, newest, _, name_length, tag, key_id, incarnation, counter = _HEADER.unpack_from(data)
        if not OLDEST <= version <= VERSION + 1:
            return _UNKNOWN_VERSION
        if tag != self._tag:
            return _OTHER_CLUSTER
        master = self._masters.get(key_id)
        if master is None:
            return _UNKNOWN_KEY
        start = _HEADER.size + name_length
        if len(data) <= start + _TAG:
            return _TOO_SHORT
        header = data[:start]
        name = header[_HEADER.size :]
        sender = self._members.get(name)
        if sender is None:
            return _UNKNOWN_MEMBER
        identity = header[12:24] + name
        cipher = self._ciphers.get(identity) or master.cipher(name, incarnation)
        try:
            body = cipher.decrypt(_NONCE_PREFIX + header[24:32], data[start:], header)
        except InvalidTag:
            return _BAD_SEAL
        self._remember(identity, cipher)
        message = decode(body)
        if isinstance(message, Reject):
            return message
        if newest < version or not incarnation or not counter:
            return _MALFORMED
        return Envelope(sender, incarnation, counter, newest, message)

    def _remember(self, identity: bytes, cipher: AESGCM) -> None:
        """Last used, last to go. Recordings of former incarnations can push others out; that costs a derivation, no more."""
        self._ciphers.pop(identity, None)
        self._ciphers[identity] = cipher
        if len(self._ciphers) > self._most:
            del self._ciphers[next(iter(self._ciphers))]


_NOT_OURS = Reject(Reason.NOT_OURS)
_TOO_SHORT = Reject(Reason.TOO_SHORT)
_UNKNOWN_VERSION = Reject(Reason.UNKNOWN_VERSION)
_OTHER_CLUSTER = Reject(Reason.OTHER_CLUSTER)
_UNKNOWN_KEY = Reject(Reason.UNKNOWN_KEY)
_UNKNOWN_MEMBER = Reject(Reason.UNKNOWN_MEMBER)
_BAD_SEAL = Reject(Reason.BAD_SEAL)
_MALFORMED = Reject(Reason.MALFORMED)


class _Master:
    """One of the cluster's keys, ready to derive from. The library's HKDF costs no second copy of OpenSSL, unlike hashlib's."""

    def __init__(self, cluster_name: str, key: bytes) -> None:
        self._secret = _extract(key)
        cluster = cluster_name.encode()
        self._label = b"seal\x00" + len(cluster).to_bytes(2, "big") + cluster
        self.id = _master_id(self._secret)

    def cipher(self, name: bytes, incarnation: int) -> AESGCM:
        info = self._label + bytes((len(name),)) + name + incarnation.to_bytes(8, "big")
        return AESGCM(HKDFExpand(SHA256(), _KEY, info).derive(self._secret))


def _extract(key: bytes) -> bytes:
    check(len(key) == _KEY, f"a key has {_KEY} bytes")
    extract = HMAC(b"understudy datagrams", SHA256())
    extract.update(key)
    return extract.finalize()


def _master_id(secret: bytes) -> bytes:
    return HKDFExpand(SHA256(), 4, b"key id").derive(secret)


def _cluster_tag(cluster_name: str) -> bytes:
    digest = Hash(SHA256())
    digest.update(cluster_name.encode())
    return digest.finalize()[:4]
