"""Our reading of keepalived.conf beside that of Debian's keepalived, in network namespaces of its own.

``keepalived -t`` says what it refuses; a running one, asked by SIGUSR1, what it understood.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from keepalived_helpers import read_text
from keepalived_lines import LOST, READ, whole

from understudy.config.keepalived_words import CONTEXTS
from understudy.units import SECOND

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(shutil.which("keepalived") is None, reason="Debian's keepalived is not installed"),
]

LINKS = "".join(
    f"ip link add {name} type veth peer name p{name} && ip link set {name} up && ip link set p{name} up && "
    for name in ("eth0", "eth1")
)
SETUP = f"mount -t tmpfs x /run && mount -t tmpfs x /tmp && ip link set lo up && {LINKS}ip address add 192.0.2.1/24 dev eth0"
BODY = "interface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n192.0.2.9/24\n}\n"
GOOD = f"vrrp_instance V {{\n{BODY}}}\n"
PLACES = {
    "global_defs": f"global_defs {{\n%s\n}}\n{GOOD}",
    "vrrp_instance": f"vrrp_instance V {{\n{BODY}%s\n}}\n",
    "authentication": f"vrrp_instance V {{\n{BODY}authentication {{\n%s\n}}\n}}\n",
    "vrrp_sync_group": f"vrrp_sync_group G {{\n%s\ngroup {{\nV\n}}\n}}\n{GOOD}",
    "vrrp_script": f'vrrp_script s {{\nscript "/bin/true"\n%s\n}}\n{GOOD}',
    "track_file": f'track_file s {{\nfile "/run/x"\n%s\n}}\n{GOOD}',
    "vrrp_track_process": f"vrrp_track_process s {{\nprocess x\n%s\n}}\n{GOOD}",
}
COMPILED_OUT = {"vrrp_ipsets"}
"""Keywords that Debian's does not know because of how it was built."""


