"""The guest's part of the test of IPVS under the real daemon: ``understudy run`` in namespaces of this guest, on its own kernel.

First an ldirectord.cf alone, with ``quiescent`` yes and no; then two machines with a keepalived.conf, whose connections are
synchronised. A line "guest TIME: seen: WORDS" is for the test, "failed: WORDS" ends it; everything else is for people.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

from guest_ipvs import enter, expect, network, say, shell, wait

from understudy.adapters.ipvs import PlaneIpvs
from understudy.adapters.ipvs_messages import SyncState
from understudy.services import SyncDaemon

ADDRESS = "10.99.1.100"
NAMES = {"first": 1, "second": 2, "one": 11, "two": 12, "client": 50}
CLIENTS = [f"10.99.1.{number}" for number in range(51, 59)]
HERE = Path("/run/guest")
PATIENCE = 900.0
"""A guest without hardware help on a busy host: a daemon that starts took five minutes once."""

SLOW = 120.0
"""For what takes milliseconds; a check that is given up too early is a failure that nobody meant."""

SERVICE = f"""
virtual={ADDRESS}:PORT
    quiescent=QUIESCENT
    real=10.99.1.11:PORT gate
    real=10.99.1.12:PORT gate
    fallback=127.0.0.1:PORT gate
    service=http
    request="index.html"
    receive="page of"
    scheduler=wlc
    protocol=tcp
"""
LDIRECTORD = f"""
checkinterval=2
checktimeout=120
negotiatetimeout=120
{SERVICE.replace("PORT", "80").replace("QUIESCENT", "yes")}
{SERVICE.replace("PORT", "81").replace("QUIESCENT", "no")}
"""
CHECKED = """
    delay_loop 2
    lvs_sched rr
    lvs_method DR
    protocol TCP
    real_server 10.99.1.11 PORT { HTTP_GET { url { path /index.html } connect_timeout 120 } }
    real_server 10.99.1.12 PORT { HTTP_GET { url { path /index.html } connect_timeout 120 } }
"""
KEEPALIVED = f"""
global_defs {{
    lvs_sync_daemon eth0 web id 7
}}
vrrp_instance web {{
    interface eth0
    virtual_router_id 10
    priority PRIORITY
    advert_int 3
    virtual_ipaddress {{ {ADDRESS}/24 }}
}}
virtual_server {ADDRESS} 80 {{ {CHECKED.replace("PORT", "80")} }}
virtual_server {ADDRESS} 81 {{ persistence_timeout 600 {CHECKED.replace("PORT", "81")} }}
"""
DAEMON = SyncDaemon("eth0", identifier=7, most_bytes=1472)
failing: set[str] = set()
"""Servers whose page of the checks is another one; they serve all other pages."""


def farm() -> None:
    """The real servers have the address on lo, as direct routing wants it; the client has more addresses than one."""
    more = [f"ip -n client addr add {address}/24 dev eth0" for address in CLIENTS]
    for name in ("one", "two"):
        for word, value in (("ignore", 1), ("announce", 2)):
            more.append(f"ip netns exec {name} sh -c 'echo {value} > /proc/sys/net/ipv4/conf/all/arp_{word}'")
        more.append(f"ip -n {name} addr add {ADDRESS}/32 dev lo")
    network(NAMES, more)


class Server(ThreadingHTTPServer):
    """Without looking up its own name, which nobody here answers."""

    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)


def serve(namespace: str, port: int, name: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            bad = name in failing and self.path == "/index.html"
            body = b"closed" if bad else f"page of {name}".encode()
            self.send_response(503 if bad else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    enter(namespace)
    server = Server(("0.0.0.0", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Talk:
    """A client's connection to the virtual service."""

    def __init__(self, port: int = 80, source: str = "") -> None:
        enter("client")
        self._socket = socket.create_connection((ADDRESS, port), SLOW, (source, 0))
        self._stream = self._socket.makefile("rb")

    def ask(self) -> None:
        self._socket.sendall(b"GET / HTTP/1.1\r\nHost: virtual\r\n\r\n")

    def hear(self, seconds: float = SLOW) -> str:
        """Who answers what was asked; "" for nobody in this time. Nothing but ``late`` may be asked of it after that."""
        self._socket.settimeout(seconds)
        try:
            while self._stream.readline().strip():
                pass
            return self._stream.read(len("page of ???")).decode().removeprefix("page of ")
        except TimeoutError:
            return ""

    def late(self) -> str:
        """As ``hear``, after it heard nothing: the stream of Python is of no use then."""
        self._socket.settimeout(PATIENCE)
        return self._socket.recv(1000).decode().rpartition("page of ")[2]

    def again(self) -> str:
        self.ask()
        return self.hear()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


