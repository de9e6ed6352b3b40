"""Numbers of the old protocol: what counts, what is asked for again, what is acknowledged and what is sent again."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.core.heartbeat3.outbox import KEPT, Outbox
from understudy.core.heartbeat3.tracking import LATE_COPIES, MOST_MISSING, Standing, Track
from understudy.heartbeat3 import FieldKind, text_fields
from understudy.units import MILLISECOND, SECOND

LONGEST = 250 * MILLISECOND
UUID = bytes(range(16))


def track(known: int = 0, residue: int = 5) -> Track:
    return Track(known, residue, LONGEST, random.Random(1))


def told(one: Track, *numbers: int, generation: int = 7) -> list[Standing]:
    return [one.receive(number, generation, False, False, SECOND).standing for number in numbers]


def test_numbers_in_order_count_and_copies_only_show_that_their_medium_works() -> None:
    assert told(track(), 30, 30, 31, 30, 31) == [
        Standing.NEW,
        Standing.COPY,
        Standing.NEW,
        Standing.COPY,
        Standing.COPY,
    ]


def test_a_slow_medium_is_behind_by_some_messages_and_works_all_the_same() -> None:
    """A heartbeat takes 0.2 s on a serial line: by then the next one has come by the other medium."""
    one = track()
    told(one, *range(100, 161))
    assert told(one, 160 - LATE_COPIES + 1, 160 - LATE_COPIES) == [Standing.COPY, Standing.STALE]
    assert told(one, 161) == [Standing.NEW]


def test_what_fills_a_hole_counts_once() -> None:
    one = track()
    assert told(one, 1, 5, 3, 3) == [Standing.NEW, Standing.NEW, Standing.NEW, Standing.COPY]
    assert sorted(one.missing) == [2, 4]


def test_too_many_holes_are_given_up() -> None:
    one = track()
    told(one, 1, MOST_MISSING + 2)
    assert len(one.missing) == MOST_MISSING
    told(one, MOST_MISSING + 4)
    assert not one.missing


def test_a_generation_that_is_over_is_a_recording_and_a_higher_one_a_restart() -> None:
    one = track(known=7)
    assert one.receive(9, 6, False, False, 0).replay
    assert not one.unnumbered(6)
    assert one.unnumbered(7)
    assert not one.receive(9, 7, False, False, 0).restarted
    verdict = one.receive(1, 8, True, False, 0)
    assert verdict.restarted
    assert verdict.standing is Standing.NEW


def test_a_dead_node_returns_by_a_newer_status_only() -> None:
    one = track()
    one.receive(40, 7, True, False, 0)
    one.reset()
    assert one.receive(40, 7, True, True, 0).standing is Standing.STALE
    verdict = one.receive(47, 7, True, True, 0)
    assert verdict.returned
    assert verdict.skipped == 6
    assert not one.missing, "what was said in the meantime is not asked for"


def test_a_restarted_node_does_not_return_from_a_partition() -> None:
    one = track()
    one.receive(40, 7, True, False, 0)
    one.reset()
    verdict = one.receive(1, 8, True, True, 0)
    assert verdict.restarted
    assert not verdict.returned


def test_holes_are_asked_for_after_a_moment_and_again_until_filled_or_refused() -> None:
    one = track()
    told(one, 1, 4)
    assert one.requests(SECOND + 49 * MILLISECOND) == []
    assert sorted(one.requests(SECOND + LONGEST)) == [2, 3]
    assert one.requests(SECOND + LONGEST) == []
    told(one, 2)
    assert one.refused(3)
    assert not one.refused(3)
    assert one.requests(10 * SECOND) == []


def test_every_tenth_number_is_acknowledged_when_nothing_older_is_missing() -> None:
    one = track(residue=5)
    told(one, 11)
    assert one.to_acknowledge() is None
    told(one, 13, 14, 15, 16)
    assert one.to_acknowledge() is None
    told(one, 12)
    assert one.to_acknowledge() == 15
    assert one.to_acknowledge() is None
    told(one, *range(17, 47))
    assert one.to_acknowledge() == 45


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=120))
def test_no_number_counts_twice(numbers: list[int]) -> None:
    one = track()
    counted = [number for number in numbers if told(one, number) == [Standing.NEW]]
    assert len(counted) == len(set(counted))


def outbox() -> Outbox:
    return Outbox("node-a", UUID, 3, LONGEST)


def said(box: Outbox, count: int) -> None:
    for _ in range(count):
        box.finish(text_fields(t="status"), b"", 0)


def test_common_fields_stand_in_the_old_order() -> None:
    box = outbox()
    box.generation = 0x6B00BBA8
    box.told(0x6B00BBA8 * 1000, "1.06 1.19 0.75 1/140 27\n", 5 * SECOND)
    message = box.finish(text_fields(t="reqnodes", dest="node-b"), bytes(16), 5 * SECOND)
    names = [item.name for item in message.fields]
    assert names == ["t", "dest", "destuuid", "src", "srcuuid", "seq", "hg", "ts", "ld", "ttl"]
    assert (message.get("seq"), message.get("hg"), message.get("ts")) == ("1", "6b00bba8", "6b00bba8")
    assert message.get("ld") == "1.06 1.19 0.75 1/140 27"
    assert message.fields[2].kind is FieldKind.BINARY


def test_protocol_messages_have_neither_number_nor_load() -> None:
    message = outbox().finish(text_fields(t="NS_ackmsg", dest="node-b", ackseq="f"), b"", 0)
    assert [item.name for item in message.fields] == ["t", "dest", "ackseq", "src", "srcuuid", "hg", "ts", "ttl"]


def test_a_request_is_answered_with_the_same_message_but_not_twice_at_once() -> None:
    box = outbox()
    said(box, 20)
    kept = box.kept[7]
    assert box.asked("node-b", 7, 7, SECOND).messages == [kept]
    assert box.asked("node-b", 7, 7, SECOND + 239 * MILLISECOND).messages == []
    assert box.asked("node-b", 7, 7, SECOND + 240 * MILLISECOND).messages == [kept]


def test_requests_for_what_is_acknowledged_never_sent_or_gone() -> None:
    box = outbox()
    said(box, KEPT + 10)
    assert box.heard_by("node-b", 300)
    assert not box.heard_by("node-b", KEPT + 11)
    assert box.asked("node-b", 250, 300, 0).messages == []
    assert box.asked("node-b", 900, 900, 0).never == 900
    assert box.asked("node-c", 5, 5, 0).gone == [5]
    assert box.asked("node-c", 9, 3, 0).gone == []
    assert len(box.asked("node-c", 400, 2**62, 0).messages) == 50


def test_history_is_freed_when_every_live_node_has_it_and_senders_wait_when_too_much_is_under_way() -> None:
    box = outbox()
    box.forget("node-b")
    said(box, 251)
    assert box.congested(("node-b",))
    box.heard_by("node-b", 100)
    assert not box.congested(("node-b",))
    box.free(("node-b",))
    assert min(box.kept) == 101
    said(box, 400)
    box.forget("node-b")
    assert not box.congested(("node-b",)), "a node that began anew is owed nothing from before"
