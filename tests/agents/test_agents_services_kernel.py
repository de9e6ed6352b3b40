"""Services that people have, through the agents that Debian ships: PostgreSQL, nginx, and a bind mount that somebody holds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_helpers import InNetwork, Stage, alive, play, script, until
from database_room import Database
from mount_room import end, in_room, needs, reaped, run, sleeper

from understudy.events import Outcome
from understudy.model import LsbResource, OcfResource
from understudy.units import MILLISECOND, SECOND

pytestmark = pytest.mark.kernel

OK, NOT_RUNNING, FAILED = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED
AGENTS = Path("/usr/lib/ocf/resource.d/heartbeat")


def needs_agent(name: str) -> None:
    if not (AGENTS / name).exists():
        pytest.skip(f"the agent {name} is missing: apt-get install resource-agents")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Servers give up root, and pytest's own directories are closed to others."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def database(open_path: Path) -> Iterator[Database]:
    needs("setpriv")
    (open_path / "db").mkdir()
    made = Database(open_path / "db")
    yield made
    made.end()


# PostgreSQL


def pgsql(database: Database) -> OcfResource:
    parameters = {
        "pgctl": database.programs / "pg_ctl",
        "psql": database.programs / "psql",
        "pgdata": database.data,
        "config": database.data / "postgresql.conf",
        "socketdir": database.home,
        "logfile": database.home / "server.log",
    }
    words = tuple((name, str(value)) for name, value in parameters.items())
    return OcfResource("db", "heartbeat", "pgsql", words, exclusive=True)


def test_postgresql_through_its_agent(tmp_path: Path, database: Database) -> None:
    """Started, crashed and noticed, started again with what it had been told, stopped under a client."""
    needs_agent("pgsql")

    async def scene() -> None:
        stage = Stage(tmp_path, pgsql(database))
        assert await stage.outcome("monitor") == "not running"
        assert await stage.run("start") == (OK, "")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("monitor") == (OK, "")
        database.ask("create table kept as select 'as it was' as words")
        crashed = database.main
        os.kill(crashed, signal.SIGKILL)
        await until(lambda: not os.path.exists(f"/proc/{crashed}"), "it is gone, and buried")
        assert await stage.outcome("monitor") == "not running"
        assert await stage.run("start") == (OK, "")
        assert database.main != crashed
        assert database.ask("select words from kept") == "as it was"
        client = database.client()
        main = database.main
        assert await stage.run("stop") == (OK, "")
        assert not alive(main)
        await reaped_client(client)
        assert await stage.outcome("monitor") == "not running"
        assert await stage.run("stop") == (OK, "")

    play(scene())


async def reaped_client(client: subprocess.Popen[str]) -> None:
    """psql ends by itself only when it is asked something and finds the server gone."""
    assert client.stdin is not None
    client.stdin.write("select 1;\n")
    client.stdin.close()
    while client.poll() is None:
        await asyncio.sleep(0.005)
    assert client.returncode != 0


SMART = """
ctl() {{ setpriv --reuid=postgres --regid=postgres --clear-groups {programs}/pg_ctl -D {data} -s -w "$@"; }}
cd /
case "$1" in
start) ctl -l {home}/server.log start ;;
stop) ctl -m smart -t 600 stop ;;
status) ctl status > /dev/null; [ $? -eq 0 ] || exit 3 ;;
esac
"""


def test_a_stop_that_waits_for_a_client_takes_its_time(tmp_path: Path, database: Database) -> None:
    """A smart stop ends when the last client has gone. Until then the database runs, and nobody may say that it does not."""
    text = SMART.format(programs=database.programs, data=database.data, home=database.home)
    pid_file = str(database.data / "postmaster.pid")

    async def scene() -> None:
        init = script(tmp_path / "init", text)
        stage = Stage(tmp_path, LsbResource("db", init, pid_file, "postgres", exclusive=True))
        assert (await stage.run("monitor"))[0] is NOT_RUNNING
        assert await stage.run("start") == (OK, "")
        client = database.client()
        main = database.main
        outcome, words = await stage.run("stop", limit=700 * MILLISECOND)
        assert outcome not in (OK, NOT_RUNNING), words
        assert "not done after" in words
        assert alive(main)
        assert await stage.run("monitor") == (OK, f"process {main} runs"), "it runs on, whatever became of the stop"
        stopping = asyncio.create_task(stage.run("stop", limit=20 * SECOND))
        await until(lambda: "shutting down" in refusal(database), "new clients are refused")
        assert not stopping.done()
        assert client.stdin is not None
        client.stdin.close()
        assert (await stopping)[0] is OK
        assert not alive(main)
        assert (await stage.run("monitor"))[0] is NOT_RUNNING

    play(scene())


def refusal(database: Database) -> str:
    try:
        return database.ask("select 1")
    except AssertionError as error:
        return str(error)


# nginx

NGINX = """
pid {home}/nginx.pid;
error_log {home}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    server {{
        listen 192.0.2.50:80;
        location / {{ root {home}/pages; }}
        location /nginx_status {{ stub_status; }}
    }}
}}
"""


def test_nginx_through_its_agent(open_path: Path, in_network: InNetwork) -> None:
    """A start with a file that nginx refuses fails with nginx's words; a dead one is noticed."""
    needs_agent("nginx")
    needs("nginx", "curl")
    (open_path / "pages").mkdir()
    (open_path / "pages" / "index.html").write_text("the page\n")
    (open_path / "run").mkdir()
    file = open_path / "nginx.conf"
    parameters = (
        ("configfile", str(file)),
        ("httpd", "/usr/sbin/nginx"),
        ("status10url", "http://192.0.2.50/nginx_status"),
        ("port", "80"),
    )

    async def scene() -> None:
        stage = Stage(open_path / "run", OcfResource("web", "heartbeat", "nginx", parameters))
        file.write_text(NGINX.format(home=open_path).replace("stub_status", "stub_statsu"))
        outcome, text = await stage.run("start")
        assert outcome is FAILED
        assert "stub_statsu" in text
        file.write_text(NGINX.format(home=open_path))
        assert await stage.outcome("monitor") == "not running"
        assert await stage.run("start") == (OK, "")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("monitor") == (OK, "")
        assert run("curl", "-s", "http://192.0.2.50/") == "the page\n"
        main = int((open_path / "nginx.pid").read_text())
        for process in (main, *children(main)):
            os.kill(process, signal.SIGKILL)
        await until(lambda: not os.path.exists(f"/proc/{main}"), "it is gone, and buried")
        assert await stage.outcome("monitor") == "not running"
        assert await stage.run("start") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert await stage.outcome("monitor") == "not running"

    try:
        in_network(lambda: play(scene()))
    finally:
        left = open_path / "nginx.pid"
        if left.exists() and left.read_text().strip():  # only when the test has failed before the agent's stop
            os.kill(int(left.read_text()), signal.SIGTERM)


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