def answers(port: int = 80, source: str = "", times: int = 1) -> set[str]:
    """Who answers new connections."""
    found = set()
    for _ in range(times):
        try:
            talk = Talk(port, source)
            found.add(talk.again())
            talk.close()
        except OSError as error:
            found.add(str(error))
    return found


class Daemon:
    """``understudy run`` in a namespace, and the kernel's table there, read past it."""

    def __init__(self, name: str, file: str, text: str) -> None:
        self.name = name
        self.folder = HERE / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self.folder / file
        self._file.write_text(text)
        self._places = ["--runtime-dir", f"{self.folder}/runtime"]
        enter(name)
        self.plane = PlaneIpvs()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._words("run", "--config", str(self._file), "--state-dir", f"{self.folder}/state"),
            stdin=subprocess.DEVNULL,
        )

    def _words(self, verb: str, *words: str) -> list[str]:
        command = [sys.executable, "-m", "understudy.cli.main", verb, *words, *self._places]
        return ["ip", "netns", "exec", self.name, *command]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def weights(self, port: int = 80) -> dict[str, int]:
        """By the end of the address."""
        for service, servers in self.plane.read().services:
            if service.key.port == port:
                return {row.place.address.rpartition(".")[2]: row.weight for row in servers}
        return {}

    def waits(self, words: str, wanted: dict[str, int], port: int = 80) -> None:
        self.until(words, lambda: self.weights(port) == wanted)

    def until(self, words: str, found: Callable[[], bool]) -> None:
        def looked() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"understudy run in {self.name} has ended with {self.process.returncode}")
            return found()

        wait(words, looked, PATIENCE)

    def syncs(self) -> dict[SyncState, SyncDaemon]:
        return self.plane.sync_daemons()


def quiescent(daemon: Daemon) -> None:
    """Weight 0: connections go on, new ones go elsewhere."""
    daemon.waits("both servers are in the table once they were asked", {"11": 1, "12": 1})
    expect("both get connections", answers(times=8), {"one", "two"})
    held = Talk()
    server = held.again()
    other = {"one": "two", "two": "one"}[server]
    number, rest = {"one": ("11", "12"), "two": ("12", "11")}[server]
    failing.add(server)
    daemon.waits("quiescent: who fails has weight 0", {number: 0, rest: 1})
    expect("quiescent: new connections go to the other one", answers(times=4), {other})
    expect("quiescent: an open connection goes on", held.again(), server)
    failing.add(other)
    daemon.waits("quiescent: all fail, and the fallback has the service", {"11": 0, "12": 0, "1": 1})
    expect("quiescent: the fallback answers", answers(times=2), {"own"})
    expect("quiescent: the open connection goes on beside the fallback", held.again(), server)
    failing.clear()
    daemon.waits("quiescent: all come back, and the fallback goes", {"11": 1, "12": 1})
    held.close()  # an open connection counts more than hundreds that were closed
    expect("quiescent: both get connections again", answers(times=20), {"one", "two"})


