"""hb_standby, hb_takeover, ResourceManager and heartbeat: what they ask of the daemon, and what they say."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from compat_parts import PING, a_folder, a_group, lines, old_pair, tool
from manager_helpers import FakePulse, RunningManager, a_snapshot, until

from understudy import __version__

KEYS = ("192.168.107.77", "IPaddr::192.168.107.78/24/eth1")


@pytest.fixture
def old(pulse: FakePulse, manager: RunningManager, tmp_path: Path) -> RunningManager:
    pulse.snapshot = old_pair("local", "active")
    (manager.runtime_dir / "running.source").write_text(str(a_folder(tmp_path)))
    return manager


def asked(pulse: FakePulse) -> list[tuple[str, str, str]]:
    """What operators' requests the pulse got: verb, group, node."""
    found = [packet for packet in tuple(pulse.received) if packet["t"] == "admin"]
    return [(packet["verb"], packet["group"], packet["node"]) for packet in found]


# hb_standby and hb_takeover ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hb_standby", "hb_takeover"])
@pytest.mark.parametrize("what", [(), ("all",), ("local",), ("foreign",), ("failback",)])
def test_a_pair_under_the_old_protocol_is_asked_for_the_set(
    old: RunningManager, pulse: FakePulse, name: str, what: tuple[str, ...]
) -> None:
    done = tool(old, name, *what)
    word = "foreign" if what == ("failback",) else (*what, "all")[0]
    said = f"Going standby [{word}]."
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(f" {said}\n") if name == "hb_standby" else not done.stderr
    assert asked(pulse) == [(name, (*what, "all")[0], "")]


def test_a_refusal_is_said(old: RunningManager, pulse: FakePulse) -> None:
    pulse.reply = {"ok": False, "text": "the other node is not there"}
    done = tool(old, "hb_takeover", "local")
    assert (done.returncode, done.stderr.endswith(" ERROR: the other node is not there\n")) == (1, True)


@pytest.mark.parametrize("name", ["hb_standby", "hb_takeover"])
def test_wrong_words(tmp_path: Path, name: str) -> None:
    called = f"/usr/share/heartbeat/{name}"
    usage = f"{called} [all|foreign|local|failback]\n"
    for words, out in (
        (("--help",), "usage:\n"),
        (("foo",), f"{called}: wrong resources(foo).\nusage:\n"),
        (("all", "foreign"), f"{called}: too many arguments\nusage:\n"),
    ):
        done = tool(tmp_path, name, *words, called=called)
        assert (done.returncode, done.stdout, done.stderr) == (1, out, usage)
    done = tool(tmp_path, name)
    assert (done.returncode, "no daemon answers" in done.stderr) == (1, True)


