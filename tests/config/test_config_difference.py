"""The difference of two configurations, in words, and what of it a reload can take up."""

from __future__ import annotations

import pytest
from config_helpers import GOOD

from understudy.config.difference import Difference, How, difference, entering
from understudy.config.validate import read

MORE = 'resources = [{ address = "192.168.58.100/24", device = "eth0" }, { command = ["/bin/sleep", "9"], name = "sleeper" }]'
ONE = 'resources = [{ address = "192.168.58.100/24", device = "eth0" }]'


def of(before: str, after: str) -> Difference:
    old, new = (read(text, "cluster.toml", source="/cluster.toml").cluster for text in (before, after))
    assert old is not None
    assert new is not None
    return difference(old, new)


def test_layout_comments_and_written_defaults_are_no_difference() -> None:
    assert of(
        GOOD, "# a remark\n" + GOOD.replace('name = "site"', 'name =   "site"\nquorum = "majority"')
    ) == Difference(())


@pytest.mark.parametrize(
    ("before", "after", "text", "how"),
    [
        (ONE, MORE, "group site gets sleeper", How.RELOAD),
        (MORE, ONE, "group site loses sleeper", How.RELOAD),
        (
            "[groups.site]",
            '[groups.site]\nprefer = ["ha02"]',
            "group site: prefer ha02 instead of its default",
            How.RELOAD,
        ),
        ("[groups.site]", "[groups.web]", "group web is new: address 192.168.58.100", How.RELOAD),
        (
            "[groups.site]",
            "[groups.web]",
            "belongs to group site and would belong to web: take it out first",
            How.TWO_STEPS,
        ),
        (
            'name = "site"',
            'name = "site"\ndead_time = "3s"',
            "dead_time 3s instead of 1s: restart the daemons",
            How.RESTART,
        ),
        ('links = ["192.168.58.9"]', 'links = ["192.168.58.8"]', "witness arbiter: links", How.RESTART),
        ("[witness.arbiter]", "[witness.judge]", "witness judge is new: who votes changes by more than", How.TWO_STEPS),
        ("[nodes.ha01]", "[nodes.ha01]\ncapacity = 5", "node ha01: capacity 5 instead of its default", How.RELOAD),
        (
            'name = "site"',
            'name = "site"\ninit_dead_time = "30s"',
            "init_dead_time 30s instead of its default",
            How.RELOAD,
        ),
        ('name = "site"', 'name = "site"\nadmin_group = "adm"', "admin_group adm instead of its default", How.RELOAD),
    ],
)
def test_each_change_is_said_and_classified(before: str, after: str, text: str, how: How) -> None:
    first = GOOD.replace(ONE, before) if before in (ONE, MORE) else GOOD
    changed = first.replace(before, after)
    assert changed != first
    found = [change for change in of(first, changed).changes if text in change.text]
    assert [change.how for change in found] == [how], of(first, changed).changes


def test_what_comes_after_a_change_is_restarted_and_what_comes_before_is_not() -> None:
    three = ONE.replace(
        "}]", '}, { command = ["/bin/a"] }, { command = ["/bin/b", "secret"] }, { command = ["/bin/c"] }]'
    )
    before, after = GOOD.replace(ONE, three), GOOD.replace(ONE, three.replace("secret", "other"))
    found = of(before, after)
    assert found.effects == ("group site, where it runs: b, c are stopped and started again",)
    assert found.restart == (("site", "b"),)
    assert "secret" not in str(found)
    longer = GOOD.replace(ONE, three.replace('["/bin/a"]', '["/bin/a"], restarts = 7'))
    assert of(before, longer).effects == ()


EXCLUSIVE = '{ command = ["/bin/a"], name = "a", exclusive = true }'


