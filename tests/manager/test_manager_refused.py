"""Refused datagrams: what grew within the last minute, and only that."""

from __future__ import annotations

import re

from understudy.core.links import Drop
from understudy.manager.refused import FEWEST, OLD_REMEDIES, REMEDIES, RefusedLately
from understudy.units import SECOND
from understudy.wire.heartbeat3_values import OldReason
from understudy.wire.reject import Reason


def grown(*samples: tuple[int, int], at: int) -> int:
    """What is said at second ``at`` about unknown keys, after ``samples`` of (second, count)."""
    refused = RefusedLately()
    for second, count in samples:
        refused.add({"unknown-key": count, "duplicate": 10 * count}, second * SECOND)
    warnings = refused.warnings(at * SECOND)
    assert len(warnings) <= 1
    return int(warnings[0].partition(" ")[0]) if warnings else 0


def test_growth() -> None:
    assert grown((0, 7), at=0) == 0, "before we looked"
    assert grown((0, 7), (5, 7), at=5) == 0
    assert grown((0, 7), (5, 9), at=5) == 2
    assert grown((0, 0), (30, 5), (60, 5), (89, 5), at=89) == 5
    assert grown((0, 0), (30, 5), (60, 5), (90, 5), at=91) == 0, "a minute later it is history"
    assert grown((0, 0), (30, 5), at=200) == 0, "also if nobody looked since"


def test_a_restarted_pulse_counts_from_nought() -> None:
    assert grown((0, 1000), (5, 1000), (10, 3), at=10) == 3


def test_a_screen_that_looks_all_the_time_loses_nothing() -> None:
    refused = RefusedLately()
    for number in range(100_000):
        refused.add({"unknown-key": number}, number * SECOND // 100)
    (warning,) = refused.warnings(1000 * SECOND)
    assert 5800 <= int(warning.partition(" ")[0]) <= 6100
    assert len(refused._samples) < 200


def test_every_reason_is_one_of_the_wire_and_names_a_remedy() -> None:
    assert set(REMEDIES) <= {reason.value for reason in (*Reason, *Drop)}
    refused = RefusedLately()
    refused.add({}, 0)
    refused.add({reason: FEWEST.get(reason, 1) for reason in REMEDIES}, SECOND)
    warnings = refused.warnings(SECOND)
    assert len(warnings) == len(REMEDIES)
    for text in warnings:
        assert re.match(r"(1 datagram was|\d+ datagrams were) refused in the last minute \([a-z-]+\): .{30}", text)


def test_a_pair_of_heartbeat_has_remedies_of_its_own() -> None:
    """Its keys are in authkeys; `understudy key show` is refused there."""
    assert set(OLD_REMEDIES) <= {reason.value for reason in OldReason}
    refused = RefusedLately(old=True)
    refused.add({}, 0)
    refused.add({"bad-signature": 3, "unknown-key": 1, "unsigned": 2, "other-cluster": 5}, SECOND)
    warnings = refused.warnings(SECOND)
    assert len(warnings) == 3
    assert all("understudy key" not in text for text in warnings)
    assert [text for text in warnings if "(bad-signature)" in text and "sha256sum /etc/ha.d/authkeys" in text]


def test_a_member_that_does_not_hear_us_is_told_of_and_one_that_only_starts_is_not() -> None:
    refused = RefusedLately()
    refused.add({"unproven-incarnation": 0}, 0)
    refused.add({"unproven-incarnation": 4}, SECOND)
    assert refused.warnings(2 * SECOND) == (), "two links, and one round trip on each"
    refused.add({"unproven-incarnation": 4 + 5 * 2 * 10}, 12 * SECOND)
    (warning,) = refused.warnings(12 * SECOND)
    assert "104 datagrams were refused in the last minute (unproven-incarnation)" in warning
    assert "does not hear this machine" in warning
    assert refused.warnings(80 * SECOND) == ()
