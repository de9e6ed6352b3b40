"""vrrp_script: the counter by keepalived's rules, and real scripts that hang, fail, fork, and may not run."""

from __future__ import annotations

import os
import pwd
import signal
from pathlib import Path

import pytest
import uvloop
from router_parts import Ear, files, router, script, tracking, until

from open_folder import open_to_all
from understudy.adapters.agent_log import ResourceLog
from understudy.adapters.agent_proc import Identity, boot_id, group_members
from understudy.adapters.track_run import RunEnd, run
from understudy.adapters.track_users import Program, ScriptUser, examine, find_user, user_of, weakness
from understudy.effects import Level
from understudy.manager.router_scripts import Counter
from understudy.manager.router_tracks import Tracks
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import RouterGlobals, SyncGroup, Track, TrackedScript

ME = pwd.getpwuid(os.geteuid()).pw_name
ROOT = os.geteuid() == 0
SOON = 20 * MILLISECOND


def verdicts(counter: Counter, results: str) -> str:
    """One letter a result: + or - going in, G or B coming out."""
    found = ""
    for result in results:
        counter.add(result == "+")
        found += "G" if counter.good else "B"
    return found


@pytest.mark.parametrize(
    ("rise", "fall", "results", "expected"),
    [
        (1, 1, "+-+", "GBG"),
        (3, 2, "+", "G"),  # the first result alone decides
        (3, 2, "-", "B"),
        (3, 2, "+--", "GGB"),  # and it goes to the top: two failures are needed
        (3, 2, "+-+--", "GGGGB"),  # a success in between adds one only; at the top again after it
        (3, 2, "-++-+++", "BBBBBBG"),  # a failure below rise begins anew
        (2, 3, "+---++", "GGGBBG"),
    ],
)
def test_the_counter(rise: int, fall: int, results: str, expected: str) -> None:
    counter = Counter(rise, fall)
    assert counter.good is None
    assert verdicts(counter, results) == expected


def test_what_begins_as_failed_needs_all_its_successes() -> None:
    counter = Counter(3, 1, begins_failed=True)
    assert counter.good is False
    assert verdicts(counter, "++-+++") == "BBBBBG"


def test_the_counter_stays_within_its_bounds() -> None:
    counter = Counter(2, 3)
    verdicts(counter, "+" * 20)
    assert counter.value == 4
    verdicts(counter, "-" * 20)
    assert counter.value == 0


class Watched:
    """Tracks in a test's folder, and what they say."""

    def __init__(self, folder: Path) -> None:
        self.ear = Ear()
        (folder / "log").mkdir()
        self.tracks = Tracks(str(folder / "log"), self.ear.say, self.ear.send)


def tracked_script(command: str, **changes: object) -> TrackedScript:
    given = {"interval": SOON, "timeout": 10 * SECOND, "user": ME, **changes}
    return TrackedScript("chk", (command,), **given)  # type: ignore[arg-type]


def test_one_script_runs_once_however_many_track_it(tmp_path: Path) -> None:
    path = script(tmp_path, "chk", f"echo x >> {tmp_path}/runs; test ! -e {tmp_path}/bad")
    track = (Track("script", "chk"),)
    every = files(
        router("VI_1", tracks=track),
        router("VI_2", tracks=track),
        groups=(SyncGroup("VG", ("VI_1",), track),),
        scripts=(tracked_script(path), TrackedScript("nobody", (str(tmp_path / "missing"),))),
    )

    async def work() -> None:
        desk = Watched(tmp_path)
        await desk.tracks.follow(every)
        await until("it says that it is well", lambda: desk.ear.sent)
        (tmp_path / "bad").touch()
        await until("and that it fails", lambda: len(desk.ear.sent) == 2)
        runs = (tmp_path / "runs").read_text().count("x")
        assert runs >= 2
        before = len(desk.ear.sent)
        desk.tracks.again()  # a new pulse
        assert desk.ear.sent[before:] == [desk.ear.sent[before - 1]]
        await desk.tracks.close()
        assert [item["good"] for item in desk.ear.sent] == [True, False, False]
        assert desk.ear.sent[-1] == {
            "t": "track",
            "track": "script",
            "name": "chk",
            "good": False,
            "value": 0,
            "text": "exit code 1",
        }
        assert not desk.ear.told("nobody"), "what nobody tracks is not looked at"

    uvloop.run(work())


