"""Probes asked of the web servers that people have: Apache and nginx, with TLS and certificates of an authority of the test."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from probe_servers import Authority

from understudy.manager.probe_checks import Question
from understudy.probes import HttpCheck, TcpCheck
from understudy.units import MILLISECOND, SECOND, Duration

pytestmark = pytest.mark.kernel

NAME = "www.example.org"
ADDRESS = f"127.90.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""A loopback address of this run's own, so that the ports are free."""

APACHE = """
ServerRoot {home}
ServerName {name}
PidFile {home}/server.pid
DefaultRuntimeDir {home}
Mutex file:{home} default
Listen {address}:80
Listen {address}:443
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
User #65534
Group #65534
ErrorLog {home}/error.log
DocumentRoot {home}/pages
DirectoryIndex index.html
Header always set X-State ready
Redirect 302 /moved /elsewhere
Redirect 503 /broken
<VirtualHost {address}:443>
  SSLEngine on
  SSLCertificateFile {certificate}
</VirtualHost>
"""

NGINX = """
daemon off;
pid {home}/server.pid;
error_log {home}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    server {{
        listen {address}:80;
        listen {address}:443 ssl;
        server_name {name};
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        root {home}/pages;
        add_header X-State ready always;
        location /moved {{ return 302 /elsewhere; }}
        location /broken {{ return 503; }}
    }}
}}
"""


class Server:
    """A real web server in the foreground; ``certificate``: the file with its certificate and key."""

    def __init__(self, kind: str, home: Path, certificate: Path) -> None:
        program = shutil.which({"apache": "apache2", "nginx": "nginx"}[kind], path="/usr/sbin:/usr/bin")
        if program is None:
            pytest.skip(f"{kind} is missing: apt-get install {'apache2' if kind == 'apache' else kind}")
        if os.geteuid() != 0:
            pytest.skip("only root may listen at ports 80 and 443")
        text = {"apache": APACHE, "nginx": NGINX}[kind]
        words = {"home": home, "name": NAME, "address": ADDRESS, "certificate": certificate}
        (home / "pages").mkdir()
        (home / "pages" / "index.html").write_text("all is well\n")
        (home / "server.conf").write_text(text.format(modules="/usr/lib/apache2/modules", **words))
        flags = ["-DFOREGROUND", "-f"] if kind == "apache" else ["-c"]
        self.log = home / "error.log"
        self._process = subprocess.Popen(
            [program, *flags, str(home / "server.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until_ready(self) -> None:
        end = time.monotonic() + 20
        while ask(TcpCheck(ADDRESS, 443)):
            assert self._process.poll() is None, self._process.communicate()[0]
            assert time.monotonic() < end, "it never listened"
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def end(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """Servers give up root, and pytest's own directories are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def ask(check: HttpCheck | TcpCheck, limit: Duration = 10 * SECOND) -> str:
    async def scene() -> str:
        async with asyncio.timeout(30):
            while (found := await Question(check, limit, {}).ask()).ours:
                pass  # this machine was late itself, which says nothing of the server
        return found.failure

    return uvloop.run(scene())


def certificate(authority: Authority, home: Path, *names: str, days: int = 2) -> Path:
    authority.server(*names, days=days)
    return home / f"server-{names[0]}-{days}.pem"


@pytest.mark.parametrize("kind", ["apache", "nginx"])
def test_what_a_web_server_says(kind: str, home: Path) -> None:
    authority = Authority(home)
    server = Server(kind, home, certificate(authority, home, NAME, ADDRESS))
    try:
        server.until_ready()
        for base in (f"http://{ADDRESS}", f"https://{ADDRESS}"):
            judge(base, lambda url, **words: ask(HttpCheck(url, ca=authority.path, **words)))  # type: ignore[arg-type]
        assert ask(HttpCheck(f"https://{ADDRESS}/", host=NAME, ca=authority.path)) == ""
        server.signal(signal.SIGSTOP)
        found = ask(HttpCheck(f"https://{ADDRESS}/", ca=authority.path), 300 * MILLISECOND)
        assert found.startswith("no answer within 300ms"), found
        assert ask(TcpCheck(ADDRESS, 443)) == "", "the kernel accepts for it: only a question finds it out"
        server.signal(signal.SIGCONT)
        assert ask(HttpCheck(f"https://{ADDRESS}/", ca=authority.path)) == ""
    finally:
        server.end()
    # Reset while it is still on its way out.
    assert ask(HttpCheck(f"https://{ADDRESS}/", ca=authority.path)).startswith("cannot connect: Connection re")


def judge(base: str, get: Callable[..., str]) -> None:
    assert get(f"{base}/", text="all is well", expect_headers=(("X-State", "ready"),)) == ""
    assert get(f"{base}/", method="HEAD") == ""
    assert get(f"{base}/", host=NAME, regex="^all is w.ll$") == ""
    assert get(f"{base}/", text="all is lost").startswith(
        "the text 'all is lost' is not in the body, which begins 'all is"
    )
    assert get(f"{base}/", expect_headers=(("X-State", "idle"),)) == "header X-State is 'ready'"
    assert get(f"{base}/none") == "status 404 Not Found"
    assert get(f"{base}/none", status=((404, 404),)) == ""
    assert get(f"{base}/broken").startswith("status 503 Service")
    assert get(f"{base}/moved").startswith("status 302 "), "a redirect is an answer of its own"


@pytest.mark.parametrize("kind", ["apache", "nginx"])
def test_certificates_that_are_not_good(kind: str, home: Path) -> None:
    ours, theirs = Authority(home, "ours"), Authority(home, "theirs")
    server = Server(kind, home, certificate(ours, home, NAME, days=-1))
    try:
        server.until_ready()
        url, bad = f"https://{ADDRESS}/", "the certificate is not good: "
        assert ask(HttpCheck(url, host=NAME, ca=ours.path)) == f"{bad}certificate has expired"
        assert ask(HttpCheck(url, host=NAME, ca=theirs.path)).startswith(bad)
        assert ask(HttpCheck(url, host=NAME)).startswith(bad), "the machine's own authorities do not know it"
        assert ask(HttpCheck(url, verify=False)) == ""
    finally:
        server.end()
