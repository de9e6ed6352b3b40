"""Messages as the bytes inside a sealed datagram, and back. The layout is described in docs/protocol.md.

A body is one byte for the kind of message and then sections: type (u8), length (u16), content. A section's content never
changes once it was released; what a later version has to add goes into a section of a new type, and a section of an
unknown type is skipped. So version N reads what version N+1 says, without what it has no word for.

All numbers are big-endian. Names are UTF-8 of at most 255 bytes, times are signed 64-bit nanoseconds. Lists have no
count: their entries fill their section, so no number in a datagram can ask for memory.
"""

from __future__ import annotations

from struct import Struct

from ..messages import Phase, WishKind

KIND_HEARTBEAT = 1
KIND_BID = 2
KIND_BID_ANSWER = 3
KIND_RELEASE = 4
KIND_ASK = 5
KIND_ANSWER = 6
KIND_ECHO = 7
KIND_INQUIRY = 8
KIND_PAGE = 9

SECTION_FIELDS = 1
SECTION_HOLDS = 2
SECTION_VOTES = 3
SECTION_HEARD = 4
SECTION_GROUPS = 5
SECTION_STATE = 6
SECTION_RELAYED = 7
SECTION_WATCHDOG = 8
SECTION_WISHES = 9
SECTION_DRAIN = 10
SECTION_NOT_UP = 11
SECTION_REACHES = 12
SECTION_VOTERS = 13
SECTION_LAST = 14
SECTION_UNFINISHED = 15
SECTION_LEAVING = 16
SECTION_RANKS = 17

HARD_LIMIT = 60_000
"""The longest body in bytes. An IPv4 UDP datagram carries at most 65 507."""

NAME_LIMIT = 255
TEXT_LIMIT = 1000
"""The longest explanation in bytes, where one message carries one. Longer ones are cut."""

PAGE_LIMIT = 1200
"""The longest text in bytes that managers send each other in one datagram: with the seal it still fits an Ethernet frame."""

REPORT_TEXT_LIMITS = (240, 48, 0)
"""How long the ``why`` of a group report may be: the first that lets the sender's own state fit. It is for people only."""

SECTION_LAYOUT = Struct("!BH")
STATE_LAYOUT = Struct("!QQqqBBB")
HOLD_LAYOUT = Struct("!QBB")
VOTE_LAYOUT = Struct("!QQqBB")
HEARD_LAYOUT = Struct("!QQqB")
WATCHDOG_LAYOUT = Struct("!q")
DRAIN_LAYOUT = Struct("!B")
LEAVING_LAYOUT = Struct("!B")
NAME_LAYOUT = Struct("!B")
RANK_LAYOUT = Struct("!BB")
VOTERS_LAYOUT = Struct("!BBB")
UNFINISHED_LAYOUT = Struct("!QB")
WISH_LAYOUT = Struct("!QBBqqqBBB")
REPORT_LAYOUT = Struct("!BBBH")
ECHO_LAYOUT = Struct("!QqB")
BID_LAYOUT = Struct("!QQQqBB")
BID_ANSWER_LAYOUT = Struct("!QQQQqqqBBBBH")
RELEASE_LAYOUT = Struct("!QQBBBB")
ASK_LAYOUT = Struct("!QBBBBBB")
ANSWER_LAYOUT = Struct("!QBBBH")
INQUIRY_LAYOUT = Struct("!QBBH")
PAGE_LAYOUT = Struct("!QBBH")

PHASE_CODES = {
    Phase.UNKNOWN: 0,
    Phase.STOPPED: 1,
    Phase.STARTING: 2,
    Phase.STARTED: 3,
    Phase.STOPPING: 4,
    Phase.FAILED: 5,
    Phase.STUCK: 6,
}
PHASES = {code: phase for phase, code in PHASE_CODES.items()}

WISH_CODES = {WishKind.NONE: 0, WishKind.STOPPED: 1, WishKind.MAINTENANCE: 2}
WISHES = {code: kind for kind, code in WISH_CODES.items()}

FLAG_QUIET, FLAG_STANDBY = 1, 2
FLAG_BIDDING = 1
FLAG_FIT = 1
FLAG_GRANTED = 1
FLAG_STOPPED, FLAG_HAS_SUCCESSOR = 1, 2
FLAG_OK = 1
FLAG_SURE = 1
