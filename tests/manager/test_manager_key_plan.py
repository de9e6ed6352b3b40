"""The order of a key rotation: at every moment everybody understands everybody, whatever is interrupted and asked again."""

from __future__ import annotations

import random

import pytest

from understudy.errors import Refused
from understudy.manager.key_plan import Keys, Step, after, next_step, obstacles

MEMBERS = ("a", "b", "w")


def understood(cluster: dict[str, Keys]) -> bool:
    return all(one.names[0] in other.names for one in cluster.values() for other in cluster.values())


def test_interrupted_anywhere_it_goes_on_and_cuts_nobody_off() -> None:
    for seed in range(300):
        dice = random.Random(seed)
        cluster = {name: Keys(("old",)) for name in MEMBERS}
        step: tuple[Step, str] | None = (Step.ADD, "new")
        for _ in range(100):
            if step is None:
                break
            for name in dice.sample(MEMBERS, dice.randrange(1, 4)):  # the others are not reached this time
                cluster[name] = after(*step, cluster[name], name) or cluster[name]
                assert understood(cluster), (seed, step, cluster)
            step = next_step(cluster)
        assert {keys.names for keys in cluster.values()} == {("new",)}, seed


def test_a_step_that_is_done_does_nothing_and_one_too_early_is_refused() -> None:
    old, both, used, new = Keys(("o",)), Keys(("o", "n"), True), Keys(("n", "o")), Keys(("n",))
    for step, done in (
        (Step.ADD, (both, used, new)),
        (Step.USE, (used, new)),
        (Step.DROP, (new,)),
        (Step.ABANDON, (old,)),
    ):
        for keys in done:
            assert after(step, "n", keys, "a") is None
    for step, early in ((Step.USE, (old,)), (Step.DROP, (old, both)), (Step.ABANDON, (used, new))):
        for keys in early:
            with pytest.raises(Refused):
                after(step, "n", keys, "a")
    with pytest.raises(Refused, match="a has a second key already, n"):
        after(Step.ADD, "m", both, "a")
    assert after(Step.ABANDON, "n", both, "a") == old


def test_what_is_no_rotation_is_named() -> None:
    with pytest.raises(Refused, match="two rotations were begun: a uses o and knows n; b uses o and knows m"):
        next_step({"a": Keys(("o", "n"), True), "b": Keys(("o", "m"), True)})
    with pytest.raises(Refused, match="seal with different keys"):
        next_step({"a": Keys(("o",)), "b": Keys(("n", "o"))})
    assert next_step({"a": Keys(("o",)), "b": Keys(("o",))}) is None
    # One that was away for the first step, and is back before the second one ends.
    assert next_step({"a": Keys(("o", "n"), True), "b": Keys(("n", "o")), "w": Keys(("o",))}) == (Step.ADD, "n")


def test_a_file_by_hand_cuts_nobody_off() -> None:
    others: dict[str, Keys | str] = {"b": Keys(("o", "n"), True), "w": Keys(("o",))}
    assert obstacles(("o",), ("o", "n"), others) == []
    assert obstacles(("o",), ("x",), others) == [
        "the first key, x, is unknown to the others: a new key comes second first, on every machine"
    ]
    assert obstacles(("o", "n"), ("n", "o"), others) == ["w does not know the key n yet"]
    others = {"b": Keys(("n", "o")), "w": Keys(("o", "n"), True)}
    assert obstacles(("o", "n"), ("n", "o"), others) == []
    assert obstacles(("n", "o"), ("n",), others) == ["w still seals with the key o"]
    others = {"b": Keys(("n",)), "w": "w does not answer"}
    assert obstacles(("n", "o"), ("n",), others) == ["w does not answer"]
    assert obstacles(("o",), ("o", "n"), others | {"b": Keys(("o",))}) == []
