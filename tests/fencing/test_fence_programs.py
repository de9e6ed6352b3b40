"""Fence programs of all three kinds, run for real: Debian's fence_dummy, a plugin of the old kind, commands of one's own."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from understudy.adapters import fence_program
from understudy.adapters.fence_metadata import complaints, read_metadata
from understudy.effects import FenceAction
from understudy.events import Outcome
from understudy.fence_devices import FenceDevice, FenceKind
from understudy.manager.fencing import Fencer
from understudy.model import Cluster, Link, Member, Quorum, Role
from understudy.units import MILLISECOND, SECOND

LIMIT = 20 * SECOND


def program(folder: Path, text: str, name: str = "power") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def command(path: str, *arguments: str, name: str = "hand", level: int = 1, timeout: int = LIMIT) -> FenceDevice:
    return FenceDevice(name, FenceKind.COMMAND, path, arguments, (), (("ha02", ""),), level, timeout)


def agent(path: str, **parameters: str) -> FenceDevice:
    return FenceDevice("dummy", FenceKind.AGENT, path, (), tuple(sorted(parameters.items())), (("ha02", ""),))


def off(device: FenceDevice, limit: int = LIMIT) -> tuple[Outcome, str]:
    return uvloop.run(fence_program.switch(device, "off", "ha02", limit))


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


# Commands


def test_off_counts_only_when_the_status_says_so_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    path = program(tmp_path, f'echo "$@" >> {log}; [ "$2" = status ] && exit 2; exit 0')
    outcome, text = off(command(path, "-q"))
    assert outcome is Outcome.OK
    assert log.read_text() == "-q off ha02\n-q status ha02\n"
    assert "so does its status" in text


@pytest.mark.parametrize(
    ("text", "outcome", "says"),
    [
        ('[ "$1" = status ] && exit 0; exit 0', Outcome.FAILED, "its status says on"),
        ("echo no route; exit 1", Outcome.FAILED, "exit code 1: no route"),
        ('[ "$1" = status ] && exit 7; exit 0', Outcome.FAILED, "status after off: exit code 7"),
        ("kill -9 $$", Outcome.FAILED, "signal SIGKILL"),
    ],
)
def test_everything_else_is_no_confirmation(tmp_path: Path, text: str, outcome: Outcome, says: str) -> None:
    found, said = off(command(program(tmp_path, text)))
    assert found is outcome
    assert says in said


def test_a_program_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    device = command(program(tmp_path, f"sleep 86398 & echo $! > {mark}; wait"))
    began = time.monotonic()
    outcome, text = off(device, 700 * MILLISECOND)
    assert outcome is Outcome.UNKNOWN
    assert "was killed: not done after 700ms" in text
    assert time.monotonic() - began < 15
    assert not lives(int(mark.read_text()))


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    assert off(agent("fence_of_nobody")) == (
        Outcome.FAILED,
        "fence_of_nobody is not there or not executable; Debian's package fence-agents has such programs",
    )


# Agents


def needs_dummy() -> None:
    if shutil.which("fence_dummy", path=fence_program.SEARCH_PATH) is None:
        pytest.skip("Debian's fence-agents is not installed")


@pytest.mark.kernel
def test_fence_dummy_switches_off_and_on(tmp_path: Path) -> None:
    needs_dummy()
    status = tmp_path / "status"
    status.write_text("on")
    device = agent("fence_dummy", status_file=str(status))
    assert uvloop.run(fence_program.state(device, "ha02", LIMIT)) == (True, "on")
    outcome, text = off(device)
    assert outcome is Outcome.OK, text
    assert status.read_text() == "off"
    assert uvloop.run(fence_program.state(device, "ha02", LIMIT)) == (True, "off")
    assert uvloop.run(fence_program.switch(device, "on", "ha02", LIMIT))[0] is Outcome.OK
    assert status.read_text() == "on"


@pytest.mark.kernel
def test_fence_dummy_that_fails(tmp_path: Path) -> None:
    needs_dummy()
    device = agent("fence_dummy", status_file=str(tmp_path / "status"), type="fail", power_timeout="1")
    outcome, _ = off(device)
    assert outcome is not Outcome.OK


@pytest.mark.kernel
def test_what_fence_dummy_says_of_its_parameters() -> None:
    needs_dummy()
    device = agent("fence_dummy", status_fil="x", type="file")
    text = uvloop.run(fence_program.metadata_of(device))
    assert text is not None
    metadata = read_metadata(text)
    assert metadata is not None
    assert {"on", "off", "status"} <= metadata.actions
    assert not metadata.takes_plug
    assert [item.sentence() for item in complaints(device, metadata)] == [
        'fence_dummy has no parameter "status_fil"; did you mean "status_file"?'
    ]


def test_secrets_go_to_standard_input_and_never_to_the_command_line(tmp_path: Path) -> None:
    words, environment, stdin = fence_program.call(
        FenceDevice("ipmi", FenceKind.AGENT, "/x", (), (("password", "s3cret"),), (("ha02", "3"),)), "off", "ha02"
    )
    assert words == ("/x",)
    assert stdin == "password=s3cret\naction=off\nport=3\n"
    assert "s3cret" not in str(environment)


def test_an_agent_that_lies_about_its_parameters(tmp_path: Path) -> None:
    assert read_metadata("no XML at all") is None
    assert read_metadata("<other/>") is None
    inside = '<parameters><parameter name="ip" required="1"/><parameter name="port"/></parameters>'
    needs = f"<resource-agent>{inside}</resource-agent>"
    metadata = read_metadata("Warning: old\n" + needs)
    assert metadata is not None
    assert [item.text for item in complaints(agent("fence_x"), metadata)] == ['fence_x needs the parameter "ip"']
    assert list(complaints(agent("fence_x", ipaddr="1"), metadata)) == [], "the same parameter by its other name"


def test_an_agent_without_a_status_is_taken_at_its_word(tmp_path: Path) -> None:
    meta = '<resource-agent><actions><action name="off"/><action name="monitor"/></actions></resource-agent>'
    text = f"""read all; read more || true
