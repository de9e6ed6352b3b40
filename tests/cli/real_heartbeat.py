"""Debian's heartbeat on a machine of its own, alone, and what its tools say there.

    unshare -n -m -u -p -f --mount-proc python real_heartbeat.py < QUESTIONS.json > ANSWERS.json

QUESTIONS: {"files": {name: text}, "down": [[word, ...], ...], "up": [...]}; "down" is asked before the daemon is started, "up"
while it runs. ANSWERS: the same lists, of [exit code, standard output, standard error]. The daemon ends with this process, the
first of its process namespace.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = "/usr/libexec/heartbeat/heartbeat"

SET_UP = """
set -e
mount --make-rprivate /
hostname ha01
ip link set lo up
ip link add eth1 type veth peer name eth1b
ip addr add 192.168.107.101/24 dev eth1
ip link set eth1 up
ip link set eth1b up
mount -t tmpfs none /run
cp -a /etc/ha.d /run/ha.d
printf 'auth 1\\n1 sha1 understudy\\n' > /run/ha.d/authkeys
chmod 600 /run/ha.d/authkeys
mount --bind /run/ha.d /etc/ha.d
mount -t tmpfs none /var/lib/heartbeat
mkdir -p /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/rsctmp /run/resource-agents
mkdir -p /var/lib/heartbeat/cores/root /var/lib/heartbeat/cores/hacluster /var/lib/heartbeat/cores/nobody
mkdir -p /var/lib/heartbeat/api /var/lib/heartbeat/casual
chown -R hacluster:haclient /run/heartbeat /var/lib/heartbeat
"""


def ask(words: list[str]) -> list[object]:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return [done.returncode, done.stdout, done.stderr]


def main() -> None:
    asked = json.load(sys.stdin)
    subprocess.run(["sh", "-c", SET_UP], check=True, stdin=subprocess.DEVNULL)
    for name, text in asked["files"].items():
        path = Path("/etc/ha.d") / name
        path.write_text(text)
        path.chmod(0o755 if "resource.d" in name else 0o644)
    found = {"down": [ask(words) for words in asked["down"]]}
    subprocess.run([PROGRAM], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    end = time.monotonic() + 60
    # It answers once it is active, and the other node is dead after initdead.
    while (
        ask(["cl_status", "nodestatus", "ha02"])[1] != "dead\n"
        or ask(["cl_status", "nodestatus", "192.168.107.101"])[0]
    ):
        if time.monotonic() > end:
            sys.exit("heartbeat does not become active")
        time.sleep(0.1)
    found["up"] = [ask(words) for words in asked["up"]]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    if not shutil.which("cl_status"):
        sys.exit("cl_status is not installed")
    main()
