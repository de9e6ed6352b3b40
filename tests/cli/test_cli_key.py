"""``understudy key`` against a manager whose pulse and peers are pretended: what is shown, what is refused, exit codes."""

from __future__ import annotations

import json
import secrets
from typing import Any

from manager_helpers import FakePulse, RunningManager
from test_cli_commands import understudy

from understudy.adapters import running
from understudy.wire.native import key_name


def with_keys(pulse: FakePulse, manager: RunningManager, others: dict[str, list[str]]) -> list[str]:
    """A node with one key; ``others`` say theirs, or nothing. Returns the name of the key."""
    key = secrets.token_bytes(32)
    running.keep_keys(str(manager.runtime_dir), key.hex() + "\n")
    names = [key_name(key)]

    def answers(packet: dict[str, Any]) -> dict[str, Any] | None:
        if packet["t"] == "keys":
            return {"t": "keys", "id": packet["id"], "ok": True, "text": "", "names": names}
        if packet["t"] == "inquire" and packet["to"] in others:
            said = json.dumps({"keys": others[packet["to"]] or names, "waiting": False})
            return {"t": "page", "from": packet["to"], "id": packet["id"], "ok": True, "text": said}
        return None

    pulse.answers = answers
    return names


def test_show(pulse: FakePulse, manager: RunningManager) -> None:
    (name,) = with_keys(pulse, manager, {"b": [], "w": []})
    done = understudy(manager, "key", "show")
    assert (done.returncode, done.stdout) == (0, f"a: uses {name}\nb: uses {name}\nw: uses {name}\n")
    found = json.loads(understudy(manager, "key", "show", "--json").stdout)
    assert (found["ok"], found["next"]) == (True, "")


def test_a_member_that_says_nothing_is_in_the_way(pulse: FakePulse, manager: RunningManager) -> None:
    with_keys(pulse, manager, {"b": []})
    done = understudy(manager, "key", "show")
    assert done.returncode == 1
    assert "w does not answer" in done.stdout
    done = understudy(manager, "key", "rotate")
    assert (done.returncode, done.stdout) == (4, "")
    assert "w does not answer" in done.stderr
    assert "--without" in done.stderr


def test_what_cannot_be_a_rotation_is_refused(pulse: FakePulse, manager: RunningManager) -> None:
    (name,) = with_keys(pulse, manager, {"b": [], "w": ["0123abcd"]})
    done = understudy(manager, "key", "rotate")
    assert done.returncode == 4
    assert "the members seal with different keys" in done.stderr
    assert f"b uses {name}" in done.stderr
    done = understudy(manager, "key", "abandon")
    assert (done.returncode, "no new key is waiting" in done.stderr) == (4, True)
    done = understudy(manager, "key", "rotate", "--without", "nobody")
    assert (done.returncode, "there is no member 'nobody'" in done.stderr) == (2, True)
    assert understudy(manager, "key", "show", "--step").returncode == 2
    assert understudy(manager, "key", "show", "--without", "b").returncode == 2


def test_the_node_that_is_asked_cannot_be_left_out(pulse: FakePulse, manager: RunningManager) -> None:
    with_keys(pulse, manager, {"b": [], "w": []})
    done = understudy(manager, "key", "rotate", "--without", "a")
    assert (done.returncode, done.stdout) == (4, "")
    assert "a is the node that you ask; it cannot be left out" in done.stderr