case "$all$more" in
*metadata*) echo '{meta}' ;;
*action=off*) exit 0 ;;
*) exit 255 ;;
esac"""
    outcome, said = off(agent(program(tmp_path, text, "fence_kdump")))
    assert outcome is Outcome.OK, said
    assert "it has no status to ask" in said
    assert off(agent(program(tmp_path, text, "fence_x")))[0] is Outcome.FAILED, "only those that are known to mean it"


def test_a_gate_proves_nothing(tmp_path: Path) -> None:
    gate = replace(agent(program(tmp_path, "exit 0", "fence_heuristics_ping")), name="gate")
    good = command(program(tmp_path, '[ "$1" = status ] && exit 2; exit 0', "good"), name="good")
    desk, _ = fencer(gate, good)
    outcome, text = uvloop.run(desk.order("ha02", ["gate"], FenceAction.OFF, LIMIT))
    assert outcome is Outcome.FAILED
    assert "no device of this level switches anything off" in text
    assert uvloop.run(desk.order("ha02", ["gate", "good"], FenceAction.OFF, LIMIT))[0] is Outcome.OK


def test_an_unknown_outcome_of_one_device_is_no_success_of_the_level(tmp_path: Path) -> None:
    good = command(program(tmp_path, '[ "$1" = status ] && exit 2; exit 0', "good"), name="good")
    hangs = command(program(tmp_path, "sleep 60", "hangs"), name="hangs", timeout=SECOND)
    desk, _ = fencer(hangs, good)
    assert uvloop.run(desk.order("ha02", ["hangs", "good"], FenceAction.OFF, LIMIT))[0] is Outcome.UNKNOWN


def test_a_program_that_does_not_read_what_it_is_given(tmp_path: Path) -> None:
    """Many at once, on the manager's own event loop: with a pipe, writing to one that has ended already raised in uvloop."""
    path = program(tmp_path, "exit 2", "fence_deaf")

    async def many() -> list[tuple[bool, str]]:
        device = agent(path, text="x" * 100_000)
        return await asyncio.gather(*(fence_program.state(device, "ha02", LIMIT) for _ in range(20)))

    assert uvloop.run(many()) == [(True, "off")] * 20


