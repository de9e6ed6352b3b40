"""A stand-in for ipvsadm with a pretend table, for programs that call ipvsadm where the kernel has no IPVS.

``Pretence`` has the table and listens on loopback; the program calls a few lines of shell (``SCRIPT``) that ask it, for a daemon
asks for its table dozens of times a second, and an interpreter for each would be what one waits for.

It knows what ldirectord uses: -A -E -D -a -e -d and -L -n [--thresholds]. As the real one does (ipvsadm.c 1.31, ip_vs_ctl.c): an
addition of what is there and a change of what is not are errors, without NAT a server's port is its service's, thresholds and
weights that are not named are 0 and 1.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field

FORWARD = {"-g": "Route", "-m": "Masq", "-i": "Tunnel"}
PROTOCOL = {"-t": "TCP", "-u": "UDP", "-f": "FWM"}
MARKS_WITH_6 = "-6"
SCRIPT = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port}
printf '%s\\n' "$*" >&3
read -r code <&3
while IFS= read -r line <&3; do printf '%s\\n' "$line"; done
exit $code
"""
HEAD: tuple[str, ...] = ("-s", "-p", "-M", "-b", "-o")
VALUES = frozenset(("-t", "-u", "-f", "-s", "-p", "-M", "-b", "-r", "-w", "-x", "-y"))


@dataclass
class Service:
    """``head``: what follows ``-A``. ``servers``: what follows ``-a`` and the service, by address and port."""

    head: dict[str, str]
    servers: dict[str, dict[str, str]] = field(default_factory=dict)


def options(words: list[str]) -> dict[str, str]:
    """``-w 3 -m`` as a dictionary; a lone ``-p`` means 300 s."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        found[word] = rest.pop(0) if word in VALUES and rest else ""
    return found


def name(found: dict[str, str]) -> str:
    which = next(word for word in PROTOCOL if word in found)
    return f"{which} {found[which]}" + (" -6" if MARKS_WITH_6 in found else "")


def lines(table: dict[str, Service]) -> list[str]:
    """The table, sorted, as the calls that would make it."""
    found = []
    for which in sorted(table):
        service = table[which]
        head = " ".join(f"{word} {value}".strip() for word, value in service.head.items())
        found.append(f"-A {which}{' ' * bool(head)}{head}")
        for server in sorted(service.servers):
            words = " ".join(f"{word} {value}".strip() for word, value in service.servers[server].items())
            found.append(f"-a {which} -r {server} {words}")
    return found


def change(table: dict[str, Service], words: list[str]) -> str:
    """Do one call; what is wrong with it, or ""."""
    verb, found = words[0], options(words[1:])
    which = name(found)
    service = table.get(which)
    if verb == "-A":
        if service is not None:
            return "Service already exists"
        table[which] = Service(head(found))
        return ""
    if service is None:
        return "No such service" if verb in ("-E", "-D") else "Service not defined"
    if verb == "-E":
        service.head = head(found)
    elif verb == "-D":
        del table[which]
    else:
        return change_server(service, verb, which, found)
    return ""


def head(found: dict[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {word: found[word] for word in HEAD if word in found}
    kept.setdefault("-s", "wlc")
    if kept.get("-M") == "255.255.255.255":
        del kept["-M"]
    return kept


def change_server(service: Service, verb: str, which: str, found: dict[str, str]) -> str:
    server = found["-r"]
    forward = next((word for word in FORWARD if word in found), "-g")
    if verb != "-d" and forward != "-m" and not which.startswith("-f"):
        server = server.rpartition(":")[0] + ":" + which.split()[1].rpartition(":")[2]
    there = server in service.servers
    if verb == "-d":
        return "" if service.servers.pop(server, None) is not None else "No such destination"
    if there == (verb == "-a"):
        return "Destination already exists" if there else "No such destination"
    entry = {forward: "", "-w": found.get("-w", "1")}
    for word in ("-x", "-y"):
        if found.get(word, "0") != "0":
            entry[word] = found[word]
    service.servers[server] = entry
    return ""


def listing(table: dict[str, Service], thresholds: bool) -> str:
    """``-L -n``, in the columns of ipvsadm."""
    found = ["IP Virtual Server version 1.2.1 (size=4096)", "Prot LocalAddress:Port Scheduler Flags"]
    found.append("  -> RemoteAddress:Port" + " Forward Weight ActiveConn InActConn")
    for which, service in table.items():
        kind, where = which.split()[:2]
        persistent = ""
        if "-p" in service.head:
            mask = f" mask {service.head['-M']}" if "-M" in service.head else ""
            persistent = f" persistent {service.head['-p'] or 300}{mask}"
        six = " IPv6" if which.endswith(" -6") else ""
        found.append(f"{PROTOCOL[kind]}  {where}{six} {service.head['-s']}{persistent}")
        for server, entry in service.servers.items():
            if thresholds:
                found.append(f"  -> {server:30} {entry.get('-x', '0'):10} {entry.get('-y', '0'):10} 0 0")
            else:
                forward = next(FORWARD[word] for word in FORWARD if word in entry)
                found.append(f"  -> {server:30} {forward:7} {entry['-w']:6} 0 0")
    return "\n".join(found) + "\n"


class Pretence:
    """The table, and who answers for it. ``calls``: all that changed it, with what was wrong with them."""

    def __init__(self) -> None:
        self.table: dict[str, Service] = {}
        self.calls: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.script = SCRIPT.format(port=self.listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def do(self, call: str) -> tuple[int, str]:
        """One call: exit status and output."""
        words = call.split()
        if words[0] == "-L":
            return 0, listing(self.table, "--thresholds" in words)
        trouble = change(self.table, words)
        self.calls.append(call + (f"    # {trouble}" if trouble else ""))
        return (2, trouble + "\n") if trouble else (0, "")

    def _serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection, contextlib.suppress(OSError), connection.makefile("r", encoding="utf-8") as file:
                code, text = self.do(file.readline().strip())
                connection.sendall(f"{code}\n{text}".encode())
