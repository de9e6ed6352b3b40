"""Which groups a socket is a member of, as the kernel keeps it: under the index, beyond the life of the device."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from typing import cast

from understudy.adapters.vrrp_socket import RouterSockets, Way, _Socket

GROUP = "224.0.0.18"


@dataclass
class Kernel:
    """One device, and what a socket has joined on it. ``kept``: by the socket; ``heard``: by the device as it is now."""

    kept: bool = False
    heard: bool = False

    def made_again(self) -> None:
        self.heard = False

    def setsockopt(self, _level: int, option: int, _value: object) -> None:
        if option == socket.IP_ADD_MEMBERSHIP:
            if self.kept:
                raise OSError(errno.EADDRINUSE, "joined already")
            self.kept = self.heard = True
        elif option == socket.IP_DROP_MEMBERSHIP:
            if not self.kept:
                raise OSError(errno.EADDRNOTAVAIL, "not joined")
            self.kept = self.heard = False


@dataclass
class Pretend(RouterSockets):
    """With one socket of ``kernel`` on the loopback device, which is everywhere."""

    kernel: Kernel = field(default_factory=Kernel)

    def __post_init__(self) -> None:
        handle = cast("socket.socket", self.kernel)
        self._receivers["lo", 4, 112] = _Socket(handle, "lo", 4, True, frozenset({GROUP}))


def test_a_device_that_was_made_again_under_its_old_index_is_joined_anew() -> None:
    sockets = Pretend((Way("lo", 4, GROUP),))
    sockets.mend()
    assert sockets.kernel.heard
    sockets.kernel.made_again()
    sockets.mend(["eth7"])
    assert not sockets.kernel.heard, "the index says nothing"
    sockets.mend(["lo"])
    assert sockets.kernel.heard
    assert not sockets.troubles