def _in_a_namespace(script: str, files: dict[str, str]) -> str:
    """What a shell prints in a network and mount namespace of its own; ``files`` lie in its folder."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        done = subprocess.run(
            ["unshare", "-n", "-m", "sh", "-c", f"{SETUP} && cd {folder} && {script}"],
            capture_output=True,
            text=True,
            timeout=300,
        )
    if "Operation not permitted" in done.stderr and "mount" in done.stderr:
        pytest.skip("needs root")
    return done.stdout


def test_what_must_have_a_value() -> None:
    """Each keyword alone: keepalived ends where we say error, and knows every keyword of the table."""
    words = [(place, word) for place in PLACES for word, keyword in CONTEXTS[place].items() if not keyword.opens]
    files = {f"{number}.conf": PLACES[place] % word for number, (place, word) in enumerate(words)}
    script = (
        f'for i in $(seq 0 {len(words) - 1}); do echo "== $i"; timeout 20 keepalived -n -l -t -f $i.conf 2>&1; done'
    )
    said = dict(re.findall(r"^== (\d+)\n((?:(?!== ).*\n)*)", _in_a_namespace(script, files), re.MULTILINE))
    assert len(said) == len(words)
    wrong = []
    for number, (place, word) in enumerate(words):
        theirs = said[str(number)]
        fatal = "missing a parameter" in theirs
        ours = any(item.text == f'"{word}" lacks its value' for item in read_text(files[f"{number}.conf"]).problems)
        if fatal is not ours or ("Unknown keyword" in theirs and word not in COMPILED_OUT):
            wrong.append((place, word, fatal, ours, theirs))
    assert wrong == []


def test_blocks_on_one_line() -> None:
    """keepalived finds unknown keywords on the lines on which we do, and none in what we read without a word."""
    texts = [whole(lines) for lines in READ] + [whole(lines) for lines, _ in LOST]
    files = {f"{number}.conf": text for number, text in enumerate(texts)}
    script = (
        f'for i in $(seq 0 {len(texts) - 1}); do echo "== $i"; timeout 20 keepalived -n -l -t -f $i.conf 2>&1; done'
    )
    said = dict(re.findall(r"^== (\d+)\n((?:(?!== ).*\n)*)", _in_a_namespace(script, files), re.MULTILINE))
    assert len(said) == len(texts)
    for number, text in enumerate(texts):
        theirs = re.findall(r"Line (\d+)\) Unknown keyword '([A-Za-z_]+)'", said[str(number)])
        problems = read_text(text).problems
        ours = [(str(item.line), item.text.split('"')[1]) for item in problems if "unknown keyword" in item.text]
        assert sorted(set(theirs)) == sorted(set(ours)), text


MEANINGS = [
    "advert_int 1.5",
    "advert_int 0.4",
    "version 3\nadvert_int 0.256",
    "version 3\nadvert_int 50",
    "priority 0x20",
    "priority 300",
    "state MASTER",
    "state MASTER\npriority 100\nnopreempt",
    "nopreempt",
    "nopreempt\npreempt_delay 3",
    "preempt_delay 2000",
    "preempt_delay 2.5",
    "authentication {\nauth_type PASS\nauth_pass k8s#hA!\n}",
    'authentication {\nauth_type PASS\nauth_pass "k8s#hA!"\n}',
    "authentication {\nauth_type PASS\nauth_pass 'a#b'\n}",
    "authentication {\nauth_type PASS\nauth_pass a${_HASH}b\n}",
    'authentication {\nauth_type PASS\nauth_pass a"b c"d\n}',
    "authentication {\nauth_type AH\nauth_pass 123456789\n}",
    "authentication {\nauth_type pass\nauth_pass x\n}",
    "strict_mode\nstate MASTER\npriority 100\npreempt_delay 3\ngarp_lower_prio_repeat 5",
    "no_accept",
    "garp_master_repeat 0\ngarp_master_delay 0\ngarp_master_refresh 7",
    "garp_lower_prio_repeat 0\ngarp_lower_prio_delay 3",
    "down_timer_adverts 200",
    "unknown {\npriority 7\n}",
]


@pytest.mark.parametrize("part", [0, 1, *(pytest.param(part, marks=pytest.mark.long) for part in (2, 3, 4))])
def test_what_is_understood(part) -> None:
    """What a running keepalived says of an instance is what we read."""
    cases = MEANINGS[part::5]
    files = {f"{number}.conf": f"vrrp_instance V {{\n{BODY}{text}\n}}\n" for number, text in enumerate(cases)}
    one = (
        "rm -f /run/log; keepalived -n -l -P -f $i.conf >/run/log 2>&1 & p=$!; "
        "w 'Startup complete' /run/log; kill -USR1 $p; w 'Interfaces >' /tmp/keepalived.data; "
        "cat /tmp/keepalived.data; rm -f /tmp/keepalived*.data; kill $p; wait $p"
    )
    wait = 'w() { n=0; until grep -q "$1" $2 2>/dev/null || [ $n -gt 100 ]; do n=$((n+1)); sleep 0.1; done; }'
    script = f'{wait}; for i in $(seq 0 {len(cases) - 1}); do echo "== $i"; {one}; done'
    said = dict(re.findall(r"^== (\d+)\n((?:(?!== ).*\n)*)", _in_a_namespace(script, files), re.MULTILINE))
    wrong = [
        (text, theirs, ours)
        for number, text in enumerate(cases)
        if (theirs := _theirs(said[str(number)])) != (ours := _ours(files[f"{number}.conf"]))
    ]
    assert wrong == []


def _theirs(dump: str) -> dict[str, object]:
    text = dump.partition("VRRP Instance = V")[2].partition("VRRP Sockpool")[0]
    found = dict(re.findall(r"^   ([A-Za-z_ ]+?) = (.*)$", text, re.MULTILINE))
    number, unit = found["Advert interval"].split()
    kind = found.get("Authentication type", "")
    auth = "AH" if "AH" in kind else "PASS" if "PASS" in kind else ""
    return {
        "version": int(found["VRRP Version"]),
        "interval": int(number) * (SECOND if unit == "sec" else SECOND // 1000),
        "priority": int(found["Priority"]),
        "preempt": found["Preempt"] == "enabled",
        "accept": found["Accept"] == "enabled",
        "auth": auth,
        "password": found.get("Password", ""),
        "down": int(found["Down timer adverts"]),
        "repeat": int(found["Gratuitous ARP repeat"]),
        "delay": int(found["Gratuitous ARP delay"]) * SECOND,
        "refresh": int(found["Gratuitous ARP refresh"]) * SECOND,
        "lower_repeat": int(found["Gratuitous ARP lower priority repeat"]),
        "lower_delay": int(found["Gratuitous ARP lower priority delay"]) * SECOND,
    }


def _ours(text: str) -> dict[str, object]:
    files = read_text(text).files
    assert files is not None
    router = files.routers[0]
    frames = router.announcing
    return {
        "version": router.version,
        "interval": router.interval,
        "priority": router.priority,
        "preempt": router.preempt,
        "accept": router.accept,
        "auth": router.auth,
        "password": router.password if router.auth == "PASS" else "",  # of AH it tells none
        "down": router.down_adverts,
        "repeat": frames.repeat,
        "delay": frames.delay,
        "refresh": frames.refresh,
        # On purpose: its strict mode does not draw the clients of a winner back, ours does.
        "lower_repeat": 0 if router.strict else frames.lower_repeat,
        "lower_delay": frames.lower_delay,
    }
