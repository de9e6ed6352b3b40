"""How long a program takes until it serves: ``python -m understudy.lab.stopwatch PORT PATH COMMAND...`` prints nanoseconds.

From the call of COMMAND until 127.0.0.1 gives PATH with status 200, asked again every millisecond.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

PATIENCE = 15.0


def serves(port: int, path: str) -> bool:
    """Whether the page is given now."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return b" 200 " in connection.recv(64)
    return False


def until_served(command: Sequence[str], port: int, path: str) -> int:
    """Nanoseconds. Raises TimeoutError after fifteen seconds."""
    start = time.monotonic_ns()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        while not serves(port, path):
            if time.monotonic_ns() - start > PATIENCE * 1e9:
                raise TimeoutError(f"{command[0]}: no {path} at port {port} after {PATIENCE:.0f} s")
            time.sleep(0.001)
        return time.monotonic_ns() - start


if __name__ == "__main__":
    print(until_served(sys.argv[3:], int(sys.argv[1]), sys.argv[2]))
