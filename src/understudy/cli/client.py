"""Ask the daemon of this machine: HTTP over its Unix socket, with nothing but the standard library, to start fast."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import NotRunning, Refused, TimedOut, UnderstudyError, UsageError

_BY_STATUS: dict[int, type[UnderstudyError]] = {
    400: UsageError,
    403: Refused,
    404: UsageError,
    409: Refused,
    405: UsageError,
    408: UsageError,
    413: UsageError,
    415: UsageError,
    429: Refused,
    503: NotRunning,
    504: TimedOut,
}


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """``runtime_dir`` is the daemon's; its manager listens at ``control.sock`` there."""

    def __init__(self, runtime_dir: str) -> None:
        self._path = os.path.join(runtime_dir, "control.sock")

    def get(self, path: str, limit: float = 5.0) -> dict[str, Any]:
        """``limit`` is in seconds. Raises NotRunning, Refused, TimedOut or UsageError, as the daemon says."""
        return self._ask("GET", path, None, limit)

    def post(self, path: str, body: Mapping[str, str | int], limit: float = 15.0) -> dict[str, Any]:
        """Longer than the daemon's own limit of 10 s by default, so that its sentence arrives instead of ours."""
        return self._ask("POST", path, body, limit)

    def stream(self, path: str, limit: float = 45.0) -> Iterator[dict[str, Any] | None]:
        """The objects of a stream of JSON lines, as they come, until the daemon ends it; None for a line that only says that
        the connection lives. Raises as ``get``; TimedOut when nothing at all came for ``limit`` seconds.
        """
        connection = _Connection(self._path, limit)
        with self._troubles(limit):
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                if response.status != 200:
                    self._answer(response.status, response.read())
                while line := response.readline():
                    yield json.loads(line) if line.strip() else None
            finally:
                connection.close()

    def _ask(self, method: str, path: str, body: Mapping[str, str | int] | None, limit: float) -> dict[str, Any]:
        connection = _Connection(self._path, limit)
        data = None if body is None else json.dumps(dict(body))
        with self._troubles(limit):
            try:
                connection.request(method, path, data, {} if data is None else {"Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read()
            finally:
                connection.close()
        return self._answer(response.status, text)

    @contextlib.contextmanager
    def _troubles(self, limit: float) -> Iterator[None]:
        """What can go wrong with a connection, as sentences."""
        try:
            yield
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise _nobody(self._path, isinstance(error, FileNotFoundError)) from None
        except PermissionError:
            raise Refused(f"{self._path} may not be used by you", who_may()) from None
        except TimeoutError:
            raise TimedOut(
                f"the manager did not answer within {limit:g} s", "is the machine overloaded or its disk hung?"
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotRunning(
                f"the connection to {self._path} broke: {error}", "the manager may be starting again; ask again"
            ) from None

    def _answer(self, status: int, text: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise UnderstudyError(f"the manager at {self._path} answered {status} without JSON")
        if status != 200:
            kind = _BY_STATUS.get(status, UnderstudyError)
            raise kind(str(answer.get("text", f"status {status}")), str(answer.get("hint", "")))
        return answer


def who_may(root: str = "/") -> str:
    """How to be let in, by what may be known without being let in: the files that this machine has. ``root``: of these."""
    from ..adapters import own_unit

    if own_unit.speaks_old(root):
        return "use sudo; or as root: adduser YOU haclient to ask, `apiauth understudy uid=YOU` in ha.cf to command"
    return "use sudo, or join the cluster's admin_group"


def _nobody(path: str, absent: bool) -> NotRunning:
    """Why nobody answers at the socket, by the locks of those who should (``adapters.lockfile``)."""
    directory = os.path.dirname(path)
    text = f"no daemon answers at {path}" if absent else f"nobody listens at {path} now"
    lock = os.path.join(directory, "supervisor.lock")
    from ..adapters import lockfile, own_unit

    unit = own_unit.own_unit(directory)
    if not os.path.exists(lock):
        return NotRunning(
            text, f'is it started ("understudy run", or "systemctl start {unit}")? another --runtime-dir?'
        )
    if not os.access(lock, os.R_OK | os.W_OK):
        return NotRunning(text, f"ask as root whether the daemon runs: systemctl status {unit}")

    if lockfile.holder(lock):
        return NotRunning(text, "its manager is not ready: the supervisor starts a new one within a second or so")
    if lockfile.holder(os.path.join(directory, "pulse.lock")):
        rest = "the pulse runs on without it, and so may programs"
    elif os.path.exists(os.path.join(directory, "at_rest")):
        return NotRunning(text, f"the daemon was stopped, and nothing of its groups runs here: systemctl start {unit}")
    else:
        rest = "programs may still run"
    return NotRunning(f"{text}; the supervisor does not run: {rest}", f"look with: systemctl status {unit}")
