"""Debian's heartbeat 3.0.6 and our media: what it sends on each medium holds, and what we send is heard on each."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters.old_media import OldMedia
from understudy.adapters.udp import boot_clock
from understudy.heartbeat3 import Field, FieldKind, OldMessage
from understudy.heartbeat_files import Medium, MediumKind
from understudy.wire.heartbeat3 import Auth, Framing, Keys, Method, Opened, encode, open_message
from understudy.wire.heartbeat3_serial import SerialReader

pytestmark = pytest.mark.kernel

PROGRAM = "/usr/libexec/heartbeat/heartbeat"
BAUD = 115200
AUTH = Auth(1, Method.SHA1, b"understudy")
BORN = int(time.time())
KEYS = Keys((AUTH,), 1)

CONFIGURATION = """\
keepalive 200ms
deadtime 5
initdead 10
realtime off
baud {baud}
bcast eth0
ucast eth1 10.1.2.2
mcast eth2 239.1.2.3 6940 1 0
serial {tty}
auto_failback off
use_logd no
logfile {log}
node ha01 ha02
"""

SET_UP = """
set -e
mount --make-rprivate /
hostname ha01
cp -a /etc/ha.d "$1/ha.d"
cp "$1/ha.cf" "$1/ha.d/ha.cf"
printf 'auth 1\\n1 sha1 understudy\\n' > "$1/ha.d/authkeys"
chmod 600 "$1/ha.d/authkeys"
: > "$1/ha.d/haresources"
mount --bind "$1/ha.d" /etc/ha.d
mount -t tmpfs none /run
mount -t tmpfs none /var/lib/heartbeat
mkdir -p /run/lock /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/rsctmp /run/resource-agents
mkdir -p /var/lib/heartbeat/cores/root /var/lib/heartbeat/cores/hacluster /var/lib/heartbeat/cores/nobody
chown -R hacluster:haclient /run/heartbeat /var/lib/heartbeat
"$2"
while :; do sleep 1; done
"""


class Cable:
    """Two pseudo terminals joined by a null-modem: ``ends`` are the paths of the ttys."""

    def __init__(self) -> None:
        pairs = [os.openpty() for _ in range(2)]
        self._masters = [master for master, _ in pairs]
        self._slaves = [slave for _, slave in pairs]  # kept open, so that the masters never see a hang-up
        self.ends = [os.ttyname(slave) for slave in self._slaves]
        self._stop, self._stopper = os.pipe()
        self._thread = threading.Thread(target=self._pump)
        self._thread.start()

    def _pump(self) -> None:
        with selectors.DefaultSelector() as ready:
            for master, other in zip(self._masters, reversed(self._masters), strict=True):
                ready.register(master, selectors.EVENT_READ, other)
            ready.register(self._stop, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fd == self._stop:
                        return
                    os.write(key.data, os.read(key.fd, 4096))

    def close(self) -> None:
        os.close(self._stopper)
        self._thread.join()
        for descriptor in (*self._masters, *self._slaves, self._stop):
            os.close(descriptor)


@contextlib.contextmanager
def real_heartbeat(machine: Machine, folder: Path) -> Iterator[None]:
    """With its own process numbers, mounts and host name, so that all of it ends with the first of its processes."""
    own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc"]
    command = ["ip", "netns", "exec", machine.namespace, *own, "sh", "-c", SET_UP, "sh", str(folder), PROGRAM]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def status(number: int) -> OldMessage:
    now = f"{int(time.time()):x}"
    born = f"{BORN:x}"
    values = {
        "t": "status",
        "st": "active",
        "dt": "1388",
        "protocol": "1",
        "src": "ha02",
        "seq": f"{number:x}",
        "hg": born,
        "ts": now,
        "ld": "0.00 0.00 0.00 1/1 1",
        "ttl": "3",
    }
    uuid = Field(FieldKind.BINARY, "srcuuid", bytes(range(1, 17)))
    return OldMessage((*(Field(FieldKind.TEXT, name, value) for name, value in values.items()), uuid))


@pytest.mark.skipif(
    shutil.which("unshare") is None or not os.access(PROGRAM, os.X_OK), reason="heartbeat is not installed"
)
def test_a_real_heartbeat_is_heard_and_hears_us_on_every_medium(lab: Lab, tmp_path: Path) -> None:
    a, b = lab.machine("a"), lab.machine("b")
    for number in range(3):
        ends = {machine: f"10.1.{number + 1}.{last}/24" for last, machine in ((1, a), (2, b))}
        lab.segment(ends, device=f"eth{number}")
    # Without it the old program broadcasts to 0.0.0.0, which nobody hears.
    a.run("ip addr flush dev eth0")
    a.run("ip addr add 10.1.1.1/24 brd 10.1.1.255 dev eth0")
    cable, log = Cable(), tmp_path / "ha.log"
    theirs, ours = cable.ends
    (tmp_path / "ha.cf").write_text(CONFIGURATION.format(baud=BAUD, tty=theirs, log=log))
    media = (
        Medium(MediumKind.BROADCAST, "eth0", port=694),
        Medium(MediumKind.UNICAST, "eth1", "10.1.2.1", 694),
        Medium(MediumKind.MULTICAST, "eth2", "239.1.2.3", 6940, hops=1),
        Medium(MediumKind.SERIAL, ours, baud=BAUD),
    )
    with inside(b):
        links = OldMedia(media, flow_control=False, lock_folder=str(tmp_path))
    reader, heard, said = SerialReader(KEYS), dict[str, list[Opened]](), 0
    due = 0.0
    wanted = {"eth0", "eth1", "eth2", ours}

    def everything_heard() -> bool:
        for item in links.drain(boot_clock())[0]:
            messages = reader.feed(item.data) if item.network == ours else [open_message(KEYS, item.data)]
            good = [
                message for message in messages if isinstance(message, Opened) and message.message.get("src") == "ha01"
            ]
            heard.setdefault(item.network, []).extend(good)
        return {network for network, messages in heard.items() if messages} == wanted

    def linked() -> bool:
        nonlocal said, due
        if time.monotonic() >= due:
            said, due = said + 1, time.monotonic() + 0.2
            message = status(said)
            links.send(encode(message, AUTH), encode(message, AUTH, Framing.STRING), "status")
        everything_heard()
        text = log.read_text() if log.exists() else ""
        return all(f"Link ha02:{name} up" in text for name in ("eth0", "eth1", "eth2", theirs))

    with contextlib.closing(cable), contextlib.closing(links), real_heartbeat(a, tmp_path):
        eventually(everything_heard, "every medium of the old program is heard", patience=60)
        assert {message.framing for message in heard[ours]} == {Framing.STRING}
        assert {message.framing for message in heard["eth0"]} == {Framing.NETSTRING}
        eventually(linked, "the old program has heard us on every medium", patience=60)