# A bind mount by the real Filesystem agent


def test_a_bind_mount_by_the_filesystem_agent_is_freed_of_who_holds_it(tmp_path: Path) -> None:
    """A process works below the mount: the agent's stop ends it, and the mount is gone."""
    needs_agent("Filesystem")
    needs("fuser", "findmnt")
    source, place = tmp_path / "source", tmp_path / "srv"
    for directory in (source, place):
        directory.mkdir()
    (source / "file").write_text("shown at another place\n")
    parameters = (("device", str(source)), ("directory", str(place)), ("fstype", "none"), ("options", "bind"))
    holders: list[subprocess.Popen[bytes]] = []

    async def scene() -> None:
        stage = Stage(tmp_path, OcfResource("data", "heartbeat", "Filesystem", parameters, exclusive=True))
        assert await stage.outcome("monitor") == "not running"
        assert (await stage.run("start"))[0] is OK
        assert (place / "file").read_text() == "shown at another place\n"
        assert (await stage.run("monitor"))[0] is OK
        holders.append(sleeper(place))
        assert (await stage.run("stop", limit=30 * SECOND))[0] is OK
        assert await reaped(holders[0]) == -signal.SIGTERM
        assert not os.path.ismount(place)
        assert (source / "file").exists()
        assert await stage.outcome("monitor") == "not running"
        assert (await stage.run("stop"))[0] is OK

    try:
        in_room(lambda: play(scene()))
    finally:
        end(holders)
