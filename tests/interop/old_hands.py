"""What a hand can do to a pair beside heartbeat: kill, lose a message, record the wire, call the tools, look at a machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator

from old_world import Pair, rest, until

from understudy.lab import heartbeat, kernel
from understudy.lab.cluster import PROGRAM
from understudy.lab.inside import BASE
from understudy.lab.netns import LabError, Process
from understudy.units import MILLISECOND, Instant

TOOLS = "/run/compat"
OLD_TOOLS = "/usr"
KNOWN = "remote resource transition completed"
"""What the old program logs when it knows what the other one holds."""


def outage(pair: Pair, since: Instant, what: str) -> int:
    """The longest time without an answer since then, in nanoseconds; printed as a fact for the table in docs/heartbeat.md."""
    rest(0.2)
    gap = pair.stage.watchers.seen(since, kernel.now() - 50 * MILLISECOND).address
    assert gap is not None
    assert gap.mended, f"{what}: nobody answers the client"
    print(f"FACT {what}: {gap.length / MILLISECOND:.0f} ms")
    return gap.length


def kill_ours(pair: Pair, name: str) -> None:
    """All processes of our daemon, the one that would start the others first."""
    assert pair.ours[name].signal("all", signal.SIGKILL) >= 3
    until("they are gone", lambda: not pair.ours[name].processes())


def old_parts(pair: Pair, name: str) -> list[Process]:
    """The processes of the old program."""
    return [process for process in pair.machine(name).processes() if heartbeat.is_part(process.argv)]


def kill_old(pair: Pair, name: str) -> None:
    """All processes of the old program. What it serves stays where it is."""
    assert len(old_parts(pair, name)) >= 3
    machine = pair.machine(name)
    until("they are gone", lambda: not machine.signal(old_parts(pair, name), signal.SIGKILL))


@contextlib.contextmanager
def frozen_old(pair: Pair, name: str) -> Iterator[None]:
    """All processes of the old program stand still meanwhile."""
    parts = old_parts(pair, name)
    assert pair.machine(name).signal(parts, signal.SIGSTOP) >= 3
    yield
    pair.machine(name).signal(parts, signal.SIGCONT)


def knows(pair: Pair, name: str) -> int:
    """How often the old program has found out what the other one holds."""
    return pair.old_log(name).count(KNOWN)


def rejoin_old(pair: Pair, name: str) -> None:
    """Start it where it has stopped or was killed; returns when both know what the other holds."""
    other = next(each for each in pair.ours if each != name)
    before = knows(pair, name)
    pair.start_old(name)
    until("the old one knows what ours holds", lambda: knows(pair, name) > before)
    until("and ours what the old one does", lambda: pair.settled(other))


def rejoin_new(pair: Pair, name: str) -> None:
    """As ``rejoin_old``, for ours."""
    other = next(each for each in pair.ours if each != name)
    before = knows(pair, other)
    pair.start_new(name)
    until("ours knows what the old one holds", lambda: bool(pair.holder(name)) and pair.settled(name))
    until("and the old one what ours does", lambda: knows(pair, other) > before)


def addresses(pair: Pair, name: str) -> set[str]:
    """The addresses on the machine's service network; none while it has no power."""
    if not pair.machine(name).powered:
        return set()
    found = json.loads(pair.machine(name).run(["ip", "-json", "-4", "address", "show", "dev", "eth0"]))
    return {item["local"] for link in found for item in link.get("addr_info", [])}


def install_tools(pair: Pair, name: str) -> None:
    """Our tools under the names of the old ones."""
    pair.machine(name).run([*PROGRAM, "install-compat", "--prefix", TOOLS])


def tool(pair: Pair, name: str, *words: str) -> None:
    """Call hb_standby or hb_takeover on the machine: ours if they are installed there, else Debian's. Raises LabError."""
    program = f"share/heartbeat/{words[0]}"
    runtime = pair.ours[name].runtime
    script = f'd={TOOLS}; [ -e "$d/{program}" ] || d={OLD_TOOLS}; exec env UNDERSTUDY_RUNTIME_DIR={runtime} "$d/{program}" "$@"'
    pair.machine(name).run(["sh", "-c", script, *words])


def asking(pair: Pair, name: str, words: str, done: Callable[[], bool]) -> None:
    """Call the tool until it is ``done``: the old one does nothing, and says nothing, while something else is under way there."""
    again = 0.0

    def asked() -> bool:
        nonlocal again
        if done():
            return True
        if time.monotonic() > again:
            again = time.monotonic() + 5
            try:
                tool(pair, name, *words.split())
            except LabError:
                assert os.path.exists(pair.ours[name].runtime), "only ours says so when it cannot be"
                again = time.monotonic() + 0.5
        return False

    until(f"{words} on {name} is done", asked)


# The wire


def lose_once(pair: Pair, name: str, kind: str) -> None:
    """The next message of that type to the machine does not arrive: the kernel drops one packet whose text begins so."""
    text = kind.encode()
    begins = 8 + len("###\n") + len(f"{len(kind) + len('(0)t=')}:(0)t=")  # behind the header of UDP
    once = "limit rate 1/hour burst 1 packets counter drop"
    rule = f"iifname eth1 udp dport 694 @th,{begins * 8},{len(text) * 8} 0x{text.hex()} {once}"
    table = f"table inet {kind}"
    rules = f"{table} {{ chain lost {{ type filter hook input priority -200; policy accept; {rule}; }}; }}"
    pair.machine(name).run(["nft", "-f", "-"], rules)


def lost(pair: Pair, name: str, kind: str) -> int:
    """How many packets that rule has dropped."""
    found = json.loads(pair.machine(name).run(["nft", "-j", "list", "table", "inet", kind]))
    rules = [item["rule"]["expr"] for item in found["nftables"] if "rule" in item]
    return sum(part["counter"]["packets"] for rule in rules for part in rule if "counter" in part)


class Recording:
    """What passes the machine's heartbeat network, from now on; it sees what the kernel drops afterwards, too."""

    def __init__(self, pair: Pair, name: str, label: str) -> None:
        self.path = f"{BASE}/{name}.{label}.pcap"
        self.machine = pair.machine(name)
        words = ["tcpdump", "-i", "eth1", "--immediate-mode", "-Z", "root", "-U", "-w", self.path, "udp", "port", "694"]
        self.machine.spawn(words, f"{BASE}/tcpdump.log")
        until("it records", lambda: os.path.exists(self.path) and os.path.getsize(self.path) > 100)

    def messages(self) -> list[dict[str, str]]:
        """All that was heard so far, in order: the text fields of each message."""
        words = [*PROGRAM, "decode", "--json", "--keys", "/etc/ha.d/authkeys", self.path]
        script = '"$@" 2>/dev/null || true'  # the last packet may be written just now
        lines = [json.loads(line) for line in self.machine.run(["sh", "-c", script, "sh", *words]).splitlines()]
        packets = [line for line in lines if line["kind"] == "packet" and line["ok"]]
        return [{name: value for _, name, value in packet["fields"]} for packet in packets]
