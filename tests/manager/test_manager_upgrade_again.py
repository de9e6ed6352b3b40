"""An upgrade that is interrupted, asked for twice or given up: what each node still does, and what it says."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_manager_upgrade import CF, RESOURCES, A, B, Here, Pair, Side

from understudy.adapters import running, upgrading
from understudy.config.load import load
from understudy.errors import Refused, TimedOut
from understudy.manager.upgrade import DROP, FOLLOW, KEY, Upgrades
from understudy.manager.upgrade_plan import VARIABLE, Plan, scripts_in
from understudy.model import ResourceDResource
from understudy.wire.native import key_name
from understudy.wire.parcel import PRIVATE, public


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    made = Pair(tmp_path, monkeypatch.setenv)
    monkeypatch.setenv(VARIABLE, str(made.sides[A].config))
    return made


async def prepared(pair: Pair, name: str = B) -> Side:
    """That node has kept what a rehearsal brought."""
    found = await pair.leader._rehearse("anna")
    side = pair.sides[name]
    pair.environment(VARIABLE, str(side.config))
    await side.upgrades.keep(found.digest, found.key)
    return side


def trial(side: Side, heard: bool) -> Callable[[], None]:
    def over() -> None:
        upgrading.go_over(str(side.place))
        if heard:
            upgrading.end_trial(str(side.place))
        else:
            upgrading.go_back(str(side.place))

    return over


def test_a_node_that_hears_the_other_natively_tries_again_until_it_may_follow(pair: Pair) -> None:
    """It asks for nothing that only a living other node of the old protocol could give."""

    async def follow() -> None:
        side = await prepared(pair)
        upgrades = side.upgrades
        side.asked.clear()
        side.refuses = "db is not started here, but starting"
        for _ in range(3):
            upgrades._follow()
            upgrades._follow()
            while upgrades._try_at == inf:
                await asyncio.sleep(0)
            assert upgrades._try_at - time.monotonic() < 5, "in a few seconds"
            upgrades._follow()
            assert upgrades._try_at != inf, "not at once"
            upgrades._try_at = 0.0
        assert side.asked == [FOLLOW] * 3
        said = [text for text in side.said if "db is not started" in text]
        assert len(said) == 1, side.said
        text = "ha01 speaks the native protocol already, but ha02 does not go over: db is not started here"
        assert text in upgrades.warnings()[0]
        side.refuses, side.pulse = "", trial(side, heard=True)
        upgrades._follow()
        while upgrades._try_at == inf:
            await asyncio.sleep(0.01)
        assert (side.went, upgrades.warnings()) == ([FOLLOW], [])
        assert load(running.configuration(str(side.place))).heartbeat3 is False

    asyncio.run(follow())


def test_after_trials_that_failed_it_waits_longer_and_the_status_still_names_the_upgrade(pair: Pair) -> None:
    async def follow() -> None:
        side = await prepared(pair)
        upgrades = side.upgrades
        side.pulse = trial(side, heard=False)
        pauses = []
        for _ in range(2):
            upgrading.forget_old(str(side.place))
            upgrades._try_at = 0.0
            upgrades._follow()
            while upgrades._try_at == inf:
                await asyncio.sleep(0.01)
            pauses.append(upgrades._try_at - time.monotonic())
        assert pauses[1] > pauses[0] + 1
        upgrades._wires = SimpleNamespace(close=lambda: None)  # type: ignore[assignment]
        texts = " ".join(upgrades.warnings())
        assert "went back to the old one" in texts
        assert "was prepared and is not done" in texts

    asyncio.run(follow())


def test_a_full_disk_is_tried_again_until_it_is_on_record(pair: Pair) -> None:
    async def go() -> None:
        side = await prepared(pair)
        side.upgrades.record_again = 0.01
        trial(side, heard=True)()
        side.manager.cluster = load(running.configuration(str(side.place)))
        blocked = side.place / "last.toml.new"
        blocked.mkdir()
        side.upgrades.connected()
        for _ in range(200):
            await asyncio.sleep(0.005)
            if side.said:
                break
        blocked.rmdir()
        watching = side.upgrades._watching
        assert watching is not None
        async with asyncio.timeout(5):
            await watching
        told = [text for text in side.said if "cannot write" in text]
        assert len(told) == 1, side.said

    asyncio.run(go())


def test_the_outcome_of_an_attempt_is_not_that_of_the_one_before(pair: Pair) -> None:
    async def go() -> None:
        side = await prepared(pair)
        trial(side, heard=False)()
        going = asyncio.ensure_future(side.upgrades.over("anna"))
        while not side.went:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert not going.done(), "its pulse has not even left its loop"
        trial(side, heard=True)()
        assert (await going)[0]

    asyncio.run(go())


def test_it_does_not_follow_with_files_that_were_changed_since(pair: Pair) -> None:
    async def go() -> None:
        side = await prepared(pair)
        side.write(resources=RESOURCES.replace("192.0.2.2", "192.0.2.3"))
        ok, text = await side.upgrades.over("ha01", FOLLOW)
        assert (ok, side.went) == (False, [])
        assert "says something else than" in text

    asyncio.run(go())


def test_the_port_is_free_when_the_pulse_goes_over(pair: Pair) -> None:
    """Also when the links are just being tried, and the node listens as one that is prepared does."""
    addresses = {A: ["127.0.5.1"], B: ["127.0.5.2"]}

    async def go() -> None:
        side = pair.sides[B]
        pair.environment(VARIABLE, str(side.config))
        upgrades = Upgrades(side.manager, str(side.place), str(side.place))
        await upgrades.draft(addresses)
        assert upgrades.plan is not None
        upgrades.key = bytes(range(32))
        port = upgrades.plan.cluster.member(B).links[0].port
        await upgrades.keep(upgrades.plan.cluster.digest, key_name(upgrades.key))
        free: list[bool] = []

        def over() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
                try:
                    found.bind(("127.0.5.2", port))
                    free.append(True)
                except OSError:
                    free.append(False)
            trial(side, heard=False)()

        side.pulse = over
        testing = asyncio.ensure_future(upgrades.test())
        await asyncio.sleep(0.1)
        assert not testing.done()
        going = asyncio.ensure_future(upgrades.over("anna"))
        while not upgrades._away:
            await asyncio.sleep(0)
        with pytest.raises(Refused, match="goes over just now"):
            await upgrades.test()
        assert (await going)[0] is False
        assert (free, await testing) == ([True], [])
        assert upgrades._wires is not None, "and it listens again"
        await upgrades.drop()

    asyncio.run(go())


def test_who_can_sign_with_crc_gets_no_key(pair: Pair) -> None:
    """Not even from a node that is only asked: whoever leads may be anybody."""
    for side in pair.sides.values():
        side.write(keys="auth 1\n1 crc\n")
    with pytest.raises(Refused, match="gives no key to anybody: key 1 of authkeys is crc"):
        asyncio.run(pair.ask(B, KEY, json.dumps({"public": public(os.urandom(PRIVATE)).hex()})))
    assert pair.sides[B].upgrades.key == b""


class Slow(Here):
    """Its disk takes a moment."""

    writes = 0

    def _write(self, made: Plan) -> None:
        self.writes += 1
        time.sleep(0.05)
        super()._write(made)


def test_what_is_kept_is_kept_once_however_often_it_is_asked(pair: Pair) -> None:
    """Its answer was lost, or comes too late because the disk is slow; and who gives up then finds nothing left."""

    async def keep() -> None:
        found = await pair.leader._rehearse("anna")
        side = pair.sides[B]
        made = side.upgrades
        slow = Slow(side.manager, str(side.place), str(side.place))
        slow.plan, slow.key = made.plan, made.key
        pair.environment(VARIABLE, str(side.config))
        await asyncio.gather(*(slow.keep(found.digest, found.key) for _ in range(3)))
        await slow.keep(found.digest, found.key)
        assert slow.writes == 1
        record = upgrading.read_record(str(side.place))
        assert (record is not None, upgrading.is_prepared(str(side.place)), side.config.exists()) == (True, True, True)
        slow.key = bytes(32)
        with pytest.raises(Refused, match="prepared another upgrade"):
            await slow.keep(found.digest, found.key)
        assert side.config.exists()
        slow.key = made.key
        await slow.drop()
        await asyncio.gather(slow.keep(found.digest, found.key), slow.drop())
        assert not side.config.exists()
        assert not (side.config.parent / "cluster.key").exists()
        assert upgrading.read_record(str(side.place)) is None

    asyncio.run(keep())


def test_an_upgrade_that_went_back_can_be_asked_for_again(pair: Pair) -> None:
    """Everything is kept already; but that the other node was heard natively once says nothing of this attempt."""

    async def again() -> None:
        side = await prepared(pair)
        side.pulse = trial(side, heard=False)
        assert not (await side.upgrades.over("anna"))[0]
        assert side.upgrades.follows
        assert side.upgrades.plan is not None
        await side.upgrades.keep(side.upgrades.plan.cluster.digest, key_name(side.upgrades.key))
        assert not side.upgrades.follows

    asyncio.run(again())


def test_who_gives_up_is_told_when_the_other_was_not_reached(pair: Pair) -> None:
    async def give_up() -> None:
        side = await prepared(pair, A)
        pair.lost = {DROP}
        with pytest.raises(TimedOut, match="nothing is prepared any more on ha01, but ha02 was not reached"):
            await pair.leader.abandon()
        assert upgrading.read_record(str(side.place)) is None
        pair.lost = set()
        assert (await pair.leader.abandon())["text"] == "nothing is prepared any more"

    asyncio.run(give_up())


def test_what_of_the_old_files_is_still_needed_and_who_loses_what_is_named(pair: Pair) -> None:
    side = pair.sides[A]
    script = side.place / "ha.d" / "resource.d" / "db"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    for item in pair.sides.values():
        item.write(cf=CF + "apiauth anon uid=root\n")
    (side.place / "ha.d" / "home").mkdir()
    os.mkfifo(side.place / "ha.d" / "home" / "fifo")
    text = "\n".join(pair.report()["notes"])
    cluster = pair.sides[A].manager.cluster
    parts = (ResourceDResource("db", str(script)), ResourceDResource("other", "/bin/true"))
    native = replace(cluster, groups=(replace(cluster.groups[0], resources=parts),))
    assert scripts_in(str(side.place / "ha.d"), native) == [str(script)]
    assert "home/fifo: nobody reads it any more" in text
    assert "only root may ask this daemon then, and those of apiauth no longer" in text


def test_what_is_not_there_is_not_named(pair: Pair) -> None:
    text = "\n".join(pair.report()["notes"])
    assert "still calls" not in text
    assert "nobody reads it" not in text
