"""The guest's part of the test of IPVS: balancer, backup, real servers and client, each a network namespace of this guest.

The plane of ours writes the tables, real HTTP servers answer. A line "guest TIME: seen: WORDS" is for the test, "failed: WORDS"
ends it; everything else is for people.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer

from understudy.adapters.agent_real_server import RealServerRunner
from understudy.adapters.ipvs import PlaneIpvs
from understudy.adapters.ipvs_messages import SyncState
from understudy.balance import (
    DropServer,
    DropService,
    Place,
    SetServer,
    SetService,
    Synchronise,
    TableServer,
    TableService,
    kept_by_ipvs,
)
from understudy.effects import Action
from understudy.model import RealServerResource
from understudy.services import Forward, ServiceKey, SyncDaemon, Timeouts, Tunnelling
from understudy.units import SECOND

STARTED = time.monotonic()
ADDRESS = "10.99.1.100"
NAMES = {"client": 50, "first": 1, "second": 2, "gate": 11, "ipip": 12}
MASQUERADED = "10.99.3.13"
GATE, TUNNEL, NAT, KEPT, TURNS = (ServiceKey("tcp", ADDRESS, port) for port in (80, 81, 82, 83, 84))
ONE, OTHER = Place(MASQUERADED, 80), Place(MASQUERADED, 8080)
WHY = "a test"
_LIBC = ctypes.CDLL(None, use_errno=True)


def say(words: str) -> None:
    print(f"guest {time.monotonic() - STARTED:.1f}: {words}", flush=True)


def shell(words: str) -> None:
    subprocess.run(["/bin/sh", "-exc", words], check=True)


def enter(name: str) -> None:
    """From here on this thread is in the network namespace ``name``."""
    handle = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if _LIBC.setns(handle, 0):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)


def network(names: Mapping[str, int], more: Iterable[str]) -> None:
    """A bridge, and on it a namespace for each name with the address 10.99.1.NUMBER; then the lines ``more`` of a shell."""
    lines = ["mkdir -p /run/netns", "ip link add bridge0 type bridge", "ip link set bridge0 up"]
    for name, number in names.items():
        lines += [
            f"ip netns add {name}",
            f"ip link add {name} type veth peer name eth0 netns {name}",
            f"ip link set {name} master bridge0 up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} link set eth0 up",
            f"ip -n {name} addr add 10.99.1.{number}/24 dev eth0",
        ]
    shell("\n".join([*lines, *more]))


def farm() -> None:
    """Behind the first balancer a network of its own; the service's address is on it, and at the end of the tunnel."""
    more = [
        "ip netns add masq",
        "ip -n first link add inner type veth peer name eth0 netns masq",
        "ip -n first addr add 10.99.3.1/24 dev inner",
        "ip -n first link set inner up",
        "ip -n masq link set eth0 up",
        f"ip -n masq addr add {MASQUERADED}/24 dev eth0",
        "ip -n masq route add default via 10.99.3.1",
        f"ip -n first addr add {ADDRESS}/32 dev eth0",
        "ip -n ipip link set tunl0 up",
        f"ip -n ipip addr add {ADDRESS}/32 dev tunl0",
    ]
    network(NAMES, more)
    enter("first")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as setting:
        setting.write("1")
    enter("ipip")
    for name, value in (("all/arp_ignore", "1"), ("all/arp_announce", "2")):
        with open(f"/proc/sys/net/ipv4/conf/{name}", "w") as setting:
            setting.write(value)


