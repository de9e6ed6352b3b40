"""The control socket: what it answers, what it refuses, and that nothing makes it fail."""

from __future__ import annotations

import grp
import http.client
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager, a_snapshot, ask, until
from schema_checker import problems

from understudy.snapshot import (
    GroupStatus,
    HeartbeatNode,
    HeartbeatView,
    LinkStatus,
    NodeStatus,
    ProbeStatus,
    QuorumStatus,
    ResourceStatus,
    Snapshot,
    WishStatus,
)
from understudy.units import SECOND
from understudy.vrrp import RouterView

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "status-schema.json").read_text())


def post(manager: RunningManager, path: str, body: object) -> tuple[int, dict[str, object]]:
    status, answer = ask(manager.runtime_dir, "POST", path, json.dumps(body).encode())
    assert isinstance(answer, dict)
    return status, answer


def test_status_follows_its_schema(pulse: FakePulse, manager: RunningManager) -> None:
    status, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert status == 200
    assert problems(answer, SCHEMA) == []
    assert answer["stale_ms"] is None
    assert answer["pulse"] == "answers"


def test_probes_follow_the_schema_too(pulse: FakePulse, manager: RunningManager) -> None:
    assert pulse.snapshot is not None
    group = pulse.snapshot.groups[0]
    probes = (
        ProbeStatus("web", None, "ping 192.0.2.1", "down", 12.0, "no reply", 3.5),
        ProbeStatus("disk", "sleeper", "command /bin/check", "unknown", None, "", None),
    )
    pulse.snapshot = replace(pulse.snapshot, groups=(replace(group, up=False, probes=probes), replace(group, up=None)))
    _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert problems(answer, SCHEMA) == []
    assert [item["name"] for item in answer["groups"][0]["probes"]] == ["web", "disk"]
    answer["groups"][0]["probes"][0]["state"] = "ill"
    assert problems(answer, SCHEMA) != []


def test_ping_targets_follow_the_schema_too(pulse: FakePulse, manager: RunningManager) -> None:
    assert pulse.snapshot is not None
    first, *rest = pulse.snapshot.nodes
    pulse.snapshot = replace(pulse.snapshot, nodes=(replace(first, reaches=("192.0.2.1",)), *rest))
    _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert problems(answer, SCHEMA) == []
    assert [node["reaches"] for node in answer["nodes"]] == [["192.0.2.1"], None, None]


def test_virtual_routers_follow_the_schema_too(pulse: FakePulse, manager: RunningManager) -> None:
    assert pulse.snapshot is not None
    spare = RouterView(
        "VI_1", "BACKUP", 65 * SECOND, "192.0.2.7 is master", 51, 4, 2, "eth0", 90, 100, "192.0.2.7", 150
    )
    full = replace(
        spare,
        name="VI_2",
        state="FAULT",
        master="",
        addresses=("192.0.2.100",),
        faults=("eth0 is down",),
        tracks=(("script chk", "failed"),),
        counters=(("sent", 3),),
    )
    pulse.snapshot = replace(pulse.snapshot, virtual_routers=(spare, full))
    _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert problems(answer, SCHEMA) == []
    first, second = answer["virtual_routers"]
    assert (first["for_ms"], first["master"], second["master"]) == (65_000.0, "192.0.2.7", None)
    assert second["tracks"] == {"script chk": "failed"}
    assert second["counters"] == {"sent": 3}


def test_the_words_of_the_old_protocol_follow_the_schema_too(pulse: FakePulse, manager: RunningManager) -> None:
    assert pulse.snapshot is not None
    nodes = (HeartbeatNode("ha01", "normal", "active", {}), HeartbeatNode("gw", "ping", "dead", {"gw": "dead"}))
    pulse.snapshot = replace(pulse.snapshot, heartbeat=HeartbeatView("local", nodes, {"site": "192.0.2.7"}))
    _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert problems(answer, SCHEMA) == []
    answer["heartbeat"]["resources"] = "some"
    assert problems(answer, SCHEMA) != []


def test_a_set_of_groups_is_asked_for_by_its_word(pulse: FakePulse, manager: RunningManager) -> None:
    assert post(manager, "/v1/heartbeat/standby", {"set": "foreign"}) == (
        200,
        {"ok": True, "text": "as you wish", "hint": ""},
    )
    assert pulse.wait_for("admin", verb="hb_standby")["group"] == "foreign"
    assert post(manager, "/v1/heartbeat/takeover", {})[0] == 200
    assert pulse.wait_for("admin", verb="hb_takeover")["group"] == "all"
    assert post(manager, "/v1/heartbeat/takeover", {"group": "all"})[0] == 400


