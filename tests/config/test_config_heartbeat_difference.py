"""What differs between two readings of Heartbeat's files, and what of it needs more than a reload."""

from __future__ import annotations

import pytest
from heartbeat_helpers import texts

from understudy.config.difference import How
from understudy.config.heartbeat import Texts, read_heartbeat
from understudy.config.heartbeat_copy import HeartbeatCopy
from understudy.config.heartbeat_difference import heartbeat_difference

CF = "deadtime 10\nkeepalive 1\nauto_failback on\nbcast eth1 eth2\nnode ha01 ha02\n"
LINES = "ha01 192.0.2.1/24/eth0\nha02 192.0.2.2/24/eth0\n"
KEYS = "auth 1\n1 sha1 secret\n2 sha1 other\n"


def copy(cf: str = CF, lines: str = LINES, keys: str = KEYS) -> HeartbeatCopy:
    found: Texts = texts(cf, lines, keys)
    reading = read_heartbeat(found)
    assert reading.files is not None, reading.problems
    return HeartbeatCopy(reading.files, (b"", b"", b""), 694, "/home")


def told(after: HeartbeatCopy, before: HeartbeatCopy | None = None) -> list[tuple[str, How]]:
    found = heartbeat_difference(before or copy(), after, "/etc/ha.d")
    return [(change.text, change.how) for change in found.changes]


def test_the_same_files_differ_in_nothing() -> None:
    assert told(copy()) == []
    assert told(copy("# a comment\nlogfile /var/log/x\n" + CF)) == []


@pytest.mark.parametrize(
    ("cf", "text", "how"),
    [
        (CF.replace("deadtime 10", "deadtime 20"), "deadtime 10 becomes 20", How.RELOAD),
        (CF.replace("keepalive 1", "keepalive 500ms"), "keepalive 1 becomes 500ms", How.RELOAD),
        (CF.replace("failback on", "failback off"), "auto_failback on becomes off", How.RELOAD),
        (CF + "env A=b\n", "env is another", How.RELOAD),
        (CF + "stonith_host * apcmaster 10.0.0.9 apc secret\n", "stonith is another", How.RELOAD),
        (
            CF.replace("failback on", "failback legacy"),
            "auto_failback on becomes legacy: legacy is another protocol",
            How.RESTART,
        ),
        (CF.replace("eth2", "eth3"), "the media (bcast, ucast, mcast, serial) is another", How.RESTART),
        (CF + "ping 192.0.2.9\n", "ping and ping_group is another", How.RESTART),
        (CF + "respawn root /bin/x\n", "respawn and failfast is another", How.RESTART),
        (CF + "watchdog /dev/watchdog\n", "watchdog is another", How.RESTART),
        (CF + "cluster other\n", "cluster is another", How.RESTART),
    ],
)
def test_a_directive(cf: str, text: str, how: How) -> None:
    found = told(copy(cf))
    assert [(said.startswith(text), kind) for said, kind in found if said.startswith(text)] == [(True, how)], found
    assert not any("secret" in said for said, _ in found)


def test_a_dead_time_that_its_watchdog_does_not_fit_needs_a_restart() -> None:
    dog = CF + "watchdog /dev/watchdog\n"
    ((said, how),) = (item for item in told(copy(dog.replace("10", "20")), copy(dog)) if "deadtime" in item[0])
    assert how is How.RESTART
    assert "the watchdog counts to twice as much" in said


@pytest.mark.parametrize(
    ("keys", "text", "how"),
    [
        (KEYS.replace("auth 1", "auth 2"), "key 2 signs as soon as the other machine accepts it", How.RELOAD),
        (KEYS + "3 md5 third\n", "key 3 is accepted", How.RELOAD),
        (KEYS.replace("2 sha1 other\n", ""), "key 2 is accepted no more", How.RELOAD),
        (KEYS.replace("secret", "fresh"), "key 1 is another", How.TWO_STEPS),
        ("auth 2\n2 sha1 other\n", "key 1, which signs, is gone", How.TWO_STEPS),
    ],
)
def test_keys(keys: str, text: str, how: How) -> None:
    found = told(copy(keys=keys))
    assert [kind for said, kind in found if said.startswith(text)] == [how], found
    assert not any(word in said for said, _ in found for word in ("secret", "fresh", "other key"))


def test_lines() -> None:
    found = told(copy(lines=LINES + "ha01 192.0.2.3/24/eth0\n"))
    assert [how for _, how in found] == [How.RELOAD]
    found = told(copy(lines=LINES.replace("ha02", "ha01")))
    assert any("192.0.2.2 goes from the line of ha02 to that of ha01" in said for said, _ in found), found
    assert How.TWO_STEPS in [how for _, how in found]
    found = told(copy(lines="ha01 192.0.2.1/24/eth0 192.0.2.2/24/eth0\nha02 192.0.2.7/24/eth0\n"))
    assert How.TWO_STEPS in [how for _, how in found], "from one line into the other"
