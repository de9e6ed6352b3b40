"""How a dialogue is driven: what the engine calls, and what it looks at afterwards.

    dialogue = make(question, target, random_bytes)      # 32 bytes; verdict may be there already: then nothing is asked
    connect (UDP where over_udp(question); TLS first where question.tls and the service is not in TLS_LATER)
    send(dialogue.begin())
    for what arrives (of UDP one datagram at a time):    send(dialogue.feed(data))
    the other side closed, or reset:                     dialogue.closed()

After each call:

* ``verdict``: None while it is not over. "" is good; what the last call gave is still to be sent (a QUIT, nobody waits for its
  answer), then the connection can go. Anything else is the sentence why not. Once there it never changes.
* ``wants_tls``: wrap the connection, send ``begin_tls()``, and feed what comes out of TLS. It is True only until then.
* ``wants_connection``: (address, port) of a second connection that is to be made while the first one goes on (FTP's data). What
  arrives on it goes to ``feed_second``, its end to ``closed_second``; nothing is sent on it. If it cannot be made, that is the
  engine's verdict. It stays set.
* ``awaits``: what is waited for, to stand in the sentence of a time limit ("no answer in 5 s, waiting for its greeting").

A regular expression of the administrator's can run for hours, so none is tried in here. With ``question.expect`` a good verdict
is only half of it: the pattern must be found in one of the texts of ``to_search``, each for itself (``absent``: in none), by
whoever can bear it. ``to_search`` is () where nothing was there to be searched, and None where the protocol has nothing that is
ever searched (as ldirectord, which ignores ``receive`` there).

Never raises, whatever the other side says, and keeps no more of it than ``talk.MOST_SAID``. Time limits are the engine's.
"""

from __future__ import annotations

from typing import Protocol


class Dialogue(Protocol):
    """One asking of one server. Not used again."""

    verdict: str | None
    wants_tls: bool
    wants_connection: tuple[str, int] | None
    awaits: str
    to_search: tuple[str, ...] | None

    def begin(self) -> bytes:
        """Connected: what to say first, often nothing."""

    def feed(self, data: bytes) -> bytes:
        """This has arrived: what to say now."""

    def closed(self) -> None:
        """Nothing more will arrive."""

    def begin_tls(self) -> bytes:
        """TLS stands: what to say first inside."""

    def feed_second(self, data: bytes) -> bytes:
        """This has arrived on the second connection: what to say now on the first."""

    def closed_second(self) -> bytes:
        """Nothing more will arrive on the second connection: what to say now on the first."""