class Server(HTTPServer):
    """Without looking up its own name, which nobody here answers."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)


def serve(namespace: str, port: int, answer: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *words: object) -> None:
            pass

    enter(namespace)
    server = Server(("0.0.0.0", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def ask(key: ServiceKey) -> str:
    """Which server answered the client, or what went wrong."""
    enter("client")
    try:
        with socket.create_connection((key.address, key.port), timeout=20) as asking:
            asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
            whole = b""
            while data := asking.recv(4096):
                whole += data
    except OSError as error:
        return f"{key}: {error}"
    return whole.rpartition(b"\r\n\r\n")[2].decode()


def expect(words: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{words}: {found!r}, not {wanted!r}")
    say(f"seen: {words}")


def wait(words: str, found: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not found():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {words}")
        time.sleep(0.5)
    say(f"seen: {words}")


def add(plane: PlaneIpvs, service: TableService, *servers: TableServer) -> None:
    changes = [SetService(service, True, WHY), *(SetServer(service.key, server, True, WHY) for server in servers)]
    refused = plane.apply(changes)
    if refused:
        raise AssertionError(f"refused: {refused}")


def real_server() -> None:
    """The address on lo and the ARP settings, by the resource of ours."""
    enter("gate")
    runner = RealServerRunner(RealServerResource("real", ADDRESS), "/run/real.json")
    try:
        runner.perform(Action.START, 0, {}, False).send(None)
    except StopIteration as done:
        expect("the resource realserver starts", done.value[1], "")


def forwarding(plane: PlaneIpvs) -> None:
    add(plane, TableService(GATE, "rr"), TableServer(Place("10.99.1.11", 80), Forward.DIRECT))
    add(plane, TableService(TUNNEL, "wlc"), TableServer(Place("10.99.1.12", 81), Forward.TUNNEL))
    add(plane, TableService(NAT, "rr"), TableServer(ONE))
    for key, answer in ((GATE, "gate"), (TUNNEL, "ipip"), (NAT, "masq 80")):
        expect(f"an answer by {answer.partition(' ')[0]}", ask(key), answer)


def persistence(plane: PlaneIpvs) -> None:
    both = (TableServer(ONE), TableServer(OTHER))
    add(plane, TableService(KEPT, "rr", persistence=300 * SECOND, granularity=24), *both)
    add(plane, TableService(TURNS, "rr"), *both)
    expect("without persistence both take turns", {ask(TURNS) for _ in range(4)}, {"masq 80", "masq 8080"})
    expect("with persistence one serves the client", len({ask(KEPT) for _ in range(4)}), 1)


def taken_out(plane: PlaneIpvs) -> None:
    quiet = SetServer(TURNS, TableServer(ONE, weight=0), False, WHY)
    expect("weight 0 is taken", plane.apply([quiet]), [])
    expect("weight 0 gets no new connection", {ask(TURNS) for _ in range(4)}, {"masq 8080"})
    back, gone = SetServer(TURNS, TableServer(ONE), False, WHY), DropServer(TURNS, OTHER, WHY)
    expect("back and removed in one batch", plane.apply([back, gone, gone]), [])
    expect("who is removed gets no new connection", {ask(TURNS) for _ in range(4)}, {"masq 80"})
    expect("a service is removed", plane.apply([DropService(TURNS, WHY)]), [])


def statistics(plane: PlaneIpvs) -> None:
    def counted() -> bool:
        found = plane.counters()[NAT, ONE]
        return found.connections >= 1 and found.packets_in >= 4 and found.bytes_in > 150 and found.bytes_out > 150

    wait("the counters have the connection, both ways with masq", counted)
    direct = plane.counters()[GATE, Place("10.99.1.11", 80)]
    expect("direct routing counts one way alone", (direct.bytes_in > 150, direct.bytes_out), (True, 0))


def synchronisation(first: PlaneIpvs, second: PlaneIpvs) -> None:
    daemon = SyncDaemon("eth0", identifier=5, most_bytes=1400)
    master, backup, both = (Synchronise(daemon, *each, WHY) for each in ((True, False), (False, True), (True, True)))
    neither = Synchronise(None, False, False, WHY)
    expect("the backup's daemon starts", second.synchronise(backup), "")
    expect("the master's daemon starts", first.synchronise(master), "")
    expect("the kernel tells it as it was asked", first.sync_daemons(), {SyncState.MASTER: daemon})

    def copied() -> bool:
        ask(GATE)
        enter("second")
        with open("/proc/thread-self/net/ip_vs_conn") as table:
            return any("0A630164 0050" in line for line in table)

    wait("a connection of the master is on the backup", copied)
    expect("they change places", first.synchronise(backup) + second.synchronise(master), "")
    found = [*first.sync_daemons()], [*second.sync_daemons()]
    expect("each is what the other was", found, ([SyncState.BACKUP], [SyncState.MASTER]))
    expect("one machine can be both", first.synchronise(both), "")
    expect("and is", first.sync_daemons(), {SyncState.MASTER: daemon, SyncState.BACKUP: daemon})
    expect("both stop", first.synchronise(neither) + second.synchronise(neither), "")
    expect("none runs", {**first.sync_daemons(), **second.sync_daemons()}, {})


def every_word(plane: PlaneIpvs) -> None:
    """What the kernel tells must be what was written, or the pool would write for ever. In the backup: nobody is served."""
    six = ServiceKey("tcp", "2001:db8::100", 443, family=6)
    gue, gre = Tunnelling("gue", 5555, "csum"), Tunnelling("gre", 0, "")
    table = {
        TableService(six, "sh", ("sh-port", "sh-fallback"), 600 * SECOND, 64): (
            TableServer(Place("2001:db8::1", 443), Forward.DIRECT, 65535, 1000, 900),
            TableServer(Place("10.99.1.12", 443), Forward.TUNNEL, 3),
        ),
        TableService(ServiceKey("udp", "10.99.1.101", 53), "mh", ("mh-port", "flag-3"), one_packet=True): (
            TableServer(Place("10.99.1.12", 53), Forward.TUNNEL, 0, tunnelling=gue),
            TableServer(Place("10.99.1.13", 53), Forward.TUNNEL, 1, tunnelling=gre),
        ),
        TableService(ServiceKey("sctp", "10.99.1.101", 9), "wlc"): (TableServer(Place("10.99.1.12", 99)),),
        TableService(ServiceKey(mark=0x80000001), "rr", persistence=90 * SECOND): (
            TableServer(Place("10.99.1.12", 0), Forward.DIRECT),
        ),
        TableService(ServiceKey(mark=7, family=6), "rr"): (),
        TableService(ServiceKey("tcp", "10.99.1.101", 0), "wlc", ("flag-1",), 60 * SECOND, 16): (),
    }
    for service, servers in table.items():
        add(plane, service, *servers)
    found = {service: frozenset(servers) for service, servers in plane.read().services}
    expect("the table as it was written", found, {kept_by_ipvs(key): frozenset(rows) for key, rows in table.items()})
    many = [SetServer(six, TableServer(Place(f"2001:db8:1::{number:x}", 443)), True, WHY) for number in range(1, 2001)]
    begun = time.process_time()
    refused = plane.apply(many)
    say(f"2000 servers were added in {(time.process_time() - begun) * 1000:.0f} ms of the processor")
    expect("2000 servers in one batch", refused, [])
    begun = time.process_time()
    read = {service.key: len(servers) for service, servers in plane.read().services}
    say(f"they were read in {(time.process_time() - begun) * 1000:.0f} ms of the processor")
    expect("all of them are read", read[six], 2002)
    refused = plane.apply([SetService(TableService(ServiceKey("tcp", "10.99.1.101", 8), "nobody"), True, WHY)])
    expect("a scheduler that is not there is named", refused[0].text, "the kernel has no scheduler nobody")
    expect("time-outs are taken", plane.set_timeouts(Timeouts(900 * SECOND, 120 * SECOND, 300 * SECOND)), "")
    expect("flush is taken", plane.flush(), "")
    expect("nothing is left", plane.read().services, ())


def main() -> None:
    say(f"kernel {os.uname().release}")
    farm()
    serve("gate", 80, "gate")
    serve("ipip", 81, "ipip")
    serve("masq", 80, "masq 80")
    serve("masq", 8080, "masq 8080")
    enter("first")
    first = PlaneIpvs()
    enter("second")
    second = PlaneIpvs()
    say("the planes are there")
    every_word(second)
    real_server()
    forwarding(first)
    persistence(first)
    taken_out(first)
    statistics(first)
    synchronisation(first, second)
    say("all done")


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        say("failed: see above")
