"""``understudy pool`` as people and scripts call it, beside a balancer with pretended parts and no manager at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from balancer_parts import COPIED, KEY, ONE, WEB, Bench
from click.testing import CliRunner, Result

from understudy.balance import Counters, Place, Synchronise
from understudy.cli.balancer_client import own_folder
from understudy.cli.main import commands
from understudy.cli.render_pool import service_text
from understudy.config.service_copy import ServiceCopy
from understudy.core.pools import Pool
from understudy.services import ServiceFiles, SyncDaemon, VirtualService


def call(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(commands, ["pool", *words, "--runtime-dir", str(folder)])


def beside(
    folder: Path,
    *calls: Sequence[str],
    sync: Synchronise | None = None,
    of: Path | None = None,
    copy: ServiceCopy = COPIED,
    deciding: Pool | None = None,
) -> list[Result]:
    """What each call says while a balancer runs. ``of``: the runtime directory that is asked, where it is another one."""
    found: list[Result] = []

    async def work() -> None:
        bench = Bench(folder, copy, deciding=deciding)
        bench.pool.sync = sync
        bench.plane.counted = {(KEY, Place(ONE.address, ONE.port)): Counters(active=3, connections=12)}
        async with bench.running():
            for words in calls:
                found.append(await asyncio.get_running_loop().run_in_executor(None, call, of or folder, *words))

    asyncio.run(work())
    return found


def test_it_shows_servers_and_why_they_are_as_they_are(tmp_path: Path) -> None:
    text, only, wrong, form = beside(tmp_path, [], ["web"], ["wob"], ["web", "--json"])
    assert text.exit_code == 0
    assert only.output == text.output
    lines = text.output.splitlines()
    assert lines[0].split() == ["web", "tcp", "10.9.9.9:80", "wlc", "nftables"]
    assert lines[1] == "  serving: no server is up"
    assert lines[3].split() == ["10.0.0.2:80", "down", "-", "(1)", "3", "12", "-", "5.0", "s"]
    assert "    tcp 10.0.0.2:80 fails: connection refused" in lines
    assert (wrong.exit_code, "did you mean 'web'" in wrong.output) == (2, True)
    assert json.loads(form.output)["services"][0]["servers"][0]["state"] == "down"


def test_what_a_check_says_is_shown_once() -> None:
    """The pool's reason for a server that is down is the check's."""
    asks, failure = "http to 10.0.0.2:80", "connection refused"
    server = {
        **dict.fromkeys(("weight", "active", "connections", "for_ms"), 0),
        "name": ONE.name,
        "state": "down",
        "wanted": 1,
        "in_table": False,
        "why": f"{asks}: {failure}",
        "probes": [{"asks": asks, "up": False, "failure": failure}],
        "connections_per_second": None,
    }
    service = {
        "name": "web",
        "keys": [],
        "scheduler": "",
        "plane": "",
        "serving": True,
        "fallback": False,
        "quorum": False,
    }
    shown = service_text({**service, "why": "", "trouble": "", "servers": [server]}, lambda text, *_, **__: text)
    assert shown.count(failure) == 1
    assert f"    {asks} fails: {failure}" in shown


def test_a_weight_by_hand_is_shown_as_such_whatever_else_is_said() -> None:
    said = "its weight of 0 is set by an operator"
    server = {
        **dict.fromkeys(("weight", "wanted", "wished", "active", "connections", "for_ms"), 0),
        "name": ONE.name,
        "state": "up",
        "in_table": True,
        "why": said,
        "probes": [],
        "connections_per_second": None,
    }
    head = {"name": "web", "keys": [], "scheduler": "", "plane": "", "serving": True, "fallback": False, "quorum": True}

    def shown(**changed: object) -> list[str]:
        service = {**head, "why": "", "trouble": "", "servers": [{**server, **changed}]}
        return [line.strip() for line in service_text(service, lambda text, *_, **__: text).splitlines()[4:]]

    assert shown() == shown(in_table=False) == [said]
    assert shown(state="draining", why="an operator drains it") == ["an operator drains it", said]
    assert shown(wished=None) == []


def test_it_says_who_tells_connections_and_what_the_kernel_refuses_of_it(tmp_path: Path) -> None:
    wanted = Synchronise(SyncDaemon("eth1", "site", 7), False, True, "the address of site is not here")
    (text,) = beside(tmp_path, [], sync=wanted)
    said = "connections are synchronised by eth1 (id 7): backup, because the address of site is not here"
    assert text.output.splitlines()[-3:] == [said, "", "! no such device"]


def test_wishes_have_exit_codes(tmp_path: Path) -> None:
    other = replace(ONE, address="10.0.0.3")  # the pretended pool refuses what is about it
    files = ServiceFiles((replace(WEB, reals=(ONE, other)),))
    good, refused, without, many, big = beside(
        tmp_path,
        ["weight", ONE.name, "5", "web"],
        ["drain", other.name],
        ["weight", ONE.name],
        ["drain", ONE.name, "web", "more"],
        ["weight", ONE.name, "70000"],
        copy=replace(COPIED, files=files),
    )
    assert (good.exit_code, good.output) == (0, "done\n")
    assert (refused.exit_code, "there is no server 10.0.0.3:80" in refused.output) == (4, True)
    assert [each.exit_code for each in (without, many, big)] == [2, 2, 2]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder of few letters: the path of a socket has at most 107, and a folder of pytest's has many already."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_who_was_started_by_the_tool_ldirectord_is_found(short: Path) -> None:
    """Unless the daemon of the directory itself balances; of several one is to be chosen."""
    mine, web, mail = (
        short / "mine",
        *(Path(own_folder(str(short / "mine"), f"{name}.cf")) for name in ("web", "mail")),
    )
    for folder in (mine, web, mail):
        folder.mkdir()
    said: list[Result] = []

    async def work() -> None:
        async with contextlib.AsyncExitStack() as running:
            for folder in (web, mail, mine):
                bench = Bench(folder, replace(COPIED, node=folder.name))
                await running.enter_async_context(bench.running())
                said.append(await asyncio.get_running_loop().run_in_executor(None, call, mine, "--json"))

    asyncio.run(work())
    one, two, own = said
    assert json.loads(one.stdout)["node"] == "ldirectord.web.cf"
    assert two.exit_code == 2
    assert f"choose with --runtime-dir: {mail}, {web}" in two.output
    assert json.loads(own.output)["node"] == "mine"


@contextlib.contextmanager
def away(folder: Path) -> Iterator[None]:
    """While a supervisor runs there, and its balancer does not."""
    (folder / "services.json").touch()
    code = "import sys; from understudy.adapters import lockfile; lockfile.take(sys.argv[1]); print(1, flush=True); input()"
    words = [sys.executable, "-c", code, str(folder / "supervisor.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        yield
        supervisor.communicate(b"\n")


def test_a_balancer_that_comes_back_is_not_mistaken_for_another_one(short: Path) -> None:
    other = Path(own_folder(str(short), "web.cf"))
    other.mkdir()
    with away(short):
        assert beside(other, [], of=short)[0].exit_code == 3
    (short / "ldirectord.web.cf" / "balancer.sock").unlink(missing_ok=True)
    assert beside(other, [], of=short)[0].exit_code == 0


def test_of_several_files_one_whose_balancer_comes_back_counts_and_who_is_asked_is_said(short: Path) -> None:
    web, mail = (Path(own_folder(str(short), f"{name}.cf")) for name in ("web", "mail"))
    for folder in (web, mail):
        folder.mkdir()
    with away(mail):
        (wish,) = beside(web, ["drain", ONE.name], of=short)
    assert (wish.exit_code, f"choose with --runtime-dir: {mail}, {web}" in wish.output) == (2, True)
    (web / "balancer.sock").unlink(missing_ok=True)
    found, wished = beside(web, ["--json"], ["drain", ONE.name], of=short)
    (web / "balancer.sock").unlink(missing_ok=True)
    (given,) = beside(web, ["--json"])
    said = f"understudy: asked is the balancer of {web}\n"
    assert [each.stderr for each in (given, found, wished)] == ["", said, said]
    assert json.loads(found.stdout).keys() == json.loads(given.stdout).keys()


def test_a_wish_for_who_is_not_known_names_the_nearest(tmp_path: Path) -> None:
    mail = VirtualService("mail", (replace(KEY, port=25),), (replace(ONE, port=25),))
    files = ServiceFiles((replace(WEB, fallback=replace(ONE, address="10.9.0.7")), mail))
    calls = {
        ("drain", "10.0.0.22:80"): f"did you mean {ONE.name!r}?",
        ("disable", "10.9.0.7:80", "web"): f"did you mean {ONE.name!r}?",  # the fallback cannot be asked for
        ("enable", ONE.name, "mail"): "it is a server of web",
        ("weight", ONE.name, "5", "wob"): "did you mean 'web'?",
        ("drain", "somebody"): "known: 10.0.0.2:80, 10.0.0.2:25",
    }
    found = beside(tmp_path, *calls, copy=replace(COPIED, files=files), deciding=Pool(ServiceFiles()))
    assert [(each.exit_code, each.output.splitlines()[-1].strip()) for each in found] == [
        (2, hint) for hint in calls.values()
    ]


def test_nobody_there_is_said(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert result.exit_code == 3
    (tmp_path / "control.sock").touch()
    assert "nothing is balanced on this machine" in call(tmp_path).output