def test_its_end_decides_not_that_of_a_helper_with_its_output_open(tmp_path: Path) -> None:
    path = program(tmp_path, '[ "$1" = status ] && exit 2; sleep 5 & exit 0')
    assert off(command(path), 3 * SECOND)[0] is Outcome.OK


def test_a_command_gets_its_plug_and_an_agent_without_one_the_name_of_the_node(tmp_path: Path) -> None:
    device = replace(command("/x"), targets=(("ha02", "7"),))
    assert fence_program.call(device, "off", "ha02")[0] == ("/x", "off", "7")
    assert fence_program.call(agent("/x"), "off", "ha02")[2] == "action=off\nnodename=ha02\n"
    old = FenceDevice("old", FenceKind.EXTERNAL, "/x", targets=(("ha02", ""),))
    assert fence_program.call(old, "off", "ha02")[1]["PATH"].endswith(fence_program.PLUGIN_HELPERS)


def test_warnings_beside_the_metadata_do_no_harm(tmp_path: Path) -> None:
    text = 'echo "<string>:1: DeprecationWarning" >&2; echo "<resource-agent><parameters/></resource-agent>"'
    metadata = uvloop.run(fence_program.metadata_of(agent(program(tmp_path, text, "fence_x"))))
    assert metadata is not None
    assert read_metadata(metadata) is not None


# Plugins of the old kind


def test_a_plugin_gets_its_parameters_in_the_environment(tmp_path: Path) -> None:
    log = tmp_path / "log"
    path = program(tmp_path, f'echo "$hostlist $@" >> {log}; exit 0', "ssh")
    device = FenceDevice("old", FenceKind.EXTERNAL, path, (), (("hostlist", "ha01 ha02"),), (("ha02", ""),))
    assert off(device)[0] is Outcome.OK
    assert uvloop.run(fence_program.state(device, "ha02", LIMIT)) == (True, "it answers")
    assert log.read_text() == "ha01 ha02 off ha02\nha01 ha02 status\n"


# Types of cluster-glue's program


def a_type(kind: str, *arguments: str, resets: bool = True, file: str = "") -> FenceDevice:
    targets = (("ha02", ""),)
    return FenceDevice("old", FenceKind.STONITH, kind, arguments, (), targets, parameters_file=file, resets=resets)


def test_what_a_type_is_told() -> None:
    words, environment, said = fence_program.call(a_type("apcmaster", "10.0.0.9", "apc", "s3cret"), "off", "ha02")
    assert words[1:] == ("-t", "apcmaster", "-F", "/dev/stdin", "-T", "reset", "ha02")
    assert said == "10.0.0.9 apc s3cret\n"
    assert not any("s3cret" in word for word in (*words, *environment.values()))
    assert fence_program.call(a_type("apcmaster", resets=False), "off", "ha02")[0][-2] == "off"
    words, _, _ = fence_program.call(a_type("apcmaster", file="/etc/apc"), "status", "ha02")
    assert words[1:] == ("-t", "apcmaster", "-F", "/etc/apc", "-S")


@pytest.mark.skipif(shutil.which("stonith") is None, reason="apt-get install cluster-glue")
def test_the_real_program_says_what_became_of_it(tmp_path: Path) -> None:
    """Of the real types some work without hardware: null agrees to everything, external/ssh knows only its own hosts."""
    assert off(a_type("null", "ha01", "ha02")) == (Outcome.OK, "null says so")
    parameters = tmp_path / "parameters"
    parameters.write_text("# a comment\n\nha01 ha02\n")
    assert off(a_type("null", file=str(parameters)))[0] is Outcome.OK
    assert uvloop.run(fence_program.state(a_type("null", file=str(parameters)), "ha02", LIMIT)) == (True, "it answers")
    assert off(a_type("null", file=str(tmp_path / "none")))[0] is Outcome.FAILED
    assert off(a_type("external/ssh", "ha09"))[0] is Outcome.FAILED, "a host that it does not know"
    assert off(a_type("external/ssh", "ha02", resets=False))[0] is Outcome.FAILED, "it knows no off"
    assert off(a_type("no-such-type", "ha02"))[0] is Outcome.FAILED