def test_every_field_of_the_status_is_described(pulse: FakePulse, manager: RunningManager) -> None:
    """Not only those that this answer has: what a dataclass of the snapshot has, its part of the schema has."""

    def described(schema: dict[str, Any]) -> set[str]:
        return set(schema["properties"])

    parts = SCHEMA["properties"]
    group = parts["groups"]["items"]
    for form, found in (
        (Snapshot, SCHEMA),
        (QuorumStatus, parts["quorum"]),
        (NodeStatus, parts["nodes"]["items"]),
        (LinkStatus, parts["nodes"]["items"]["properties"]["links"]["items"]),
        (GroupStatus, group),
        (ResourceStatus, group["properties"]["resources"]["items"]),
        (ProbeStatus, group["properties"]["probes"]["items"]),
        (WishStatus, parts["wishes"]["items"]),
        (HeartbeatView, parts["heartbeat"]),
        (HeartbeatNode, parts["heartbeat"]["properties"]["nodes"]["items"]),
    ):
        assert {each.name for each in fields(form)} <= described(found), form.__name__


def test_the_checker_can_fail(pulse: FakePulse, manager: RunningManager) -> None:
    _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    for broken in (
        {**answer, "schema": 2},
        {**answer, "extra": 1},
        {name: value for name, value in answer.items() if name != "quorum"},
        {**answer, "at": "yesterday"},
        {**answer, "groups": [{**answer["groups"][0], "lease_left_ms": -1.0}]},
        {**answer, "nodes": [{**answer["nodes"][0], "standby": 0}]},
    ):
        assert problems(broken, SCHEMA) != []


def test_every_state_of_the_words_is_in_the_schema() -> None:
    from understudy.messages import Phase

    group = SCHEMA["properties"]["groups"]["items"]["properties"]
    assert set(group["state"]["enum"]) == {phase.value for phase in Phase}


def test_since_is_the_moment_of_the_view_less_the_span(pulse: FakePulse, manager: RunningManager) -> None:
    from datetime import datetime, timedelta

    _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    at, since = (datetime.fromisoformat(text) for text in (answer["at"], answer["groups"][0]["since"]))
    assert abs(at - since - timedelta(seconds=65)) <= timedelta(milliseconds=1)
    assert pulse.snapshot is not None
    pulse.snapshot = replace(pulse.snapshot, groups=(replace(pulse.snapshot.groups[0], for_ms=None),))
    assert ask(manager.runtime_dir, "GET", "/v1/status")[1]["groups"][0]["since"] is None


def test_a_silent_pulse_leaves_the_last_view_with_its_age(pulse: FakePulse, manager: RunningManager) -> None:
    ask(manager.runtime_dir, "GET", "/v1/status")
    pulse.snapshot = None
    status, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert status == 200
    assert problems(answer, SCHEMA) == []
    assert answer["pulse"] == "silent"
    assert answer["stale_ms"] >= 100
    assert answer["warnings"][0].startswith("the pulse does not answer: it may be frozen")
    assert answer["warnings"][1:] == ["no real-time priority"]


def test_a_dead_pulse_is_said_to_be_dead(pulse: FakePulse, manager: RunningManager) -> None:
    ask(manager.runtime_dir, "GET", "/v1/status")
    pulse.die()
    until(lambda: not manager.manager.link.connected, "the manager has noticed")
    status, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert status == 200
    assert answer["pulse"] == "away"
    assert answer["warnings"][0].startswith("the pulse is not running (")
    status, answer = post(manager, "/v1/move", {"group": "site", "node": "b"})
    assert status == 503
    assert "the pulse is not there" in str(answer["text"])
    pulse.come_back()


def test_no_pulse_ever(tmp_path: Path) -> None:
    with a_manager(a_cluster(), tmp_path) as manager:
        status, answer = ask(manager.runtime_dir, "GET", "/v1/status")
        assert status == 503
        assert "the pulse is not running (No such file or directory)" in answer["text"]


def test_a_move_is_carried_to_the_core_with_who_asked(pulse: FakePulse, manager: RunningManager) -> None:
    assert post(manager, "/v1/move", {"group": "site", "node": "b"}) == (
        200,
        {"ok": True, "text": "as you wish", "hint": ""},
    )
    packet = pulse.wait_for("admin", verb="move", group="site", node="b")
    assert packet["by"] == ("root" if os.geteuid() == 0 else packet["by"])
    pulse.reply = {"ok": False, "text": "b is lost"}
    assert post(manager, "/v1/move", {"group": "site", "node": "b"}) == (
        409,
        {"ok": False, "text": "b is lost", "hint": ""},
    )