# hb_addnode and its kin -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call", ["hb_addnode ha01 HA02", "hb_delnode ha09", "hb_setweight ha02 100", "hb_setsite ha01", "hb_setsite ha01 "]
)
def test_what_is_so_already_is_done(old: RunningManager, pulse: FakePulse, call: str) -> None:
    done = tool(old, *call.split(" "))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert asked(pulse) == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("hb_addnode ha01 ha03", 'ha03 is no node: write "node ha03" into ha.cf on all machines'),
        ("hb_addnode ha03 ha04", "ha03, ha04 are no nodes"),
        (f"hb_addnode {PING}", f"{PING} is no node"),
        ("hb_delnode ha02", "ha02 stays a node: take it out of ha.cf on all machines"),
        ("hb_setweight ha02 50", "the weight of ha02 stays 100"),
        ("hb_setweight ha02", "the weight of ha02 stays 100"),
        ("hb_setweight ha03 100", "ha03 is no node"),
        ("hb_setsite ha01 vienna", "ha01 gets no site"),
        ("hb_setsite ha03", "ha03 is no node"),
    ],
)
def test_what_comes_from_the_file_is_refused_in_words(
    old: RunningManager, pulse: FakePulse, call: str, said: str
) -> None:
    done = tool(old, *call.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert f" ERROR: {said}" in done.stderr
    assert asked(pulse) == []


def test_nodes_of_a_native_cluster_come_from_its_file(native: RunningManager, tmp_path: Path) -> None:
    for call, said in (("hb_addnode c", "write [nodes.c] into"), ("hb_delnode b", "take [nodes.b] out of")):
        done = tool(native, *call.split())
        assert (done.returncode, said in done.stderr, "understudy reload" in done.stderr) == (1, True, True)
    done = tool(tmp_path, "hb_addnode", "a")
    assert (done.returncode, "no daemon answers" in done.stderr) == (1, True)


@pytest.fixture
def native(pulse: FakePulse, manager: RunningManager) -> RunningManager:
    """The configuration of the manager has one group, ``site``; requests name only that."""
    pulse.snapshot = replace(a_snapshot(), groups=(a_group("site", "a", "a"),))
    return manager


@pytest.mark.parametrize(
    ("name", "what", "holder", "expected"),
    [
        ("hb_standby", "all", "a", [("move", "site", "b")]),
        ("hb_standby", "local", "a", [("move", "site", "b")]),
        ("hb_standby", "foreign", "a", []),
        ("hb_standby", "failback", "a", []),
        ("hb_standby", "all", "b", []),
        ("hb_takeover", "all", "b", [("move", "site", "a")]),
        ("hb_takeover", "failback", "b", [("move", "site", "a")]),
        ("hb_takeover", "foreign", "b", []),
        ("hb_takeover", "all", "a", []),
    ],
)
def test_groups_of_a_native_cluster_are_moved(
    native: RunningManager, pulse: FakePulse, name: str, what: str, holder: str, expected: list[Any]
) -> None:
    pulse.snapshot = replace(a_snapshot(), groups=(a_group("site", holder, "a"),))
    assert tool(native, name, what).returncode == 0
    assert asked(pulse) == expected


def test_nobody_to_hand_over_to(native: RunningManager, pulse: FakePulse) -> None:
    assert pulse.snapshot is not None
    mine, other, witness = a_snapshot().nodes
    for nodes in ((mine, replace(other, state="lost"), witness), (mine, replace(other, standby=True), witness)):
        pulse.snapshot = replace(pulse.snapshot, nodes=nodes)
        done = tool(native, "hb_standby")
        assert (done.returncode, done.stderr.endswith(" ERROR: no other node can run site\n")) == (1, True)
    assert asked(pulse) == []


# ResourceManager -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False])
def test_keys_come_from_haresources(old: RunningManager, pulse: FakePulse, tmp_path: Path, running: bool) -> None:
    where = old.runtime_dir if running else tmp_path / "nobody"
    folder = str(tmp_path / "ha.d")

    def said(*words: str, host: str = "") -> str:
        done = tool(where, "ResourceManager", *words, HA_DIR=folder, HA_CURHOST=host)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert said("listkeys", "HA01") == f"{KEYS[0]}\n"
    assert said("listkeys", "ha0[12]") == said("allkeys") == f"{KEYS[0]}\n{KEYS[1]}\n"
    assert said("listkeys", "nope") == said("listkeys") == said("ourkeys") == ""
    assert said("ourkeys", host="ha01") == f"{KEYS[0]} Plain::one \n"
    assert said("otherkeys", host="ha01") == f"{KEYS[1]} Delay::1 \n"


def test_status_looks_at_the_machine(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)

    def status(word: str) -> int:
        return tool(tmp_path, "ResourceManager", "status", word, HA_DIR=str(folder)).returncode

    assert (status("Plain::one::two"), status("127.0.0.1"), status("IPaddr2::127.0.0.1/8/lo")) == (3, 0, 0)
    assert (status("192.0.2.77"), status("IPaddr::nonsense")) == (3, 3)
    (folder / "runs").touch()
    assert status("Plain::one::two") == 0
    assert (folder / "calls").read_text() == "called: one two status\n" * 2
    done = tool(tmp_path, "ResourceManager", "status", "NoSuch", HA_DIR=str(folder))
    assert (done.returncode, done.stderr.endswith("ERROR: Cannot locate resource script NoSuch\n")) == (3, True)


def test_verifyallidle_counts_the_keys_that_run(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    assert tool(tmp_path, "ResourceManager", "verifyallidle", HA_DIR=str(folder)).returncode == 0
    (folder / "runs").touch()
    (folder / "haresources").write_text("ha01 127.0.0.1 Plain\nha02 Plain\nha02 192.0.2.77\n")
    done = tool(tmp_path, "ResourceManager", "verifyallidle", HA_DIR=str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert [line for line in done.stderr.splitlines() if "CRITICAL: Resource" in line] == [
        "CRITICAL: Resource 127.0.0.1 is active, and should not be!",
        "CRITICAL: Resource Plain is active, and should not be!",
    ]


def test_wrong_use_of_resource_manager(tmp_path: Path) -> None:
    for words in ((), ("foo",)):
        done = tool(tmp_path, "ResourceManager", *words, called="/x/ResourceManager")
        assert (done.returncode, done.stdout) == (1, "")
        text = "usage: /x/ResourceManager listkeys machine | takegroup key | givegroup key|status resource\n\n"
        assert done.stderr == text


def test_groups_of_the_old_protocol_move_as_a_set(old: RunningManager, pulse: FakePulse) -> None:
    assert tool(old, "ResourceManager", "takegroup", KEYS[0]).returncode == 0  # it is here already
    assert tool(old, "ResourceManager", "takegroup", "nope").returncode == 0
    assert tool(old, "ResourceManager", "givegroup").returncode == 0
    assert asked(pulse) == []
    assert tool(old, "ResourceManager", "takegroup", KEYS[1]).returncode == 0
    assert tool(old, "ResourceManager", "givegroup", "Plain::one").returncode == 0  # any word of the line names it
    assert asked(pulse) == [("hb_takeover", "foreign", ""), ("hb_standby", "local", "")]
    snapshot = old_pair("local", "active")
    both = tuple(replace(group, preferred="ha01", holder="ha01") for group in snapshot.groups)
    pulse.snapshot = replace(snapshot, groups=both)
    done = tool(old, "ResourceManager", "givegroup", KEYS[0])
    text = f"ERROR: {KEYS[0]}: the old protocol moves it only together with 192.168.107.78: hb_standby local\n"
    assert (done.returncode, done.stderr.endswith(text), len(asked(pulse))) == (1, True, 2)


def test_no_group_is_touched_without_the_daemon(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    (folder / "haresources").write_text("ha01 Plain\n")
    done = tool(tmp_path, "ResourceManager", "takegroup", "Plain", HA_DIR=str(folder))
    assert (done.returncode, "no daemon answers" in done.stderr, (folder / "calls").exists()) == (1, True, False)


def test_a_native_group_is_given_up_and_taken(native: RunningManager, pulse: FakePulse) -> None:
    held = {"stop": (None, "stopped"), "start": ("b", "started"), "move": ("a", "started")}

    def obeys(packet: dict[str, Any]) -> None:
        holder, state = held[packet["verb"]]
        pulse.snapshot = replace(a_snapshot(), groups=(a_group("site", holder, "a", state),))

    pulse.on_admin = obeys
    assert tool(native, "ResourceManager", "listkeys", "a").stdout == "site\n"
    assert tool(native, "ResourceManager", "status", "site").returncode == 0
    assert tool(native, "ResourceManager", "givegroup", "site").returncode == 0
    assert tool(native, "ResourceManager", "status", "site").returncode == 3
    assert tool(native, "ResourceManager", "givegroup", "site").returncode == 0  # not here: nothing to do
    assert asked(pulse) == [("stop", "site", "")]
    assert tool(native, "ResourceManager", "takegroup", "site").returncode == 0
    assert asked(pulse)[1:] == [("start", "site", ""), ("move", "site", "a")]
    assert tool(native, "ResourceManager", "verifyallidle").returncode == 1
    pulse.reply = {"ok": False, "text": "not now"}
    done = tool(native, "ResourceManager", "givegroup", "site")
    assert (done.returncode, done.stderr.endswith("ERROR: site: not now\n")) == (1, True)


# heartbeat -------------------------------------------------------------------------------------------------------------

HOLDER = """
import signal, sys
from understudy.adapters import lockfile
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
held = lockfile.take(sys.argv[1])
print(held, flush=True)
signal.sigwait({signal.SIGTERM})
"""

SYSTEMD = Path("/run/systemd/system").is_dir()


def a_holder(path: Path) -> subprocess.Popen[str]:
    """A process with the supervisor's lock that ends when it is asked to."""
    words = [sys.executable, "-c", HOLDER, str(path)]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline().strip().isdigit()
    return holder


def test_heartbeat_that_does_not_run(tmp_path: Path) -> None:
    done = tool(tmp_path, "heartbeat", "-s")
    assert (done.returncode, done.stdout, done.stderr) == (3, "heartbeat is stopped. No process\n", "")
    done = tool(tmp_path, "heartbeat", "-k")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "INFO: Heartbeat already stopped.\n")
    done = tool(tmp_path, "heartbeat", "-V")
    assert (done.returncode, done.stdout) == (0, f"3.0.6 (understudy: {__version__})\n")
    for words in (("-x",), ("start",)):
        done = tool(tmp_path, "heartbeat", *words)
        assert (done.returncode, done.stdout, "Usage: heartbeat [-sfkrdvV]" in done.stderr) == (2, "", True)


def test_heartbeat_that_runs_and_is_stopped(old: RunningManager, pulse: FakePulse) -> None:
    holder = a_holder(old.runtime_dir / "supervisor.lock")
    try:
        done = tool(old, "heartbeat", "-s")
        host = socket.gethostname()
        assert done.stdout == f"heartbeat OK [pid {holder.pid} et al] is running on {host} [ha01]...\n"
        done = tool(old, "heartbeat")
        assert (done.returncode, "already running" in done.stderr, holder.poll()) == (0, True, None)
        assert tool(old, "heartbeat", "-k").returncode == 0
        until(lambda: holder.poll() is not None, "the holder ends")
    finally:
        holder.kill()
        holder.communicate()
    assert tool(old, "heartbeat", "-s").returncode == 3


def test_a_reload_says_what_became_of_it(old: RunningManager, pulse: FakePulse) -> None:
    holder = a_holder(old.runtime_dir / "supervisor.lock")
    try:
        done = tool(old, "heartbeat", "-r")  # there is no running.toml here that could be compared
        assert (done.returncode, done.stdout) == (1, "")
        assert lines(done.stderr)[-1] == f"info: Config errors: Heartbeat pid {holder.pid} NOT restarted"
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.skipif(SYSTEMD, reason="systemd runs here, and would be asked to start the installed unit")
def test_a_start_with_a_refused_configuration(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    (folder / "ha.cf").write_text("keepalive 2s\n")
    directories = {"HA_DIR": str(folder), "UNDERSTUDY_STATE_DIR": str(tmp_path / "state")}
    for words in ((), ("-r",)):
        done = tool(tmp_path, "heartbeat", *words, **directories)
        assert (done.returncode, lines(done.stderr)[-1]) == (6, "ERROR: Heartbeat not started: configuration error.")
    assert tool(tmp_path, "heartbeat", "-f", **directories).returncode == 2  # that of "understudy run"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look at every lock")
def test_who_may_not_look_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "supervisor.lock").touch(0o000)
    done = tool(tmp_path, "heartbeat", "-s")
    assert (done.returncode, "may not be looked at by you" in done.stderr) == (1, True)
