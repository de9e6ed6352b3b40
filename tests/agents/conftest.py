"""Nothing that a test has started outlives it, not even when the test fails half-way."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_helpers import InNetwork, ip

CLONE_NEWNET = 0x40000000


@pytest.fixture(autouse=True)
def no_survivors(tmp_path: Path) -> Iterator[None]:
    """Everything that the agents start writes into a log below the test's own directory; that is how it is found."""
    yield
    kill_writers_below(tmp_path)


def kill_writers_below(directory: Path) -> None:
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                output = os.readlink(f"/proc/{name}/fd/1")
                if output.startswith(f"{directory}/"):
                    os.kill(int(name), signal.SIGKILL)
            except OSError:
                continue


@pytest.fixture
def in_network() -> InNetwork:
    """Runs a function in a thread whose network is its own: eth0 with 192.0.2.1, 192.0.2.50 and 2001:db8:1::1."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    failures: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        def work() -> None:
            try:
                if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "unshare")
                ip("link", "set", "lo", "up")
                ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0p")
                for device in ("eth0", "eth0p"):
                    ip("link", "set", device, "up")
                for address in ("192.0.2.1/24", "192.0.2.50/32"):
                    ip("address", "add", address, "dev", "eth0")
                ip("address", "add", "2001:db8:1::1/64", "dev", "eth0", "nodad")
                ip("address", "add", "2001:db8:1::50/64", "dev", "eth0", "nodad")
                function()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]

    return run
