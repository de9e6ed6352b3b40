"""A PostgreSQL of the test's own, below one directory: made once, run by agents and scripts, asked by clients."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

_PROGRAMS = "/usr/lib/postgresql/*/bin"
USER = "postgres"


def programs() -> Path:
    """Where the newest release installed has its programs; skips the test where there is none."""
    found = sorted(Path("/").glob(_PROGRAMS[1:] + "/pg_ctl"), key=lambda path: float(path.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    if os.geteuid() != 0:
        pytest.skip("only root can run it as its own user")
    return found[-1].parent


class Database:
    """``home`` must be open to other users, for PostgreSQL refuses to run as root. It listens on a socket in ``home`` only."""

    def __init__(self, home: Path) -> None:
        self.home, self.data, self.programs = home, home / "data", programs()
        self._clients: list[subprocess.Popen[str]] = []
        user = pwd.getpwnam(USER)
        os.chown(home, user.pw_uid, user.pw_gid)
        flags = ["--no-sync", "--auth=trust", "--locale=C", "--encoding=UTF8", "-D", str(self.data)]
        self._run([str(self.programs / "initdb"), *flags])
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as file:
            file.write(
                f"listen_addresses = ''\nunix_socket_directories = '{home}'\nfsync = off\nshared_buffers = 1MB\n"
            )

    def _run(self, words: list[str]) -> str:
        done = subprocess.run(self._as_user(words), cwd="/", capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _as_user(self, words: list[str]) -> list[str]:
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *words]

    @property
    def _psql(self) -> list[str]:
        return self._as_user(["psql", "--no-psqlrc", "-qAt", "-h", str(self.home), "-U", USER, "template1"])

    def ask(self, question: str) -> str:
        return self._run([*self._psql[4:], "-c", question]).strip()

    def client(self) -> subprocess.Popen[str]:
        """A session that stays: it is connected when this returns, and goes when its standard input is closed."""
        process = subprocess.Popen(
            self._psql, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._clients.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("select 'connected';\n")
        assert process.stdout.readline() == "connected\n"
        return process

    @property
    def main(self) -> int:
        """The number of its main process, 0 when it has left no pid file."""
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def end(self) -> None:
        for process in self._clients:
            process.kill()
            process.wait()
            for end in (process.stdin, process.stdout):
                if end is not None:
                    end.close()
        if self.main:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.main, signal.SIGQUIT)  # "immediate": its children end with it
        shutil.rmtree(self.home, ignore_errors=True)
