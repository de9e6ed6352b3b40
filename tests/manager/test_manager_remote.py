"""The API over TCP: TLS and a token or nothing; files that change while it runs; a flood of bad requests."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bad_requests import WISHES, Request, bad_requests
from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager, ask, until
from test_manager_fuzz import bombard, wishes

from understudy.manager.remote import MOST_CONNECTIONS, Remote
from understudy.model import Api

sys.path.insert(0, str(Path(__file__).parent.parent / "config"))

from api_files import READER, SECRET, make_api_files


@dataclass
class Site:
    """A manager that serves over TCP on a port of 127.0.0.1, and where its files are."""

    running: RunningManager
    files: Path

    @property
    def remote(self) -> Remote:
        assert self.running.manager.control is not None
        assert self.running.manager.control.remote is not None
        return self.running.manager.control.remote

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.files / "api.crt"))

    def connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.remote.port), timeout=30)
        return self.context().wrap_socket(raw, server_hostname="127.0.0.1")

    def ask(self, method: str, path: str, token: str | None, body: Any = None) -> tuple[int, Any, dict[str, str]]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.remote.port, timeout=30, context=self.context())
        headers = {} if token is None else {"Authorization": token}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
            kind = response.headers["Content-Type"]
            return response.status, json.loads(data) if "json" in kind else data.decode(), dict(response.headers)
        finally:
            connection.close()

    def warnings(self) -> list[str]:
        found: list[str] = ask(self.running.runtime_dir, "GET", "/v1/status")[1]["warnings"]
        return [text for text in found if "API" in text]


@pytest.fixture
def site(pulse: FakePulse, tmp_path: Path) -> Iterator[Site]:
    make_api_files(tmp_path)
    names = [str(tmp_path / name) for name in ("api.crt", "api.key", "api.tokens")]
    # Port 0: the kernel chooses a free one, so no two tests meet. A file cannot say that.
    cluster = replace(a_cluster(), api=Api((("a", "127.0.0.1", 0),), *names))
    with a_manager(cluster, tmp_path) as running:
        found = Site(running, tmp_path)
        until(lambda: running.manager.control and found.remote.port and not found.remote.trouble, "it listens")
        yield found


def test_with_a_token_it_is_the_same_api(pulse: FakePulse, site: Site) -> None:
    status, answer, _ = site.ask("GET", "/v1/status", f"Bearer {READER}")
    assert (status, answer["cluster"]) == (200, "testing")
    assert site.ask("GET", "/metrics", f"bearer {READER}")[1].startswith("# HELP understudy_info")
    assert site.ask("POST", "/v1/move", f"Bearer {SECRET}", {"group": "site", "node": "b"})[0] == 200
    assert pulse.wait_for("admin", verb="move")["by"] == "anna (token, from 127.0.0.1)"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {SECRET[:-1]}",
        f"Bearer {SECRET}x",
        f"Bearer {SECRET.upper()}",
        f"Basic {SECRET}",
        SECRET,
        f"Bearer {SECRET} {SECRET}",
        "Bearer " + "x" * 5000,
    ],
)
def test_without_a_right_token_nothing(pulse: FakePulse, site: Site, header: str | None) -> None:
    for method, path in (("GET", "/v1/status"), ("POST", "/v1/move"), ("GET", "/metrics"), ("GET", "/v1/nothing")):
        status, answer, headers = site.ask(
            method, path, header, None if method == "GET" else {"group": "site", "node": "b"}
        )
        assert status == 401
        assert answer["ok"] is False
        assert headers["WWW-Authenticate"].startswith('Bearer realm="understudy"')
    assert wishes(pulse) == []


@pytest.mark.parametrize("path", WISHES)
def test_who_may_read_may_not_change(pulse: FakePulse, site: Site, path: str) -> None:
    body = {} if path == "/v1/dump" else {"group": "site", "node": "b"} if path == "/v1/move" else {"node": "b"}
    status, answer, _ = site.ask("POST", path, f"Bearer {READER}", body)
    assert status == 403
    assert answer["text"].startswith("prometheus (token, from 127.0.0.1) may only read")
    assert wishes(pulse) == []


def test_two_tokens_in_one_request_are_none(site: Site) -> None:
    with site.connect() as handle:
        header = f"Authorization: Bearer {SECRET}\r\n"
        handle.sendall(f"GET /v1/status HTTP/1.1\r\nHost: x\r\n{header}{header}\r\n".encode())
        assert handle.recv(100).startswith((b"HTTP/1.1 401", b"HTTP/1.1 400"))


def test_without_tls_nothing(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.remote.port), timeout=30) as handle:
        handle.sendall(f"GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode())
        data = b""
        try:
            while chunk := handle.recv(1000):
                data += chunk
        except ConnectionResetError:
            pass
    assert b"HTTP" not in data


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(site: Site) -> None:
    context = site.context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    raw = socket.create_connection(("127.0.0.1", site.remote.port), timeout=30)
    with raw, pytest.raises(OSError):
        context.wrap_socket(raw, server_hostname="127.0.0.1")


def test_wrong_tokens_are_told_once(site: Site) -> None:
    for _ in range(5):
        site.ask("GET", "/v1/status", f"Bearer {SECRET[::-1]}")
    told = [
        entry["text"] for entry in site.running.manager.history.last(100) if "without a right token" in entry["text"]
    ]
    assert told == ["a request over TCP without a right token refused, the last one from 127.0.0.1"]


def test_a_new_token_file_counts_at_once_and_the_old_tokens_end(site: Site) -> None:
    new = SECRET[::-1]
    (site.files / "new").write_text(f"bert write {new}\n")
    (site.files / "new").chmod(0o600)
    (site.files / "new").rename(site.files / "api.tokens")

    def accepted() -> bool:
        try:
            return site.ask("GET", "/v1/status", f"Bearer {new}")[0] == 200
        except OSError:  # just being opened again
            return False

    until(accepted, "the new token counts")
    assert site.ask("GET", "/v1/status", f"Bearer {SECRET}")[0] == 401


def test_a_token_file_that_others_may_read_closes_the_port(site: Site) -> None:
    assert site.warnings() == []
    (site.files / "api.tokens").chmod(0o644)
    until(lambda: site.remote.trouble, "it is noticed")
    with pytest.raises(OSError):
        site.connect()
    assert "api.tokens: the token file may be read by others (mode 0644)" in site.warnings()[0]
    (site.files / "api.tokens").chmod(0o600)
    until(lambda: not site.remote.trouble, "it is mended")
    assert site.warnings() == []


def test_a_renewed_certificate_is_served_without_a_restart(site: Site) -> None:
    before = ssl.get_server_certificate(("127.0.0.1", site.remote.port))
    make_api_files(site.files, days=5)

    def renewed() -> bool:
        try:
            return ssl.get_server_certificate(("127.0.0.1", site.remote.port)) != before
        except OSError:
            return False

    until(renewed, "the new certificate is served")
    assert site.ask("GET", "/v1/status", f"Bearer {SECRET}")[0] == 200
    assert "expires in 5 days" in site.warnings()[0]


def test_strangers_cannot_use_up_the_connections_of_the_control_socket(site: Site) -> None:
    """Handshakes that are never made count against the port's own places only."""
    idle = [socket.create_connection(("127.0.0.1", site.remote.port), timeout=30) for _ in range(MOST_CONNECTIONS + 8)]
    try:
        assert ask(site.running.runtime_dir, "GET", "/v1/status")[0] == 200
    finally:
        for each in idle:
            each.close()
    assert site.ask("GET", "/v1/status", f"Bearer {SECRET}")[0] == 200


