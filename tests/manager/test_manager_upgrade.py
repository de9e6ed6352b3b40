"""An upgrade as the managers of a pair do it: both here, joined by their questions; the pulses and the links are pretended."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_manager_old_pair import copied

from understudy.adapters import running, upgrading
from understudy.config.heartbeat_copy import cluster_of, write_copy
from understudy.config.keys import format_keys
from understudy.config.load import load
from understudy.errors import Refused, TimedOut, UnderstudyError
from understudy.heartbeat_files import OldStonith
from understudy.manager.upgrade import FOLLOW, GO, GO_OVER, KEEP, Upgrades
from understudy.manager.upgrade_lead import Leader
from understudy.manager.upgrade_plan import VARIABLE, obstacles, plan
from understudy.units import MILLISECOND
from understudy.wire.native import key_name

A, B = "ha01", "ha02"
CF = "node ha01 ha02\nbcast eth0\nauto_failback on\n"
RESOURCES = "ha01 192.0.2.1/24/eth0\nha02 192.0.2.2/24/eth0\n"
KEYS = "auth 1\n1 sha1 secret\n"


class Here(Upgrades):
    """Without a network: addresses are made up, and every link lets everything through."""

    silent: tuple[str, ...] = ()

    async def facts(self, by: str) -> dict[str, Any]:
        found = await super().facts(by)
        found["obstacles"] = [item for item in found["obstacles"] if "no network of ha.cf" not in item[0]]
        return {**found, "addresses": [f"10.0.0.{1 if self._manager.me == A else 2}"]}

    async def test(self) -> list[str]:
        assert self.plan is not None
        networks = {link.network for link in self.plan.cluster.member(self._manager.me).links}
        return sorted(networks - set(self.silent))

    async def _listen(self) -> None:
        pass


@dataclass
class Side:
    """One node. ``refuses``: what its core has against it."""

    name: str
    place: Path
    config: Path
    refuses: str = ""
    went: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    pulse: Callable[[], None] = lambda: None
    """What its pulse does when it is to go over."""
    upgrades: Here = field(init=False)
    manager: Any = field(init=False)

    def write(self, cf: str = CF, resources: str = RESOURCES, keys: str = KEYS) -> None:
        folder = self.place / "ha.d"
        folder.mkdir(exist_ok=True)
        for name, text in (("ha.cf", cf), ("haresources", resources), ("authkeys", keys)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        copy = copied(folder)
        running.keep(str(self.place), write_copy(copy), "", str(folder))
        self.manager.cluster = cluster_of(copy, str(folder))


class Pair:
    def __init__(self, place: Path, environment: Callable[[str, str], None]) -> None:
        self.sides = {name: self._side(name, place / name) for name in (A, B)}
        self.environment = environment
        self.dead = False
        self.lost: set[str] = set()
        self.leader = Leader(self.sides[A].manager, self.sides[A].upgrades)
        for side in self.sides.values():
            side.write()

    def _side(self, name: str, place: Path) -> Side:
        place.mkdir()
        side = Side(name, place, place / "etc" / "cluster.toml")

        async def core(packet: dict[str, Any], *_rest: object) -> dict[str, Any]:
            side.asked.append(packet["verb"])
            if packet["verb"] in (GO_OVER, FOLLOW) and not side.refuses:
                side.went.append(packet["verb"])
                side.pulse()
            return {"ok": not side.refuses, "text": side.refuses}

        side.manager = SimpleNamespace(
            me=name,
            link=SimpleNamespace(ask=core),
            next_number=lambda: 1,
            say=lambda _level, text: side.said.append(text),
            background=asyncio.ensure_future,
            peers=SimpleNamespace(ask=self.ask),
            cluster=None,
        )
        side.upgrades = Here(side.manager, str(place), str(place))
        return side

    async def ask(self, member: str, topic: str, text: str, _patience: int = 0) -> str:
        if self.dead or topic in self.lost:
            raise TimedOut(f"{member} does not answer")
        side = self.sides[member]
        self.environment(VARIABLE, str(side.config))
        try:
            answer = await side.upgrades._answered(topic, json.loads(text))
        except UnderstudyError as error:
            raise Refused(f"{member}: {error}") from None
        finally:
            self.environment(VARIABLE, str(self.sides[A].config))
        if topic == GO:
            side.went.append(topic)
        return json.dumps(answer)

    def report(self) -> dict[str, Any]:
        return asyncio.run(self.leader.report("anna"))

    def blamed(self) -> str:
        found = self.report()
        assert not found["ok"]
        assert found["steps"] == []
        return "\n".join(f"{item['node']}: {item['text']} ({item['hint']})" for item in found["obstacles"])


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    made = Pair(tmp_path, monkeypatch.setenv)
    monkeypatch.setenv(VARIABLE, str(made.sides[A].config))
    return made


def test_a_rehearsal_agrees_on_a_key_and_writes_nothing(pair: Pair) -> None:
    found = pair.report()
    assert found["obstacles"] == []
    assert (found["ok"], len(found["steps"])) == (True, 5)
    a, b = (side.upgrades for side in pair.sides.values())
    assert a.key == b.key
    assert len(a.key) == 32
    assert a.plan is not None
    assert b.plan is not None
    assert a.plan.cluster.digest == b.plan.cluster.digest
    for side in pair.sides.values():
        assert not side.config.exists()
        assert upgrading.read_record(str(side.place)) is None
        assert side.went == []
    first = a.key
    pair.report()
    assert a.key != first, "each rehearsal has its own"


def test_what_is_prepared_can_be_run(pair: Pair) -> None:
    pair.report()
    side = pair.sides[A]
    made = side.upgrades.plan
    assert made is not None

    async def prepare() -> None:
        await side.upgrades.keep(made.cluster.digest, key_name(side.upgrades.key))

    asyncio.run(prepare())
    assert load(str(side.config)).digest == made.cluster.digest
    assert (side.config.parent / "cluster.key").stat().st_mode & 0o777 == 0o600
    record = upgrading.read_record(str(side.place))
    assert record is not None
    assert (record.state, record.folder, record.config) == ("prepared", str(side.place / "ha.d"), str(side.config))
    upgrading.go_over(str(side.place))
    native = load(running.configuration(str(side.place)))
    assert (native.digest, native.heartbeat3) == (made.cluster.digest, False)
    asyncio.run(side.upgrades.drop())
    assert not side.config.exists()
    assert not (side.config.parent / "cluster.key").exists()
    assert upgrading.read_record(str(side.place)) is None


def test_each_obstacle_is_named_with_its_node_and_a_remedy(pair: Pair) -> None:
    pair.sides[B].refuses = "another hand-over is under way"
    assert "ha02: another hand-over is under way (" in pair.blamed()
    pair.sides[B].refuses = ""
    pair.sides[B].write(resources=RESOURCES.replace("192.0.2.2/24/eth0", "192.0.2.2/24/eth1"))
    text = pair.blamed()
    assert "different are: the group 192.0.2.2 (make ha.cf and haresources the same" in text
    pair.sides[B].write(cf=CF + "deadtime 20\n")
    assert "different are: times, quorum and ping targets" in pair.blamed()
    pair.sides[B].write()
    (pair.sides[B].place / "ha.d" / "ha.cf").write_text(CF + "keepalive 1\n")
    assert "differs from what this node runs with" in pair.blamed()
    pair.sides[B].write()
    pair.sides[B].upgrades.silent = ("net1",)
    assert "ha02: nothing of ha01 arrives over net1 at UDP port 5694 (let it through" in pair.blamed()
    pair.sides[B].upgrades.silent = ()
    pair.sides[B].config.parent.mkdir()
    pair.sides[B].config.write_text("# another cluster\n")
    assert "exists, and is not the native form of what runs here" in pair.blamed()
    pair.sides[B].config.unlink()
    assert pair.report()["ok"]
    pair.dead = True
    assert "ha02: it does not answer over the old protocol" in pair.blamed()


def test_crc_proves_nothing_but_a_key_that_was_copied_will_do(pair: Pair) -> None:
    for side in pair.sides.values():
        side.write(keys="auth 2\n1 crc\n2 sha1 secret\n")
    assert "key 1 of authkeys is crc, which anybody can sign with" in pair.blamed()
    key = format_keys((os.urandom(32),))
    for count, side in enumerate(pair.sides.values()):
        side.config.parent.mkdir()
        path = side.config.parent / "cluster.key"
        path.write_text(key)
        path.chmod(0o600)
        assert pair.report()["ok"] is (count == 1)
    path.write_text(format_keys((os.urandom(32),)))
    assert "cluster.key is not the same on both nodes" in pair.blamed()


@pytest.mark.parametrize("lost", [KEEP, GO])
def test_when_the_other_does_not_answer_nothing_is_changed(pair: Pair, lost: str) -> None:
    pair.lost = {lost}
    with pytest.raises(Refused, match="nothing is changed"):
        asyncio.run(pair.leader.go("anna"))
    for side in pair.sides.values():
        assert side.went == []
        assert not side.config.exists()
        assert upgrading.read_record(str(side.place)) is None


def test_when_the_other_refuses_in_the_last_moment_nothing_is_changed(pair: Pair) -> None:
    asked = pair.ask

    async def ask(member: str, topic: str, text: str, patience: int = 0) -> str:
        if topic == GO:
            pair.sides[B].refuses = "ha02 stops"
        return await asked(member, topic, text, patience)

    pair.sides[A].manager.peers.ask = ask
    with pytest.raises(Refused, match="ha02 stops; nothing is changed"):
        asyncio.run(pair.leader.go("anna"))
    assert [side.went for side in pair.sides.values()] == [[], []]
    assert upgrading.read_record(str(pair.sides[A].place)) is None


def test_another_form_than_was_rehearsed_is_not_written(pair: Pair) -> None:
    pair.report()
    with pytest.raises(Refused, match="another upgrade"):
        asyncio.run(pair.sides[B].upgrades.keep("0" * 16, "00000000"))
    assert not pair.sides[B].config.exists()


def test_what_one_node_has_against_it(pair: Pair, tmp_path: Path) -> None:
    copy = copied(pair.sides[A].place / "ha.d")
    files = replace(
        copy.files, stonith=(OldStonith("ha01", "null", ()),), watchdog="/dev/watchdog", deadtime=300 * MILLISECOND
    )
    (pair.sides[A].place / "standby").touch()
    found = obstacles(replace(copy, files=files), str(pair.sides[A].place), str(pair.sides[A].place))
    text = "\n".join(item[0] for item in found)
    for word in ("STONITH", "watchdog", "deadtime is 300ms", "standby is left from", "no network of ha.cf"):
        assert word in text
    assert all(hint for _, hint in found)


def test_a_name_that_is_none_natively_would_lose_the_leases(pair: Pair) -> None:
    side = pair.sides[A]
    side.write(cf=CF + "cluster my_cluster!\n")
    _, found = plan(copied(side.place / "ha.d"), {A: ("10.0.0.1",), B: ("10.0.0.2",)})
    assert any("'my_cluster!' cannot be used natively" in text for text, _ in found)


def test_the_answer_may_be_lost_when_the_other_is_heard_natively_instead(pair: Pair) -> None:
    """Then this node follows already, and what was prepared stays."""
    pair.lost = {GO}
    here = pair.sides[A].upgrades
    asked = pair.ask

    async def ask(member: str, topic: str, text: str, patience: int = 0) -> str:
        if topic == GO:
            here._going = asyncio.ensure_future(gone())
        return await asked(member, topic, text, patience)

    async def gone() -> tuple[bool, str]:
        return True, "gone"

    pair.sides[A].manager.peers.ask = ask
    told = asyncio.run(pair.leader.go("anna"))
    assert told["ok"]
    assert "both nodes speak the native protocol" in told["text"]
    assert upgrading.read_record(str(pair.sides[A].place)) is not None
