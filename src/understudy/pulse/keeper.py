"""The pulse's side of the socket to its supervisor, who keeps the watchdog open while pulses die (``supervisor.custody``)."""

from __future__ import annotations

import os
import socket

KEEP = b"keep"
CLOSED = b"closed"


class Keeper:
    """``descriptor``: the socket that the supervisor gave us, or -1: nobody keeps anything."""

    def __init__(self, descriptor: int = -1) -> None:
        self._socket = None if descriptor < 0 else socket.socket(fileno=descriptor)
        if self._socket is not None:
            self._socket.setblocking(False)
            os.set_inheritable(descriptor, False)

    def kept(self) -> int:
        """The device's descriptor that the supervisor has put into the socket for us, or -1."""
        found = -1
        while self._socket is not None:
            try:
                said, descriptors, _, _ = socket.recv_fds(self._socket, 64, 1, socket.MSG_CMSG_CLOEXEC)
            except OSError:
                break
            if not said:
                break
            for descriptor in descriptors:
                if found >= 0:
                    os.close(found)
                found = descriptor
        return found

    def keep(self, descriptor: int) -> None:
        """Give the supervisor a copy. When that fails, our death will feed the device once, which others reckon with."""
        self._say(KEEP, [descriptor])

    def closed(self) -> None:
        """The V is written: the supervisor's copy is to be closed, for only the last close stops the device."""
        self._say(CLOSED, [])

    def _say(self, text: bytes, descriptors: list[int]) -> None:
        if self._socket is None:
            return
        try:
            socket.send_fds(self._socket, [text], descriptors)
        except OSError:
            pass