def with_token(request: Request, header: bytes) -> Request:
    return replace(request, data=request.data.replace(b"Host: localhost\r\n", b"Host: localhost\r\n" + header, 1))


@pytest.mark.parametrize(
    "count", [300, pytest.param(3_000, marks=pytest.mark.slow), pytest.param(10_000, marks=pytest.mark.long)]
)
def test_bad_requests_over_tls(pulse: FakePulse, site: Site, caplog: pytest.LogCaptureFixture, count: int) -> None:
    """With the right token, with a wrong one, without; and noise where a TLS handshake is expected."""
    context = site.context()

    def connect() -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", site.remote.port), timeout=30)
        return context.wrap_socket(raw, server_hostname="127.0.0.1", suppress_ragged_eofs=True)

    headers = (f"Authorization: Bearer {SECRET}\r\n".encode(), b"Authorization: Bearer wrong\r\n", b"")
    requests = [with_token(request, headers[number % 3]) for number, request in enumerate(bad_requests(count, seed=2))]
    with caplog.at_level(logging.WARNING):
        answered = bombard(connect, requests)
        for request in bad_requests(count // 10, seed=3):
            with socket.create_connection(("127.0.0.1", site.remote.port), timeout=30) as handle:
                handle.sendall(request.data)
    assert answered > count * 3 // 4
    assert wishes(pulse) == []
    assert [record.getMessage() for record in caplog.records] == []
    assert [entry for entry in site.running.manager.history.last(2000) if entry["level"] == "error"] == []
    assert site.ask("POST", "/v1/move", f"Bearer {SECRET}", {"group": "site", "node": "b"})[0] == 200
    assert wishes(pulse) == ["admin"]
