"""What a pulse learns from the runs before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.core.health import check_text
from understudy.fence_devices import FenceDevice, FenceKind
from understudy.model import Cluster, CommandResource, Group, Link, Member, OcfResource, Quorum, Role, ScriptResource
from understudy.probes import CommandCheck, HttpCheck, PingCheck, Probe, TcpCheck
from understudy.pulse import start
from understudy.pulse.arguments import parse
from understudy.pulse.secrets import without_secrets
from understudy.pulse.start import draw_incarnation, in_standby
from understudy.units import SECOND, Duration, Instant

GOOD = ["--config", "f", "--node", "n", "--runtime-dir", "/r", "--state-dir", "/s"]


def never(text: str) -> None:
    raise AssertionError(text)


def quiet_time(path: str, dead_time: Duration, now: Instant) -> Duration:
    """Where nothing is to be warned of."""
    return start.quiet_time(path, dead_time, now, never)


def test_the_quiet_time_covers_a_longer_dead_time_of_the_run_before(tmp_path: Path) -> None:
    path = str(tmp_path / "dead_time")
    assert quiet_time(path, 1 * SECOND, now=0) == 1 * SECOND
    assert quiet_time(path, 5 * SECOND, now=10 * SECOND) == 5 * SECOND
    assert quiet_time(path, 1 * SECOND, now=20 * SECOND) == 5 * SECOND
    # The promises of the 5 s run end at 25 s, whatever runs come in between.
    assert quiet_time(path, 1 * SECOND, now=22 * SECOND) == 5 * SECOND
    assert quiet_time(path, 2 * SECOND, now=24 * SECOND) == 5 * SECOND
    assert quiet_time(path, 1 * SECOND, now=40 * SECOND) == 2 * SECOND
    assert quiet_time(path, 1 * SECOND, now=50 * SECOND) == 1 * SECOND


def test_what_is_noted_already_needs_no_room_on_the_disk(tmp_path: Path) -> None:
    path = str(tmp_path / "dead_time")
    assert quiet_time(path, 1 * SECOND, now=0) == 1 * SECOND
    (tmp_path / "dead_time.new").symlink_to("/dev/full")
    assert quiet_time(path, 1 * SECOND, now=10 * SECOND) == 1 * SECOND
    # What must be noted for the safety of the next run, and cannot be, prevents this one; and says where.
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        quiet_time(path, 2 * SECOND, now=20 * SECOND)


def test_a_longer_time_that_cannot_be_replaced_is_waited_again(tmp_path: Path) -> None:
    path = str(tmp_path / "dead_time")
    quiet_time(path, 5 * SECOND, now=0)
    (tmp_path / "dead_time.new").symlink_to("/dev/full")
    said: list[str] = []
    assert start.quiet_time(path, 1 * SECOND, 10 * SECOND, said.append) == 5 * SECOND
    assert said == [f"cannot write {path} (No space left on device): the next start will wait the 5s noted there"]
    # Long after all promises of that run the note still says 5 s: too long, never too short.
    assert start.quiet_time(path, 1 * SECOND, 90 * SECOND, said.append) == 5 * SECOND


def test_a_spoilt_file_is_replaced(tmp_path: Path) -> None:
    for content in ("", "{", "[]", '{"current_ns": "x"}'):
        (tmp_path / "dead_time").write_text(content)
        assert quiet_time(str(tmp_path / "dead_time"), SECOND, now=0) == SECOND


def test_standby_is_a_file(tmp_path: Path) -> None:
    assert not in_standby(str(tmp_path))
    (tmp_path / "standby").touch()
    assert in_standby(str(tmp_path))


def test_incarnations_are_64_bits_and_differ() -> None:
    some = {draw_incarnation() for _ in range(100)}
    assert len(some) == 100
    assert all(0 < number < 2**64 for number in some)


def test_flags_are_read() -> None:
    found = parse([*GOOD, "--ready-fd", "3", "--wait-fd", "4", "--keeper-fd", "5"], "x")
    assert (found.config, found.node, found.ready_fd, found.wait_fd, found.keeper_fd) == ("f", "n", 3, 4, 5)
    assert found.in_runtime_dir("pulse.sock") == "/r/pulse.sock"
    assert parse(GOOD, "x").ready_fd == -1


@pytest.mark.parametrize("given", [[], GOOD[:6], [*GOOD, "--loud"], [*GOOD, "--loud", "1"], [*GOOD, "--ready-fd", "x"]])
def test_wrong_flags_end_with_2_and_the_usage(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(given, "understudy.pulse")
    assert caught.value.code == 2
    assert "usage: python -m understudy.pulse --config VALUE" in capsys.readouterr().err


def test_the_core_is_not_told_what_programs_and_devices_are_told() -> None:
    secret = "swordfish"
    resources = (
        OcfResource("db", "heartbeat", "pgsql", (("password", secret),)),
        CommandResource("daemon", ("/usr/bin/daemon", f"--token={secret}"), environment=(("TOKEN", secret),)),
        ScriptResource("script", "/usr/local/bin/script", (secret,)),
    )
    checks = (
        HttpCheck(f"http://10.0.0.1/up?{secret}", "www", text=secret, send_headers=(("Authorization", secret),)),
        TcpCheck("10.0.0.1", 25, secret, secret),
        CommandCheck(("/bin/check", secret)),
        PingCheck("10.0.0.1"),
    )
    probes = tuple(Probe(f"p{number}", check) for number, check in enumerate(checks))
    cluster = Cluster(
        name="home",
        key_file="key",
        heartbeat=SECOND // 5,
        dead_time=SECOND,
        quorum=Quorum.FENCE,
        members=tuple(
            Member(name, Role.NODE, (Link("a", address),)) for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"))
        ),
        groups=(Group("site", resources, ("a", "b"), probes=probes),),
        fences=(
            FenceDevice("ipmi", FenceKind.AGENT, "fence_ipmilan", (secret,), (("password", secret),), (("b", ""),)),
        ),
    )
    bare = without_secrets(cluster)
    assert secret in repr(cluster)
    assert secret not in repr(bare)
    assert [item.id for item in bare.groups[0].resources] == ["db", "daemon", "script"]
    assert bare.fences[0].targets == (("b", ""),)
    assert [check_text(probe) for probe in bare.groups[0].probes] == [
        "http://10.0.0.1/up as www",
        "tcp 10.0.0.1:25",
        "command /bin/check",
        "ping 10.0.0.1",
    ]
