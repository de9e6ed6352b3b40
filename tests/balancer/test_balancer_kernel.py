"""A balancer as it really runs, in namespaces: two web servers behind it fail and come back, and a client sees who answers."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from netns import Lab, Machine, inside

from understudy.balancer.__main__ import LOCK
from understudy.balancer.copied import COPY
from understudy.cli.balancer_client import ask
from understudy.config.service_copy import ServiceCopy, write_copy
from understudy.errors import UnderstudyError
from understudy.service_checks import Check, HttpQuestion, Page, Target
from understudy.services import Forward, Plane, RealServer, ServiceFiles, ServiceKey, VirtualService
from understudy.units import MILLISECOND

pytestmark = pytest.mark.kernel

ADDRESS = "10.60.0.100"


class Web:
    """A page for each machine that listens. ``hang``: it accepts and never answers."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._bell, self._over = socket.socketpair()
        self._selector.register(self._over, selectors.EVENT_READ, "")
        self._open: dict[str, socket.socket] = {}
        self.hang: set[str] = set()
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def up(self, machine: Machine) -> None:
        with inside(machine):
            self._open[machine.name] = socket.create_server(("0.0.0.0", 80), backlog=100)
        self._selector.register(self._open[machine.name], selectors.EVENT_READ, machine.name)
        self._bell.send(b"1")

    def down(self, machine: Machine) -> None:
        opened = self._open.pop(machine.name)
        self._selector.unregister(opened)
        opened.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._over:
                    if not self._over.recv(100):
                        return
                    continue
                with contextlib.suppress(OSError):
                    taken, _ = key.fileobj.accept()  # type: ignore[union-attr]
                    if key.data in self.hang:
                        self._held.append(taken)
                        continue
                    taken.recv(1000)
                    body = f"test Page of {key.data}"
                    taken.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                    taken.close()

    def close(self) -> None:
        self._bell.close()
        self._thread.join(10)
        for opened in self._open.values():
            opened.close()


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.close()


def answered(client: Machine) -> str:
    """Who serves a new connection, "" for nobody."""
    try:
        with inside(client):
            opened = socket.create_connection((ADDRESS, 80), 2)
        with opened:
            opened.settimeout(2)
            opened.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b""
            while chunk := opened.recv(1000):
                data += chunk
        return data.decode().rpartition(" ")[2]
    except OSError:
        return ""


def eventually(condition: Callable[[], object], what: str, patience: float = 20) -> None:
    """Looking now and then only: who looks all the time keeps a small machine from getting there."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"in {patience} s it did not happen that {what}"
        time.sleep(0.05)


def services() -> ServiceCopy:
    def real(number: int) -> RealServer:
        address = f"10.61.0.1{number}"
        question = HttpQuestion((Page("/lvs_testpage.html", text="test Page"),), version="1.0")
        check = Check(question, Target(address, 80), 200 * MILLISECOND, 500 * MILLISECOND)
        return RealServer(address, 80, Forward.NAT, checks=(check,))

    key = ServiceKey("tcp", ADDRESS, 80)
    fallback = RealServer("127.0.0.1", 80, Forward.DIRECT)
    web = VirtualService("web", (key,), (real(1), real(2)), "site", "rr", plane=Plane.NFTABLES, fallback=fallback)
    return ServiceCopy(ServiceFiles((web,)), (("site", (ADDRESS,)),), node="balancer")


def states(folder: Path) -> list[str]:
    try:
        (service,) = ask(str(folder), do="pool")["services"]
    except (UnderstudyError, ValueError):
        return []
    return [each["state"] for each in service["servers"]]


def start(machine: Machine, folder: Path) -> subprocess.Popen[bytes]:
    words = ["--config", "none", "--node", "balancer", "--runtime-dir", str(folder), "--state-dir", str(folder)]
    command = [sys.executable, "-P", "-s", "-m", "understudy.balancer", *words]
    with (folder / "said").open("ab") as log:
        return subprocess.Popen(["ip", "netns", "exec", machine.namespace, *command], stderr=log)


def test_servers_fail_all_fail_and_come_back_and_the_table_outlives_the_process(
    lab: Lab, web: Web, tmp_path: Path
) -> None:
    client, balancer, one, two = (lab.machine(name) for name in ("client", "balancer", "one", "two"))
    lab.segment({client: "10.60.0.9/24", balancer: f"10.60.0.1/24 {ADDRESS}/24"})
    lab.segment({balancer: "10.61.0.1/24", one: "10.61.0.11/24", two: "10.61.0.12/24"}, "eth1")
    balancer.setting("ipv4/ip_forward", "1")
    for real in (one, two):
        real.run("ip route add default via 10.61.0.1")
        web.up(real)
    web.up(balancer)
    (tmp_path / COPY).write_text(write_copy(services()))
    running = start(balancer, tmp_path)
    try:
        eventually(lambda: states(tmp_path)[:2] == ["up", "up"], "both are up", 30)
        begun = (tmp_path / LOCK).stat().st_mtime_ns
        assert {answered(client) for _ in range(4)} == {"one", "two"}

        web.down(one)
        eventually(lambda: states(tmp_path)[:2] == ["down", "up"], "one is out")
        assert {answered(client) for _ in range(4)} == {"two"}
        (service,) = ask(str(tmp_path), do="pool")["services"]
        assert "refused" in service["servers"][0]["probes"][0]["failure"]

        web.hang.add("two")
        eventually(lambda: states(tmp_path)[:2] == ["down", "down"], "the hung one is out, too")
        eventually(lambda: answered(client) == "balancer", "the fallback serves")

        web.hang.clear()
        web.up(one)
        eventually(lambda: states(tmp_path)[:2] == ["up", "up"], "both are back")
        assert {answered(client) for _ in range(4)} == {"one", "two"}

        ask(str(tmp_path), do="wish", verb="disable", server="10.61.0.12:80", by="root")
        eventually(lambda: {answered(client) for _ in range(2)} == {"one"}, "two is out by hand")

        eventually(lambda: (tmp_path / LOCK).stat().st_mtime_ns != begun, "it shows the supervisor that it turns")
        running.send_signal(signal.SIGSTOP)
        assert answered(client) == "one", "the kernel serves on while it stands still"
        running.kill()
        running.wait()
        assert answered(client) == "one", "the kernel serves on"
        running = start(balancer, tmp_path)
        eventually(lambda: states(tmp_path)[:2] == ["up", "disabled"], "what was asked by hand holds", 30)
        assert answered(client) == "one"
        ask(str(tmp_path), do="wish", verb="enable", server="10.61.0.12:80", by="root")
        eventually(lambda: {answered(client) for _ in range(2)} == {"one", "two"}, "two is back")

        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert answered(client) == "balancer", "the table is gone, so the address is this machine's own again"
    finally:
        running.kill()
        running.wait()