def test_meatware_waits_for_a_human() -> None:
    outcome, text = off(a_type("meatware", "ha01", "ha02"))
    assert outcome is Outcome.FAILED
    assert "understudy confirm-off ha02" in text
    assert uvloop.run(fence_program.state(a_type("meatware"), "ha02", LIMIT)) == (True, "a human confirms")


# Levels, as the manager carries them out


def fencer(*devices: FenceDevice) -> tuple[Fencer, list[str]]:
    said: list[str] = []
    members = tuple(Member(name, Role.NODE, (Link("net", "10.0.0.1"),)) for name in ("ha01", "ha02"))
    cluster = Cluster("c", "k", SECOND // 5, SECOND, Quorum.FENCE, members, (), fences=devices)
    return Fencer(cluster, "ha01", lambda level, text, *rest: said.append(text)), said


def test_all_devices_of_a_level_must_confirm(tmp_path: Path) -> None:
    good = command(program(tmp_path, '[ "$1" = status ] && exit 2; exit 0', "good"), name="good")
    bad = command(program(tmp_path, "exit 1", "bad"), name="bad")
    desk, said = fencer(good, bad)
    assert uvloop.run(desk.order("ha02", ["good"], FenceAction.OFF, LIMIT))[0] is Outcome.OK
    outcome, text = uvloop.run(desk.order("ha02", ["good", "bad"], FenceAction.OFF, LIMIT))
    assert outcome is Outcome.FAILED
    assert text.startswith("bad: ")
    assert any(line.startswith("fence device good: off ha02: ok") for line in said)
    assert uvloop.run(desk.order("ha02", ["nobody"], FenceAction.OFF, LIMIT))[0] is Outcome.FAILED


def a_gate(folder: Path, text: str) -> FenceDevice:
    path = program(folder, text, "fence_heuristics_ping")
    targets = (("ha01", ""), ("ha02", ""))
    return FenceDevice("router", FenceKind.AGENT, path, (), (), targets)


def test_a_gate_that_says_no_is_asked_before_its_device_wherever_it_stands_in_the_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    switch = command(program(tmp_path, f'echo "$1" >> {log}; [ "$1" = status ] && exit 2; exit 0'))
    members = tuple(Member(name, Role.NODE, (Link("net", "10.0.0.1"),)) for name in ("ha01", "ha02"))
    for gate, wanted in (("exit 1", Outcome.FAILED), ("exit 0", Outcome.OK)):
        devices = (switch, a_gate(tmp_path, gate))
        (level,) = Cluster("c", "k", 1, 1, Quorum.FENCE, members, (), fences=devices).fence_levels("ha02")
        outcome, _ = uvloop.run(
            fencer(*devices)[0].order("ha02", [item.name for item in level], FenceAction.OFF, LIMIT)
        )
        assert outcome is wanted
        assert log.exists() is (wanted is Outcome.OK), "the switch is not touched when the gate says no"


def test_a_gate_is_not_blamed_for_switching_nothing(tmp_path: Path) -> None:
    metadata = read_metadata('<resource-agent><actions><action name="on"/></actions></resource-agent>')
    assert metadata is not None
    assert list(complaints(a_gate(tmp_path, ""), metadata)) == []
    other = replace(a_gate(tmp_path, ""), program="fence_x")
    assert [item.text for item in complaints(other, metadata)] == [
        "fence_x would do the same for ha01, ha02",
        "fence_x cannot switch off: it is no fence device by itself",
    ]


def test_a_device_that_stops_working_is_said_once_and_so_is_its_mending(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    device = command(program(tmp_path, f"[ -e {broken} ] && exit 1; exit 0"))
    desk, said = fencer(device)
    assert desk.rows()[0]["ok"] is None
    for _ in range(2):
        assert uvloop.run(desk.test("ha02"))[0]["ok"] is True
    broken.touch()
    for _ in range(2):
        assert uvloop.run(desk.test("ha02"))[0]["ok"] is False
    broken.unlink()
    uvloop.run(desk.test("ha02"))
    assert said == [
        "fence device hand would not help against ha02: exit code 1",
        "fence device hand works again: ha02 is on",
    ]