def test_a_reload_disturbs_only_what_is_different(tmp_path: Path) -> None:
    path = script(tmp_path, "chk", "exit 0")
    other = TrackedScript("other", (path,), SOON, SECOND, user=ME)

    async def work() -> None:
        desk = Watched(tmp_path)
        await desk.tracks.follow(tracking(("script", "chk"), scripts=(tracked_script(path),)))
        kept = desk.tracks.script("chk")
        await until("it is well", lambda: desk.ear.about("chk"))
        both = tracking(("script", "chk"), ("script", "other"), scripts=(tracked_script(path), other))
        await desk.tracks.follow(both)
        assert desk.tracks.script("chk") is kept
        await until("the other one too", lambda: desk.ear.about("other"))
        assert desk.ear.about("chk") == [(True, 0)]
        await desk.tracks.follow(tracking(("script", "other"), scripts=(tracked_script(path, fall=3), other)))
        assert desk.tracks.script("chk") is None
        desk.ear.sent.clear()
        desk.tracks.again()
        assert [item["name"] for item in desk.ear.sent] == ["other"]
        await desk.tracks.close()

    uvloop.run(work())


def test_what_hangs_has_failed_at_its_limit_and_is_not_run_twice(tmp_path: Path) -> None:
    text = f"echo $$ >> {tmp_path}/pids; trap '' TERM; sleep 1000 & wait; sleep 1000"
    path = script(tmp_path, "hang", text)

    async def work() -> None:
        desk = Watched(tmp_path)
        one = tracked_script(path, timeout=100 * MILLISECOND)
        await desk.tracks.follow(tracking(("script", "chk"), scripts=(one,)))
        await until("it has failed", lambda: desk.ear.about("chk") == [(False, 0)])
        assert "not done after 100ms" in desk.ear.sent[0]["text"]
        watch = desk.tracks.script("chk")
        assert watch is not None
        assert watch.running, "it ignores SIGTERM, and is waited for"
        assert len((tmp_path / "pids").read_text().split()) == 1
        await until("SIGKILL ends it, and it is run again", lambda: len((tmp_path / "pids").read_text().split()) == 2)
        assert watch.skipped > 3
        await desk.tracks.close()
        leaders = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert [group_members(Identity(pid, 0, boot_id())) for pid in leaders] == [(), ()]

    uvloop.run(work())


def test_what_is_late_counts_as_failed_even_when_it_ends_well(tmp_path: Path) -> None:
    path = script(tmp_path, "late", "trap 'exit 0' TERM; sleep 1000 & wait")
    user = find_user(ME)
    assert isinstance(user, ScriptUser)
    ends: list[RunEnd] = []

    async def work() -> None:
        await run(Program((path,), user), {}, SOON, ResourceLog(str(tmp_path), "late"), ends.append)

    uvloop.run(work())
    assert [(end.good, end.late) for end in ends] == [(False, True)]


def test_what_it_leaves_in_the_background_lives_on(tmp_path: Path) -> None:
    path = script(tmp_path, "daemon", f"sleep 1000 & echo $! > {tmp_path}/pid; exit 3")
    user = find_user(ME)
    assert isinstance(user, ScriptUser)
    ends: list[RunEnd] = []

    async def work() -> None:
        await run(Program((path,), user), {}, 10 * SECOND, ResourceLog(str(tmp_path), "daemon"), ends.append)

    uvloop.run(work())
    assert ends == [RunEnd(False, "exit code 3")]
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)  # raises when it is gone


def test_a_text_without_an_interpreter_is_run_by_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_text("echo said; exit 4\n")
    path.chmod(0o755)
    user = find_user(ME)
    assert isinstance(user, ScriptUser)
    ends: list[RunEnd] = []

    async def work() -> None:
        await run(Program((str(path),), user), {}, 10 * SECOND, ResourceLog(str(tmp_path), "plain"), ends.append)

    uvloop.run(work())
    assert ends == [RunEnd(False, "exit code 4: said")]


