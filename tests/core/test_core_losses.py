"""What each link has lost lately, by the numbers of a member's heartbeats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from understudy.core.losses import SPAN, Losses
from understudy.core.node import Node
from understudy.sim.script import Script


def fed(*copies: tuple[str, int]) -> Losses:
    losses = Losses()
    for link, number in copies:
        losses.heard("b", 1, link, number)
    return losses


def test_nothing_is_known_at_first() -> None:
    assert Losses().ratio("b", "red") is None
    assert fed(("red", 7)).ratio("b", "red") is None


def test_each_link_by_itself() -> None:
    losses = fed(*(("red", number) for number in range(11)), *(("blue", number) for number in range(0, 11, 2)))
    assert losses.ratio("b", "red") == 0.0
    assert losses.ratio("b", "blue") == 0.5
    assert losses.ratio("b", "green") == 1.0


def test_what_no_link_brought_counts_for_all() -> None:
    losses = fed(("red", 0), ("red", 4), ("red", 5))
    assert losses.ratio("b", "red") == 0.6


def test_the_newest_may_still_be_on_its_way() -> None:
    losses = fed(("red", 0), ("blue", 0), ("red", 1), ("blue", 1), ("red", 2))
    assert losses.ratio("b", "blue") == 0.0
    losses.heard("b", 1, "red", 3)
    assert losses.ratio("b", "blue") == 0.3333


def test_what_is_long_ago_is_forgotten_and_a_new_incarnation_begins_anew() -> None:
    losses = fed(*(("red", number) for number in range(0, 100, 2)))
    for number in range(100, 100 + SPAN):
        losses.heard("b", 1, "red", number)
    assert losses.ratio("b", "red") == 0.0
    losses.heard("b", 1, "red", 10**12)
    assert losses.ratio("b", "red") == 1.0
    losses.heard("b", 2, "red", 5)
    assert losses.ratio("b", "red") is None


@given(st.lists(st.tuples(st.sampled_from(["red", "blue"]), st.integers(0, 200)), max_size=200))
def test_order_and_copies_do_not_matter_and_it_stays_a_ratio(copies: list[tuple[str, int]]) -> None:
    losses, number = fed(*copies), max((number for _, number in copies), default=0)
    again = fed(*copies, *(copy for copy in copies if number - copy[1] < SPAN))
    for link in ("red", "blue"):
        ratio = losses.ratio("b", link)
        assert ratio is None or 0.0 <= ratio <= 1.0
        assert again.ratio("b", link) == ratio


def test_in_a_cluster_only_the_cable_that_is_out_loses() -> None:
    script = Script(Node)
    script.render(
        "cluster 2 nodes witness arbiter heartbeat 200ms dead 1s\ngroup site address 192.168.58.100\nstart all\nadvance 30s\n"
    )

    def seen() -> dict[str, float | None]:
        host = script.world.hosts["ha01"]
        assert host.core is not None
        (node,) = (node for node in host.core.snapshot(host.reading).nodes if node.name == "ha02")
        return {link.network: link.loss for link in node.links}

    before = seen()
    assert len(before) == 2
    assert set(before.values()) == {0.0}
    out = sorted(before)[0]
    script.render(f"cable ha02 {out} out\nadvance 30s\n")
    after = seen()
    assert after.pop(out) == 1.0
    assert set(after.values()) == {0.0}
