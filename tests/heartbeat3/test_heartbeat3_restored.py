"""A peer that was restored from a backup, or replaced: its generation is below the one that this machine remembers of it."""

from __future__ import annotations

from heartbeat3_parts import A, ByHand

from understudy.units import SECOND


def restored() -> ByHand:
    """Known with a high generation, and heard with a low one."""
    old = ByHand()
    old.beats(SECOND)
    old.settle()
    old.two.run(60 * SECOND)
    assert old.two.node(A).peer is not None
    old.generation, old.number = 0x100, 0
    return old


def warnings(old: ByHand) -> str:
    return " ".join(old.two.node(A).snapshot(old.two.now).warnings)


def test_status_says_what_to_do_while_it_is_refused() -> None:
    old = restored()
    assert "refused" not in warnings(old)
    mark = len(old.host.notes)
    old.beats(5 * SECOND)
    text = warnings(old)
    assert f"its generation {0x100} is below {0x6B00BBA8}" in text
    assert f"write {0x6B00BBA8} into its hb_generation" in text
    assert "remove heartbeat_generations.json" in text
    assert sum("is refused" in note for note in old.host.notes[mark:]) == 1, "once, however often it is heard"
    old.two.run(5 * SECOND)
    assert "refused" not in warnings(old)
    old.generation = 0x6B00BBA9
    old.beats(SECOND)
    assert "refused" not in warnings(old)


def test_it_is_not_taken_over_without_a_warning() -> None:
    old = ByHand()
    old.beats(SECOND)
    old.settle()
    old.generation, old.number = 0x100, 0
    old.beats(10 * SECOND)
    taken = [note for note in old.host.notes if "although it may live" in note]
    assert len(taken) == 1
    assert "Resources being acquired from node-b." in old.host.notes


def test_one_that_is_silent_is_taken_over_as_ever() -> None:
    old = ByHand()
    old.beats(SECOND)
    old.settle()
    old.two.run(10 * SECOND)
    assert "Resources being acquired from node-b." in old.host.notes
    assert not any("although it may live" in note for note in old.host.notes)