def test_a_script_that_cannot_be_run_counts_for_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        desk = Watched(tmp_path)
        missing = tracked_script(str(tmp_path / "missing"))
        await desk.tracks.follow(tracking(("script", "chk"), scripts=(missing,)))
        assert desk.ear.sent[0]["counts"] is False
        assert desk.ear.said[0][0] is Level.ERROR
        assert "as if nobody tracked it" in desk.tracks.warnings()[0]
        await desk.tracks.close()

    uvloop.run(work())


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_it_runs_as_its_user(tmp_path: Path) -> None:
    open_to_all(tmp_path, 0o777)
    path = script(tmp_path, "tells", f"id -un > {tmp_path}/who; id -Gn >> {tmp_path}/who; echo $HOME >> {tmp_path}/who")

    async def work() -> None:
        desk = Watched(tmp_path)
        one = tracked_script(path, user="nobody", interval=10 * SECOND)
        await desk.tracks.follow(tracking(("script", "chk"), scripts=(one,)))
        await until("it has run", lambda: desk.ear.sent)
        await desk.tracks.close()

    uvloop.run(work())
    assert (tmp_path / "who").read_text().split() == ["nobody", "nogroup", "/nonexistent"]


def test_users_and_groups() -> None:
    assert find_user("nobody-of-that-name") == "there is no user nobody-of-that-name"
    assert find_user(f"{ME}:no-such-group") == "there is no group no-such-group"
    found = find_user(f"{ME}:nogroup")
    assert isinstance(found, ScriptUser)
    assert found.groups == (65534,), "a group that is named is the only one"
    nobody = user_of("", "", security=True)
    assert isinstance(nobody, str), "keepalived takes such scripts out"
    assert "script security" in nobody


@pytest.mark.skipif(not ROOT, reason="files that belong to root")
def test_script_security_refuses_what_others_can_change(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    root = find_user("root")
    path = script(tmp_path, "chk", "exit 0")
    assert weakness(path) == "", "a folder with the sticky bit above it is enough"
    assert isinstance(examine((path,), root, True), Program)
    os.chmod(path, 0o775)
    os.chown(path, 0, 65534)
    assert weakness(path) == f"group 65534 may write {path}"
    os.chmod(path, 0o755)
    os.chown(path, 65534, 0)
    assert weakness(path) == f"{path} belongs to user 65534"
    refusal = examine((path,), root, True)
    assert isinstance(refusal, str)
    assert "others than root could change it" in refusal
    loose = examine((path,), root, False)
    assert isinstance(loose, Program)
    assert "others than root could change it" in loose.remark
    assert isinstance(examine((path,), find_user("nobody"), True), Program), "nothing of it runs as root"


@pytest.mark.skipif(not ROOT, reason="files that belong to root")
def test_script_security_follows_links_and_looks_at_every_folder(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    (tmp_path / "loose").mkdir()
    path = script(tmp_path / "loose", "chk", "exit 0")
    link = tmp_path / "link"
    link.symlink_to("loose/../loose/chk")
    assert weakness(str(link)) == ""
    (tmp_path / "loose").chmod(0o777)
    assert weakness(str(link)) == f"everybody may write {tmp_path}/loose"
    assert weakness(path) == f"everybody may write {tmp_path}/loose"
    round_and_round = tmp_path / "round"
    round_and_round.symlink_to("round")
    assert "too many symbolic links" in weakness(str(round_and_round))


def test_what_is_no_program_is_named(tmp_path: Path) -> None:
    me = find_user(ME)
    plain = tmp_path / "plain"
    plain.write_text("exit 0")
    assert examine((), me, False) == "it names no program"
    assert examine((str(tmp_path),), me, False) == f"{tmp_path} is no file"
    assert examine((str(tmp_path / "no"),), me, False) == f"{tmp_path}/no: No such file or directory"
    assert examine((str(plain),), me, False) == f"{plain} is not executable for {ME}"
    assert "there is no program no-such-program" in str(examine(("no-such-program",), me, False))
    found = examine(("sh", "-c", "exit 0"), me, False)
    assert isinstance(found, Program)
    assert found.argv[0].endswith("/sh"), "found as the shell would find it"


def test_the_default_user_is_named_in_the_file(tmp_path: Path) -> None:
    path = script(tmp_path, "chk", "exit 0")
    asked = tracking(
        ("script", "chk"),
        scripts=(TrackedScript("chk", (path,), SOON, SECOND),),
        settings=RouterGlobals(script_user="nobody-of-that-name"),
    )

    async def work() -> None:
        desk = Watched(tmp_path)
        await desk.tracks.follow(asked)
        assert "there is no user nobody-of-that-name" in desk.ear.sent[0]["text"]
        await desk.tracks.close()

    uvloop.run(work())