@pytest.mark.parametrize("verb", ["standby", "online"])
def test_standby_and_online(pulse: FakePulse, manager: RunningManager, verb: str) -> None:
    assert post(manager, f"/v1/{verb}", {"node": "b"})[0] == 200
    pulse.wait_for("admin", verb=verb, node="b", group="")


@pytest.mark.parametrize(
    ("path", "body", "text", "hint"),
    [
        ("/v1/move", {"group": "sitr", "node": "b"}, "there is no group 'sitr'", "did you mean 'site'?"),
        ("/v1/move", {"group": "site", "node": "x"}, "there is no node 'x'", "known: a, b"),
        ("/v1/move", {"group": "site", "node": "w"}, "'w' is a witness: it runs nothing", "known: a, b"),
        ("/v1/move", {"group": "site"}, "field 'node' is missing", "it is the name of a node, not of a witness"),
        ("/v1/move", {"group": "site", "nod": "b"}, "unknown field 'nod'", "did you mean 'node'?"),
        ("/v1/move", {"group": "site", "node": "b", "force": True}, "unknown field 'force'", "known: group, node"),
        ("/v1/move", {"group": "site", "node": 5}, "field 'node' must be a text of at most 255 characters", ""),
        (
            "/v1/move",
            {"group": "site", "node": "b" * 256},
            "field 'node' must be a text of at most 255 characters",
            "",
        ),
        ("/v1/move", [], "the request is not a JSON object", "send an object with group, node"),
        ("/v1/standby", {}, "field 'node' is missing", "it is the name of a node, not of a witness"),
        ("/v1/dump", {"x": "y"}, "unknown field 'x'", "there are none"),
    ],
)
def test_refusals(pulse: FakePulse, manager: RunningManager, path: str, body: object, text: str, hint: str) -> None:
    assert post(manager, path, body) == (400, {"ok": False, "text": text, "hint": hint})
    assert not [packet for packet in pulse.received if packet["t"] == "admin"]


def test_other_refusals(pulse: FakePulse, manager: RunningManager) -> None:
    twice = b'{"group": "site", "node": "a", "node": "b"}'
    assert ask(manager.runtime_dir, "POST", "/v1/move", twice)[1]["text"] == "field 'node' is given twice"
    wish = b'{"group": "site", "node": "b"}'
    assert ask(manager.runtime_dir, "POST", "/v1/move?force=1", wish)[0] == 400
    assert ask(manager.runtime_dir, "POST", "/v1/move/", wish)[1]["hint"] == "did you mean '/v1/move'?"
    assert ask(manager.runtime_dir, "POST", "/v1/move", wish, {"Content-Encoding": "deflate"})[0] == 415
    assert ask(manager.runtime_dir, "GET", "/v1/status?verbose=1")[1]["text"] == "unknown parameter 'verbose'"
    assert ask(manager.runtime_dir, "GET", "/v1/status", b"{}")[0] == 400
    assert ask(manager.runtime_dir, "GET", "/v1/history?lines=5&lines=6")[0] == 400
    assert ask(manager.runtime_dir, "GET", "/v1/history?lines=5")[0] == 200
    assert not [packet for packet in pulse.received if packet["t"] == "admin"]
    assert ask(manager.runtime_dir, "POST", "/v1/move", b"{")[1]["text"] == "the request is not JSON"
    assert ask(manager.runtime_dir, "POST", "/v1/move", b"[" * 60000)[0] == 400
    assert ask(manager.runtime_dir, "POST", "/v1/move", b" " * 70000)[0] == 413
    assert ask(manager.runtime_dir, "GET", "/v1/move")[0] == 405
    assert ask(manager.runtime_dir, "GET", "/v2/status")[0] == 404
    for query in (
        "lines=0",
        "lines=x",
        "lines=-1",
        "lines=99999",
        "lines=",
        "line=5",
        "lines=%00",
        "lines=" + "9" * 500,
    ):
        assert ask(manager.runtime_dir, "GET", f"/v1/history?{query}")[0] == 400, query


def test_an_unanswered_wish_has_an_unknown_outcome(pulse: FakePulse, manager: RunningManager) -> None:
    """The pulse dies while a move waits: nobody knows whether it happened, and nobody is left waiting."""
    pulse.reply = None
    pulse.on_admin = lambda _packet: threading.Thread(target=pulse.die).start()
    status, answer = post(manager, "/v1/move", {"group": "site", "node": "b"})
    assert status == 503
    assert "the pulse was lost before it answered" in str(answer["text"])
    until(lambda: not manager.manager.link.connected, "the manager has noticed")
    pulse.come_back()


