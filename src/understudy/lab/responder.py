"""A service that runs on every machine: answers each datagram with the datagram and the machine's name.

``python -m understudy.lab.responder PORT`` listens on every IPv4 address. It answers from the address that was asked
(IP_PKTINFO, ip(7)); a plain socket would answer from the interface's first address, and the client would not take it.
"""

from __future__ import annotations

import gc
import socket
import struct
import sys

from . import kernel
from .pace import ASKER_PRIORITY

PORT = 7007
_IP_PKTINFO = 8
_PACKET_INFO = struct.Struct("=I4s4s")


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    name = socket.gethostname().encode()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    server.bind(("0.0.0.0", port))
    kernel.real_time(ASKER_PRIORITY)
    gc.collect()
    gc.freeze()
    gc.disable()
    print("ready", flush=True)
    while True:
        data, ancillary, _, sender = server.recvmsg(256, 64)
        for level, kind, value in ancillary:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                _, local, _ = _PACKET_INFO.unpack(value)
                # Interface 0: by the routing table. The kernel takes the source address from the second field.
                control = (level, kind, _PACKET_INFO.pack(0, local, local))
                try:
                    server.sendmsg([data, name], [control], 0, sender)
                except OSError:
                    pass  # the address was taken away between question and answer; no answer is the truth


if __name__ == "__main__":
    main()