def removing(daemon: Daemon) -> None:
    """Removal: connections stand still, and go on when their server is back."""
    daemon.waits("not quiescent: both servers are in the table", {"11": 1, "12": 1}, 81)
    held = Talk(81)
    server = held.again()
    rest, other = {"one": ("12", "two"), "two": ("11", "one")}[server]
    failing.add(server)
    daemon.waits("not quiescent: who fails is removed", {rest: 1}, 81)
    expect("not quiescent: new connections go to the other one", answers(81, times=4), {other})
    held.ask()
    expect("not quiescent: an open connection stands still", held.hear(5), "")
    failing.add(other)
    daemon.waits("not quiescent: all fail, and the fallback alone is there", {"1": 1}, 81)
    expect("not quiescent: the fallback answers", answers(81, times=2), {"own"})
    failing.clear()
    daemon.waits("not quiescent: all come back, and the fallback goes", {"11": 1, "12": 1}, 81)
    expect("not quiescent: the open connection goes on with its server", held.late(), server)
    held.close()


def synchronised() -> None:
    """Two machines: the master tells its connections, and who takes over carries them on."""
    first = Daemon("first", "keepalived.conf", KEEPALIVED.replace("PRIORITY", "150"))
    first.until("the first machine is master and tells", lambda: first.syncs() == {SyncState.MASTER: DAEMON})
    first.waits("its table is filled", {"11": 1, "12": 1})
    first.waits("with persistence, too", {"11": 1, "12": 1}, 81)
    second = Daemon("second", "keepalived.conf", KEEPALIVED.replace("PRIORITY", "100"))
    second.until("the second machine is backup and listens", lambda: second.syncs() == {SyncState.BACKUP: DAEMON})
    held = Talk()
    server = held.again()
    tied = {source: answers(81, source) for source in CLIENTS}
    expect("both serve clients that are tied to them", set.union(*tied.values()), {"one", "two"})

    def told() -> bool:
        held.again()
        enter("second")
        lines = Path("/proc/thread-self/net/ip_vs_conn").read_text().splitlines()
        say(f"the second machine knows {len(lines) - 1} connections")
        sources = {line.split()[1] for line in lines[1:]}
        return sources >= {f"0A6301{number:02X}" for number in (50, *range(51, 59))}

    second.until("the second machine knows the connections of the first", told)
    first.stop()
    second.until("the second machine is master and tells", lambda: second.syncs() == {SyncState.MASTER: DAEMON})
    expect("on the first none runs after a clean stop", first.syncs(), {})
    second.waits("the table is there", {"11": 1, "12": 1})
    second.until("new connections are served", lambda: answers() <= {"one", "two"})
    expect("the open connection goes on by the second machine", held.again(), server)
    now = {source: answers(81, source) for source in CLIENTS}
    expect("clients stay with their servers", now, tied)
    first.start()
    first.until("the first machine is master again", lambda: first.syncs() == {SyncState.MASTER: DAEMON})
    second.until("the second one is backup again", lambda: second.syncs() == {SyncState.BACKUP: DAEMON})
    for daemon in (second, first):
        daemon.stop()
    expect("none runs in the end", {**first.syncs(), **second.syncs()}, {})


def main() -> None:
    Path("/proc/sys/kernel/hostname").write_text("ha01")
    farm()
    serve("one", 80, "one")
    serve("one", 81, "one")
    serve("two", 80, "two")
    serve("two", 81, "two")
    serve("first", 80, "own")
    serve("first", 81, "own")
    shell(f"ip -n first addr add {ADDRESS}/32 dev eth0")
    daemon = Daemon("first", "ldirectord.cf", LDIRECTORD)
    removing(daemon)
    quiescent(daemon)
    expect("no sync daemon was asked for, and none runs", daemon.syncs(), {})
    daemon.stop()
    expect("a clean stop empties the table", daemon.plane.read().services, ())
    shell(f"ip -n first addr del {ADDRESS}/32 dev eth0")
    synchronised()
    say("all done")


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        say("failed: see above")