@pytest.mark.parametrize(
    ("before", "after", "ids"),
    [
        (ONE, ONE, ()),
        (ONE, ONE.replace(".100/24", ".111/24"), ("address 192.168.58.111",)),
        (ONE, ONE.replace(".100/24", ".100/25"), ()),
        (ONE, MORE, ()),
        (ONE, ONE.replace("}]", "}, " + EXCLUSIVE + "]"), ("a",)),
        (MORE, ONE, ()),
        (ONE.replace("}]", "}, " + EXCLUSIVE + "]"), ONE.replace("}]", "}, " + EXCLUSIVE.replace("/bin/a", "/bin/b") + "]"), ()),
    ],
)  # fmt: skip
def test_what_must_not_be_twice_enters_a_group(before: str, after: str, ids: tuple[str, ...]) -> None:
    old, new = (read(GOOD.replace(ONE, text), "cluster.toml").cluster for text in (before, after))
    assert old is not None
    assert new is not None
    assert entering(old, new) == ids


THREE = (
    'resources = [{ address = "192.168.58.100/24", device = "eth0" }, { command = ["/bin/a"] }, '
    '{ command = ["/bin/b"] }, { command = ["/bin/c"] }]'
)
AT_ONCE = (
    'resources = [{ address = "192.168.58.100/24", device = "eth0" }, [{ command = ["/bin/a"] }, '
    '{ command = ["/bin/b"] }], { command = ["/bin/c"] }]'
)


def test_what_starts_at_once_is_a_difference_and_to_take_order_away_stops_nothing() -> None:
    found = of(GOOD.replace(ONE, THREE), GOOD.replace(ONE, AT_ONCE))
    order = "the resources of group site start in another order: address 192.168.58.100, then a and b at once, then c"
    assert [change.text for change in found.changes] == [order]
    assert found.effects == ()
    assert found.obstacles == ()


def test_to_ask_for_an_order_restarts_what_comes_later() -> None:
    found = of(GOOD.replace(ONE, AT_ONCE), GOOD.replace(ONE, THREE))
    order = "the resources of group site start in another order: address 192.168.58.100, a, b, c"
    assert [change.text for change in found.changes] == [order]
    assert found.effects == ("group site, where it runs: b, c are stopped and started again",)


def test_one_of_those_that_start_at_once_is_changed_alone_with_what_stands_on_it() -> None:
    found = of(GOOD.replace(ONE, AT_ONCE), GOOD.replace(ONE, AT_ONCE.replace('"/bin/a"', '"/bin/a", "-v"')))
    assert [change.text for change in found.changes] == ["a of group site: other command"]
    assert found.effects == ("group site, where it runs: a, c are stopped and started again",)


ROUTERS = """
[virtual_routers.VI_1]
device = "eth0"
id = 51
priority = { ha01 = 150, ha02 = 100 }
addresses = ["192.0.2.100/24"]
"""


@pytest.mark.parametrize(
    ("before", "after", "text", "effect"),
    [
        ("ha01 = 150", "ha01 = 90", "virtual router VI_1: priority 90 100 instead of 150 100", ""),
        ("VI_1", "VI_2", "virtual router VI_2 is new", "VI_2 begins as a backup that listens first"),
        (
            "2.100/24",
            "2.101/24",
            "addresses without 192.0.2.100/24 and with 192.0.2.101/24",
            "192.0.2.101 is added to VI_1",
        ),
    ],
)
def test_virtual_routers_beside_a_cluster(before: str, after: str, text: str, effect: str) -> None:
    found = of(GOOD + ROUTERS, GOOD + ROUTERS.replace(before, after))
    assert any(text in change.text for change in found.changes), found
    assert {change.how for change in found.changes} == {How.RELOAD}
    assert any(effect in said for said in found.effects) or not effect, found
    assert not any("group VI" in said for said in found.effects)


def test_the_first_virtual_router_beside_a_cluster_needs_a_restart() -> None:
    for one, other in ((GOOD, GOOD + ROUTERS), (GOOD + ROUTERS, GOOD)):
        assert [change.how for change in of(one, other).changes] == [How.RESTART]


def test_the_key_is_no_difference_and_the_cluster_is_compared_beside_virtual_routers() -> None:
    found = of(
        GOOD + ROUTERS, GOOD.replace("cluster.key", "other.key").replace('"192.168.58.9"', '"192.168.58.8"') + ROUTERS
    )
    assert [change.where for change in found.changes] == ["witness.arbiter"]