def test_dump(pulse: FakePulse, manager: RunningManager) -> None:
    status, answer = post(manager, "/v1/dump", {})
    assert status == 200
    path = Path(answer["file"])  # type: ignore[arg-type]
    assert path.read_text() == '{"at": 1}\n{"at": 2}\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_socket_is_closed_to_others(manager: RunningManager) -> None:
    assert stat.S_IMODE((manager.runtime_dir / "control.sock").stat().st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another group")
def test_a_name_service_that_hangs_keeps_nobody_waiting(
    pulse: FakePulse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manager serves root meanwhile, says what is wrong, and lets the group in when the name service is back."""
    back, real = threading.Event(), grp.getgrnam

    def hangs(name: str) -> grp.struct_group:
        assert back.wait(30)
        return real(name)

    monkeypatch.setattr(grp, "getgrnam", hangs)
    number = real("daemon").gr_gid
    try:
        with a_manager(replace(a_cluster(), admin_group="daemon"), tmp_path) as manager:
            socket = manager.runtime_dir / "control.sock"
            assert ask(manager.runtime_dir, "GET", "/v1/status")[0] == 200
            told = [entry["text"] for entry in ask(manager.runtime_dir, "GET", "/v1/history")[1]["entries"]]
            assert any("the name service does not say which group 'daemon' is" in text for text in told)
            assert socket.stat().st_gid != number
            back.set()
            until(lambda: socket.stat().st_gid == number, "the group is let in")
    finally:
        back.set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
@pytest.mark.parametrize(("member", "status"), [(True, "200"), (False, "403")])
def test_the_admin_group_is_let_in_and_nobody_else(pulse: FakePulse, tmp_path: Path, member: bool, status: str) -> None:
    """Asked as user nobody, with and without the group; the socket itself is opened wide, so that only our own check counts."""
    with a_manager(replace(a_cluster(), admin_group="daemon"), tmp_path) as manager:
        os.chmod(manager.runtime_dir / "control.sock", 0o666)
        entry = pwd.getpwnam("nobody")
        # pytest's own directories are closed to others, so curl gets ours opened, and reaches the socket through it.
        directory = os.open(manager.runtime_dir, os.O_PATH)
        command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "http://localhost/v1/status"]
        try:
            done = subprocess.run(
                [*command, "--unix-socket", f"/proc/self/fd/{directory}/control.sock"],
                pass_fds=(directory,),
                cwd="/",
                user=entry.pw_uid,
                group=entry.pw_gid,
                extra_groups=[grp.getgrnam("daemon").gr_gid] if member else [],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            os.close(directory)
        assert done.stdout == status, done.stderr


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(
    path=st.sampled_from(["/v1/move", "/v1/standby", "/v1/online", "/v1/dump"]),
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from(["group", "node", "x"]) | st.text(), inner)
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_any_body_gets_an_answer(pulse: FakePulse, manager: RunningManager, path: str, body: bytes) -> None:
    status, answer = ask(manager.runtime_dir, "POST", path, body)
    assert status in (200, 400, 409)
    assert answer["ok"] is (status == 200)


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(data=st.binary(min_size=1, max_size=500))
def test_any_bytes_do_no_harm(manager: RunningManager, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as handle:
        handle.settimeout(10)
        handle.connect(str(manager.runtime_dir / "control.sock"))
        handle.sendall(data)
        handle.shutdown(socket.SHUT_WR)
        while True:
            try:
                if not handle.recv(65536):
                    break
            except ConnectionResetError:
                break
    assert not [entry for entry in manager.manager.history.last(2000) if entry["level"] == "error"]


def test_a_client_that_goes_away_does_no_harm(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.reply = None
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(manager.runtime_dir / "control.sock"))
    connection.request("POST", "/v1/move", json.dumps({"group": "site", "node": "b"}))
    pulse.wait_for("admin")
    connection.close()
    pulse.snapshot = a_snapshot(holder="b")
    assert ask(manager.runtime_dir, "GET", "/v1/status")[1]["groups"][0]["holder"] == "b"


def test_no_name_is_looked_up_to_show_something(pulse: FakePulse, manager: RunningManager) -> None:
    """A name service that is gone would delay each answer; only what changes something wants to know who asked."""
    submitted: list[object] = []

    class Noting(ThreadPoolExecutor):
        def submit(self, function: Any, /, *words: Any, **more: Any) -> Any:
            submitted.append(function)
            return super().submit(function, *words, **more)

    manager._loop.call_soon_threadsafe(manager._loop.set_default_executor, Noting(2))
    for path in ("/v1/status", "/v1/history", "/v1/fence"):
        assert ask(manager.runtime_dir, "GET", path)[0] == 200
    assert pwd.getpwuid not in submitted
    assert post(manager, "/v1/move", {"group": "site", "node": "b"})[0] == 200
    assert pwd.getpwuid in submitted
