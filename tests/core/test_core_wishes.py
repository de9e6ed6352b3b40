"""The register of wishes: which entry stands, how long a maintenance lasts, and what the disk makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce

from core_parts import BEAT, START, Core, cluster, group, holding, notes, of, settled
from hypothesis import given
from hypothesis import strategies as st

from understudy.core import saved_wishes, wishes
from understudy.core.wishes import Wishes, newer, rank
from understudy.effects import Effect, Reply, SaveWishes
from understudy.events import AdminRequest, ManagerChanged
from understudy.messages import Bid, BidAnswer, Release, Wish, WishKind
from understudy.units import NEVER, SECOND

WALL = 1_700_000_000_000
HOUR = 3600 * SECOND

# Few numbers and texts, so that the same ones meet.
some = st.builds(
    Wish,
    st.sampled_from(("", "site", "mail", "not ours")),
    st.integers(0, 3),
    st.sampled_from(WishKind),
    st.sampled_from(("", "anna", "berta")),
    st.sampled_from(("", "new", "new disks")),
    st.integers(0, 2),
    st.sampled_from((0, HOUR)),
    st.just(0),
    st.booleans(),
)


def of_one_group(count: int) -> st.SearchStrategy[tuple[Wish, ...]]:
    return st.tuples(*(some.map(lambda wish: replace(wish, group="site")) for _ in range(count)))


@given(of_one_group(3))
def test_which_entry_stands_depends_on_no_order(three: tuple[Wish, Wish, Wish]) -> None:
    one, two, three_ = three
    assert rank(newer(one, two)) == rank(newer(two, one))
    assert rank(newer(newer(one, two), three_)) == rank(newer(one, newer(two, three_)))
    assert newer(one, one) is one


@given(st.lists(some, max_size=8), st.randoms(use_true_random=False))
def test_members_that_heard_the_same_know_the_same(said: list[Wish], random: object) -> None:
    mixed = [*said, *said]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = Wishes(0, ("site", "mail")), Wishes(1, ("site", "mail"))
    one.hear(said, START)
    for wish in mixed:
        other.hear((wish,), START)
    assert [rank(wish) for wish in one.said(START)] == [rank(wish) for wish in other.said(START)]
    assert "not ours" not in one.entries
    assert one.hear(other.said(START), START) == [], "nothing is news twice"


@given(st.lists(some, min_size=1, max_size=6))
def test_who_asks_knowing_everything_is_obeyed(said: list[Wish]) -> None:
    register = Wishes(7, ("site", "mail"))
    register.hear(said, START)
    asked = register.ask("site", WishKind.STOPPED, "anna", "", 0, WALL, START)
    assert reduce(newer, [asked, *(wish for wish in said if wish.group == "site")], None) is asked
    assert register.stopped("site") is asked


def test_texts_are_bounded_and_stay_on_one_line() -> None:
    register = Wishes(0, ("site",))
    asked = register.ask("site", WishKind.STOPPED, "anna" * 99, "é" * 99 + "\nmore", 0, WALL, START)
    assert len(asked.by.encode()) == wishes.LONGEST_BY
    assert asked.reason == "é" * (wishes.LONGEST_REASON // 2)
    assert wishes.shortened("a\nb\tc\x1b[31m", 99) == "a b c [31m"


def test_a_text_that_was_cut_on_its_way_gives_way_to_the_whole_one_and_is_no_news() -> None:
    register, whole = Wishes(0, ("site",)), Wish("site", 256, WishKind.STOPPED, "anna", "new disks", WALL)
    assert register.hear((replace(whole, reason="new"),), START)
    assert not register.hear((whole,), START)
    assert register.stopped("site") == whole
    register.hear((replace(whole, reason=""),), START)
    assert register.stopped("site") == whole


# Time


def maintenance(left: int = HOUR, sure: bool = True) -> Wish:
    return Wish("site", 256, WishKind.MAINTENANCE, "anna", "", WALL, HOUR, left, sure)


def test_a_maintenance_ends_by_this_members_clock_and_only_on_time() -> None:
    register = Wishes(0, ("site", "mail"))
    register.hear((maintenance(10 * SECOND),), START)
    assert register.next_deadline() == START + 10 * SECOND
    assert register.said(START + 3 * SECOND)[0].left == 7 * SECOND
    assert register.expire(START + 10 * SECOND - 1) == []
    assert register.maintained("site") is not None
    assert [wish.group for wish in register.expire(START + 10 * SECOND)] == ["site"]
    assert register.maintained("site") is None
    assert register.next_deadline() == NEVER
    assert register.said(START + 60 * SECOND)[0].left == 0, "others may learn that it is over"
    register.hear((maintenance(10 * SECOND),), START + 11 * SECOND)
    assert register.maintained("site") is None, "an old word does not bring it back"


def test_what_was_guessed_from_a_wall_clock_gives_way_to_what_is_sure_and_to_nothing_else() -> None:
    register = Wishes(0, ("site",))
    register.start((maintenance(0, sure=False),), START)
    assert register.maintained("site") is None
    register.hear((maintenance(HOUR // 2, sure=False),), START)
    assert register.maintained("site") is None
    register.hear((maintenance(HOUR // 2),), START)
    assert register.maintained("site") is not None
    assert register.next_deadline() == START + HOUR // 2
    register.hear((maintenance(1, sure=False),), START)
    assert register.next_deadline() == START + HOUR // 2


def test_a_maintenance_for_all_is_one_for_each_but_not_for_what_is_stopped() -> None:
    register = Wishes(0, ("site", "mail"))
    register.ask("", WishKind.MAINTENANCE, "anna", "", 0, WALL, START)
    register.ask("mail", WishKind.STOPPED, "berta", "", 0, WALL, START)
    assert register.maintained("site") is register.entries[""]
    assert register.maintained("mail") is None
    assert register.next_deadline() == NEVER, "it has no end"


# The disk


@given(st.lists(some, max_size=4), st.integers(0, 2 * HOUR // 1_000_000))
def test_the_disk_gives_back_what_it_got(said: list[Wish], later: int) -> None:
    kept = [replace(wish, left=wish.span) for wish in said]
    found = saved_wishes.read(saved_wishes.written(kept, WALL), WALL + later)
    assert [rank(wish) for wish in found] == [rank(wish) for wish in kept]
    for wish in found:
        assert not wish.sure
        assert wish.left == max(0, wish.span - later * 1_000_000)


@given(
    st.text()
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda tree: json.dumps({"wishes": tree}))
)
def test_whatever_stands_in_the_file_a_machine_starts(text: str) -> None:
    assert isinstance(saved_wishes.read(text, WALL), tuple)


def test_a_clock_set_back_does_not_make_a_maintenance_longer_than_it_was() -> None:
    text = saved_wishes.written((maintenance(),), WALL)
    assert saved_wishes.read(text, WALL - 10**9)[0].left == HOUR


def test_an_entry_that_is_damaged_is_left_out() -> None:
    tree = json.loads(saved_wishes.written((maintenance(), replace(maintenance(), group="mail")), WALL))
    tree["wishes"][0]["number"] = "many"
    assert [wish.group for wish in saved_wishes.read(json.dumps(tree), WALL)] == ["mail"]


# What a node does with it


def stop(core: Core, verb: str = "stop", name: str = "site", reason: str = "new disks") -> list[Effect]:
    return core.tell(AdminRequest(7, verb, name, "", "anna", reason, WALL))


def reply(effects: list[Effect]) -> Reply:
    (found,) = of(Reply, effects)
    return found


def sent(core: Core, kind: type) -> list[object]:
    return [
        effect.message for effect in core.effects if hasattr(effect, "message") and isinstance(effect.message, kind)
    ]


SENTENCE = "stopped by anna at ha01, 2023-11-14 22:13 UTC: new disks"


def test_what_we_hold_is_stopped_released_and_not_taken_again() -> None:
    core = holding()
    core.effects.clear()
    found = stop(core)
    assert reply(found).ok
    assert of(SaveWishes, found)[0].wishes == core.node.wishes.said(core.now)
    assert f"leaves ha01 for nowhere: {SENTENCE}" in notes(found)
    core.finish_all(found)
    (release,) = sent(core, Release)
    assert isinstance(release, Release)
    assert (release.successor, release.stopped) == (None, True)
    core.pass_time(5 * SECOND, "ha02", "arbiter")
    assert not sent(core, Bid)
    shown = core.node.snapshot(core.now)
    assert (shown.groups[0].state, shown.groups[0].holder, shown.groups[0].why) == ("stopped", None, SENTENCE)
    assert shown.groups[0].not_on == {"ha01": SENTENCE, "ha02": SENTENCE}
    (wish,) = shown.wishes
    assert (wish.group, wish.kind, wish.by, wish.said_ms, wish.reason) == (
        "site",
        "stopped",
        "anna at ha01",
        WALL,
        "new disks",
    )
    assert wish.unknown_to == ("arbiter", "ha02"), "they have not said it themselves yet"


def test_a_new_manager_is_told_the_register_once() -> None:
    core = holding()
    stop(core)
    core.tell(ManagerChanged(False))
    (saved,) = of(SaveWishes, core.tell(ManagerChanged(True)))
    assert saved.wishes == core.node.wishes.said(core.now)


def test_started_again_it_is_taken_at_once() -> None:
    core = holding()
    core.finish_all(stop(core))
    core.pass_time(3 * SECOND, "ha02", "arbiter")
    core.effects.clear()
    found = stop(core, "start")
    assert reply(found).text == "site may run again"
    assert sent(core, Bid)


def test_a_wish_is_learned_from_any_member_and_kept() -> None:
    core = holding()
    wish = Wish("site", 256, WishKind.STOPPED, "berta at arbiter", "", WALL)
    core.words["arbiter"] = {"groups": (), "wishes": (wish,)}
    found = core.beat_of("arbiter")
    assert "learned from arbiter: stopped by berta at arbiter" in notes(found)
    assert of(SaveWishes, found)
    assert "leaves ha01 for nowhere" in notes(found)
    core.effects.clear()
    assert not of(SaveWishes, core.beat_of("arbiter"))
    assert not of(SaveWishes, core.tell(ManagerChanged(False)))
    assert of(SaveWishes, core.tell(ManagerChanged(True)))[0].wishes == (wish,), "a new manager is told"


def test_a_machine_that_was_away_learns_it_before_it_may_bid() -> None:
    core = Core(cluster(group("site")))
    core.words["ha02"] = {"wishes": (Wish("site", 256, WishKind.STOPPED, "anna", "", WALL),)}
    core.settle("ha02", "arbiter")
    core.pass_time(5 * SECOND, "ha02", "arbiter")
    assert not sent(core, Bid)


def test_a_machine_that_does_not_know_yet_gets_no_vote() -> None:
    core = settled()
    core.grant(core.last_bid())
    core.finish_all(stop(core))
    core.effects.clear()
    core.hear(Bid("ha02", 0xB0000 + sum(b"ha02"), "site", 1 << 50, core.now))
    (answer,) = sent(core, BidAnswer)
    assert isinstance(answer, BidAnswer)
    assert (answer.granted, answer.why) == (False, f"ha01: {SENTENCE}")


def test_a_node_that_has_just_started_takes_no_wish_because_it_may_not_know_the_newest() -> None:
    core = Core(cluster())
    core.start()
    found = reply(stop(core))
    assert not found.ok
    assert found.text.startswith("ha01 has just started and may not know yet what was asked before: ask again in ")


def test_what_stands_already_is_not_asked_again() -> None:
    core = settled()
    answer = reply(stop(core, "start"))
    assert not answer.ok, "nothing comes of it that one could wait for"
    assert answer.text.startswith("nobody has stopped site; it runs nowhere because")
    assert answer.text.endswith("understudy why site")
    assert not core.node.wishes.entries
    stop(core)
    again = stop(core, reason="another")
    assert reply(again).text == f"site is to run nowhere already: {SENTENCE}"
    assert not of(SaveWishes, again)


def test_a_group_that_there_is_not() -> None:
    core = settled()
    found = reply(stop(core, name="mail"))
    assert (found.ok, found.text) == (False, "there is no group mail (there is site)")


def test_a_wish_is_said_in_every_heartbeat() -> None:
    core = settled()
    stop(core)
    before = core.node.number
    core.pass_time(2 * BEAT, "ha02", "arbiter")
    beats = [
        effect.message for effect in core.effects if hasattr(effect, "message") and hasattr(effect.message, "state")
    ]
    assert all(beat.state.wishes for beat in beats if beat.state.number > before)
