"""Each signature, in both forms of the old messages: joining, and a hand-over in each direction."""

from __future__ import annotations

import signal

import pytest
from old_hands import asking, rejoin_new
from old_world import Pair, beside_heartbeat, never_two, until

from understudy.lab import heartbeat, kernel

SIGNATURES = {"crc": "auth 2\n2 crc\n", "md5": "auth 3\n3 md5 understudy\n", "sha1": "auth 1\n1 sha1 understudy\n"}


def to_and_fro(pair: Pair) -> None:
    asking(pair, "ha01", "hb_standby", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))
    asking(pair, "ha01", "hb_takeover", lambda: pair.serves() == "ha01")
    until("and all is said", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"))
    assert pair.status("ha02")["rejected"] == {}


def each_signature(pair: Pair) -> None:
    """The old program takes up another key while it serves; ours is stopped, and started with it."""
    pair.keys = SIGNATURES["crc"]
    for name in pair.ours:
        pair.furnish_keys(name)
    pair.start_old("ha01")
    until("the old one serves", lambda: pair.serves() == "ha01")
    start = kernel.now()
    pair.start_new("ha02")
    until("ours has joined", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"))
    to_and_fro(pair)
    for method in ("md5", "sha1"):
        pair.ours["ha02"].signal("supervisor", signal.SIGTERM)
        until("ours has ended", lambda: not pair.ours["ha02"].processes())
        pair.keys = SIGNATURES[method]
        for name in pair.ours:
            pair.furnish_keys(name)
        pair.machine("ha01").run([heartbeat.PROGRAM, "-r"])
        rejoin_new(pair, "ha02")
        to_and_fro(pair)
    never_two(pair, start)


@beside_heartbeat(failback="off")
def test_each_signature_in_classic_messages(pair: Pair) -> None:
    each_signature(pair)


@pytest.mark.long
@beside_heartbeat(failback="off", more="msgfmt netstring")
def test_each_signature_in_netstring_messages(pair: Pair) -> None:
    each_signature(pair)
