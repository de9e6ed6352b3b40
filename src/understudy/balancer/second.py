"""The second connection of a dialogue (FTP's data): it is only listened to."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..service_checks import Target
from .reactor import CHANGES, Reactor
from .sockets import STREAM, UNDER_WAY, Place, opened, place_of, refusal, reset

_PIECE = 16384


class Second:
    """``heard`` gets what arrives, b"" at the end; ``broken`` a sentence where there is no connection. Raises OwnTrouble."""

    def __init__(
        self,
        reactor: Reactor,
        first: Place,
        to: tuple[str, int],
        heard: Callable[[bytes], None],
        broken: Callable[[str], None],
    ) -> None:
        self._reactor, self._heard, self._broken = reactor, heard, broken
        self._socket: socket.SocketType | None = None
        place = place_of(Target(*to))
        if isinstance(place, str):
            broken(place)
            return
        source = (first.source[0], 0) if first.source is not None else None
        self._socket = handle = opened(Place(place.family, place.address, source, first.options), STREAM)
        number = handle.connect_ex(place.address)
        if number not in UNDER_WAY:
            self.close()
            broken(refusal(number))
            return
        reactor.watch(handle.fileno(), self._ready, CHANGES)

    def _ready(self, events: int) -> None:
        while (handle := self._socket) is not None:
            try:
                data = handle.recv(_PIECE)
            except BlockingIOError:
                return
            except OSError as error:
                self.close()
                self._broken(f"its second connection: {error.strerror}")
                return
            if not data:
                self.close()
            self._heard(data)

    def close(self) -> None:
        handle, self._socket = self._socket, None
        if handle is not None:
            self._reactor.forget(handle.fileno())
            reset(handle)
